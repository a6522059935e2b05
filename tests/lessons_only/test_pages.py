"""A box that could not be repaired shows its lessons, refuses everything else, writes nothing."""

import pytest
from litestar.testing import TestClient

from appliance.lessons_only.pages import create_reading_app
from appliance.settings import Settings
from tests.drills.small_school import make_small_school

WORDS = ["The school's database is damaged and could not be repaired."]


@pytest.fixture
def settings(tmp_path):
    made = Settings(data_dir=tmp_path)
    make_small_school(made.database, pupils=2)
    return made


@pytest.fixture
def phone(settings):
    with TestClient(create_reading_app(settings, WORDS)) as client:
        yield client


def test_lessons_can_be_read_without_signing_in(phone, settings):
    before = sorted(path.name for path in settings.data_dir.iterdir())
    page = phone.get("/")
    assert WORDS[0] in page.text.replace("&#39;", "'")
    assert "Hisabati" in page.text
    lesson = page.text.split('href="/lessons/')[1].split('"')[0]
    assert "Soma." in phone.get(f"/lessons/{lesson}").text
    assert "Amina" not in page.text
    assert sorted(path.name for path in settings.data_dir.iterdir()) == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/sessions"),
        ("PUT", "/api/v1/submission-revisions/019ab697-e800-7407-a874-b53a626eb994"),
        ("GET", "/api/v1/me"),
        ("GET", "/sign-in"),
        ("DELETE", "/health"),
    ],
)
def test_everything_else_is_refused_so_that_phones_keep_their_texts(phone, method, path):
    answer = phone.request(method, path)
    assert answer.status_code == 503
    assert answer.json()["code"] == "only-lessons"
    assert answer.headers["retry-after"] == "600"


def test_a_lesson_that_is_not_there_is_not_there(phone):
    assert phone.get("/lessons/019ab697-e800-7407-a874-b53a626eb994").status_code == 404


def test_the_watchdog_is_told_that_a_person_is_needed(phone):
    assert phone.get("/health").json() == {"status": "reading", "complaints": WORDS}


@pytest.mark.parametrize("content", [b"", b"\xa5" * 20_000])
def test_with_nothing_to_read_the_page_still_says_what_to_do(tmp_path, content):
    settings = Settings(data_dir=tmp_path)
    settings.database.write_bytes(content)
    with TestClient(create_reading_app(settings, WORDS)) as client:
        assert "No lesson can be read any more" in client.get("/").text
    assert settings.database.read_bytes() == content
