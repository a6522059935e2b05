"""Bringing courses over HTTP, as JSON and through the pages."""

import io
import re
import zipfile

import pytest

from appliance import room
from appliance.room import Card
from tests.box import sign_in
from tests.cast import new_id
from tests.lessons import RAIN, reads_rain

FOLDER = {"files": [{"path": path, "text": data.decode()} for path, data in RAIN.items()]}


@pytest.fixture
def reading(writer, school):
    return reads_rain(writer, school)


@pytest.fixture
def teacher(box, school):
    return sign_in(box, school.mr_otieno)


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return buffer.getvalue()


def upload(data, name="rain.zip"):
    return {"files": {"files": (name, data, "application/zip")}, "data": {"name": ""}}


def test_a_folder_as_json_and_the_same_as_zip_are_one_course(teacher):
    first = teacher.post("/api/v1/courses/import", json=FOLDER).json()
    assert (first["outcome"], first["lessons"]) == ("new", 3)
    again = teacher.post("/api/v1/courses/import", **upload(zipped(RAIN))).json()
    assert again["outcome"] == "same"
    assert again["course_id"] == first["course_id"]
    outline = teacher.get(f"/api/v1/courses/{first['course_id']}").json()
    assert [module["title"] for module in outline["modules"]] == ["Rain", "Lessons"]


def test_a_dry_run_keeps_nothing(teacher):
    report = teacher.post("/api/v1/courses/import?dry_run=true", json=FOLDER).json()
    assert report["is_dry_run"]
    assert "Rain" not in teacher.get("/api/v1/courses").text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"files": []}, 400, "invalid"),
        ({"files": [{"path": "../a.md", "text": "x"}]}, 400, "invalid"),
        ({"files": [{"path": "/a.md", "text": "x"}]}, 400, "invalid"),
        ({"files": [{"path": "a\0b/a.md", "text": "x"}]}, 400, "invalid"),
        ({"files": [{"path": "a.md", "text": "x", "mode": 7}]}, 400, "invalid"),
        ({"files": [{"path": "a.md", "text": 7}]}, 400, "invalid"),
        ({"files": [{"path": "a.md", "text": "a\0b"}]}, 400, "invalid"),
        ({"files": [{"path": "a.png", "text": "x"}]}, 400, "empty-course"),
        ({"folder": "rain"}, 400, "invalid"),
        ([], 400, "invalid"),
    ],
)
def test_json_that_is_no_folder_is_refused_by_name(teacher, body, status, code):
    answer = teacher.post("/api/v1/courses/import", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("raw", [b"", b"{", b'{"files": [{"path": "a.md", "text": "\\ud800"}]}'])
def test_a_body_that_is_no_json_is_refused(teacher, raw):
    answer = teacher.post(
        "/api/v1/courses/import", content=raw, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"PK\x03\x04broken", 400, "broken-archive"),
        (zipped({"../up.md": b"x"}), 400, "broken-archive"),
        (zipped({"a.md": b"\xff\xfe"}), 400, "invalid"),
        (zipped({"a.txt": b"x"}), 400, "empty-course"),
    ],
)
def test_a_bad_zip_is_refused_and_leaves_nothing(teacher, data, status, code):
    before = teacher.get("/api/v1/courses").text
    answer = teacher.post("/api/v1/courses/import", **upload(data))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert teacher.get("/api/v1/courses").text == before


def test_an_upload_past_the_limit_is_refused(teacher, monkeypatch):
    answer = teacher.post("/api/v1/courses/import", **upload(b"0" * (17 << 20)))
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_a_teacher_looks_first_and_then_adds_the_course(teacher):
    preview = teacher.post("/teach/courses/import", **upload(zipped(RAIN | {"a.png": b"x"})))
    assert preview.status_code == 200
    assert "Measuring rain" in preview.text
    assert "not a Markdown file" in preview.text
    assert "Rain" not in teacher.get("/teach/courses").text
    packed = re.search(r'name="packed" value="([^"]+)"', preview.text)[1]
    kept = teacher.post(
        "/teach/courses/import/confirm",
        files={"packed": (None, packed), "name": (None, "")},
        follow_redirects=False,
    )
    assert kept.status_code == 303
    page = teacher.get(kept.headers["location"])
    assert "Give it to a class" in page.text
    assert "6 East" in page.text
    assert "6 West" not in page.text


@pytest.mark.parametrize(
    ("files", "title"),
    [({"a.md": b"x"}, "Rain songs"), ({"sw/1_mvua.md": b"Mvua"}, "Kiswahili")],
)
def test_a_zip_without_a_title_is_called_by_its_folder_or_else_by_its_own_name(
    teacher, files, title
):
    report = teacher.post("/api/v1/courses/import", **upload(zipped(files), "rain-songs.zip"))
    assert report.json()["title"] == title


def test_markdown_files_may_be_chosen_without_a_zip(teacher):
    files = [
        ("files", (path, data, "text/markdown")) for path, data in RAIN.items() if "/" not in path
    ]
    preview = teacher.post("/teach/courses/import", files=files, data={"name": ""})
    assert "Welcome" not in preview.text
    assert "1 lesson," in preview.text


@pytest.mark.parametrize("data", [b"PK\x03\x04broken", zipped({"a.md": b"\xff"})])
def test_a_bad_folder_is_a_plain_sentence_on_the_page(teacher, data):
    page = teacher.post("/teach/courses/import", **upload(data))
    assert page.status_code == 400
    assert "notice-error" in page.text
    assert "How a folder becomes a course" in page.text


def test_a_form_whose_hidden_part_was_cut_is_a_problem_and_not_a_crash(teacher):
    answer = teacher.post(
        "/teach/courses/import/confirm",
        files={"packed": (None, "%%%"), "name": (None, "")},
        headers={"accept": "text/html"},
    )
    assert answer.status_code == 400
    assert "broken-archive" in answer.text


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("mr_otieno", 200),
        ("baraka", 200),
        ("amina", 403),
        ("jomo", 403),
        ("keeper", 403),
        (None, 401),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/courses", "/api/v1/courses/{course}"])
def test_the_shelf_is_for_teachers(reading, box, school, who, status, path):
    sign_in(box, who and getattr(school, who))
    assert box.get(path.format(course=reading.course_id)).status_code == status


def test_a_course_that_is_not_there_is_not_found(teacher):
    assert teacher.get(f"/api/v1/courses/{new_id()}").status_code == 404
    assert teacher.get(f"/teach/courses/{new_id()}").status_code == 404


@pytest.fixture
def almost_full(monkeypatch):
    """What is left is for hand-ins."""
    card = Card(total_bytes=32 << 30, free_bytes=199 << 20)
    monkeypatch.setattr(room, "card_of", lambda _folder: card)


def test_a_course_is_refused_in_words_when_what_is_left_is_for_hand_ins(teacher, almost_full):
    assert teacher.post("/api/v1/courses/import?dry_run=true", json=FOLDER).status_code == 200
    refused = teacher.post("/api/v1/courses/import", json=FOLDER)
    assert (refused.status_code, refused.json()["code"]) == (507, "no-room-for-courses")
    page = teacher.post("/teach/courses/import", **upload(zipped(RAIN)))
    assert page.status_code == 507
    assert "The school box has no room for this course" in page.text
    assert "Rain" not in teacher.get("/api/v1/courses").text


def test_a_course_that_was_looked_at_is_refused_when_the_card_has_filled_since(teacher, request):
    page = teacher.post("/teach/courses/import", **upload(zipped(RAIN))).text
    packed = re.search(r'name="packed" value="([^"]+)"', page)[1]
    request.getfixturevalue("almost_full")
    form = {"packed": (None, packed), "name": (None, "")}
    refused = teacher.post("/teach/courses/import/confirm", files=form)
    assert refused.status_code == 507
    assert "The school box has no room for this course" in refused.text
