import re

import pytest

from tests.cast import new_id

HTML = {"accept": "text/html"}


@pytest.fixture
def handed_in(as_, school):
    """Return the id of Amina's submission."""
    answer = as_("amina").put(
        f"/api/v1/submission-revisions/{new_id()}",
        json={"assessment_id": str(school.village), "body": "My village."},
    )
    return answer.json()["submission_id"]


def mark(client, submission_id, points=7_000, comment="Good.", version=1, grade_id=None):
    return client.post(
        f"/api/v1/submissions/{submission_id}/grades",
        json={
            "id": str(grade_id or new_id()),
            "points_mp": points,
            "comment": comment,
            "version": version,
        },
    )


def give_back(client, submission_id, version=2):
    return client.post(
        f"/api/v1/submissions/{submission_id}/return",
        json={"id": str(new_id()), "version": version},
    )


def test_the_board_is_answered_with_304_until_something_comes_in(as_, school, handed_in):
    client, url = as_("mr_otieno"), f"/api/v1/assessments/{school.village}/board"
    first = client.get(url)
    assert (first.json()["handed_in"], first.json()["pupils"]) == (1, 4)
    tag = {"if-none-match": first.headers["etag"]}
    same = client.get(url, headers=tag)
    assert (same.status_code, same.content) == (304, b"")
    assert client.get(f"/teach/tasks/{school.village}", headers=tag | HTML).status_code == 304
    mark(client, handed_in)
    assert client.get(url, headers=tag).status_code == 200


def test_the_board_is_one_statement_for_fifty_pupils(as_, box, school):
    def fill(tx):
        for number in range(50):
            person = new_id()
            tx.run(
                "INSERT INTO person (id, org_id, display_name, locale, state, version,"
                " updated_at_ms) VALUES (?1, ?2, ?3, 'en', 'active', 1, 0)",
                (person, school.school_id, f"Pupil {number}"),
            )
            tx.run(
                "INSERT INTO class_member (id, class_group_id, person_id, version, updated_at_ms)"
                " VALUES (?1, ?2, ?3, 1, 0)",
                (new_id(), school.east, person),
            )

    box.app.state.writer.write_blocking(fill)
    client = as_("mr_otieno")
    page = client.get(f"/teach/tasks/{school.village}", headers=HTML)  # enrols the newcomers
    assert page.text.count("name-missing") == 54
    assert client.get(f"/api/v1/assessments/{school.village}/board").json()["pupils"] == 54


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("mr_otieno", 200),
        ("ms_wanjiru", 200),
        ("baraka", 404),
        ("amina", 403),
        ("jomo", 403),
        ("keeper", 403),
        (None, 401),
    ],
)
def test_who_may_open_work_and_board(as_, school, handed_in, who, status):
    client = as_(who)
    for url in (
        f"/api/v1/submissions/{handed_in}",
        f"/api/v1/assessments/{school.village}/board",
    ):
        assert client.get(url).status_code == status
    expected = {200: (201, 200), 404: (404, 404), 403: (403, 403), 401: (401, 401)}[status]
    answers = (mark(client, handed_in).status_code, give_back(client, handed_in).status_code)
    assert answers == expected


def test_the_second_teacher_gets_409_with_what_is_there(as_, handed_in):
    assert mark(as_("mr_otieno"), handed_in).status_code == 201
    refused = mark(as_("ms_wanjiru"), handed_in, points=1_000, comment="Poor.")
    assert (refused.status_code, refused.json()["code"]) == (409, "marked-meanwhile")
    there = {error["field"]: error["message"] for error in refused.json()["errors"]}
    assert (there["points_mp"], there["comment"]) == ("7000", "Good.")


@pytest.mark.parametrize(
    "wrong",
    [
        {"points_mp": -1},
        {"points_mp": 7.5},
        {"points_mp": "seven"},
        {"points_mp": None},
        {"comment": "a\0b"},
        {"comment": "x" * 10_001},
        {"version": 0},
        {"id": "7"},
        {"state": "released"},
    ],
)
def test_a_malformed_mark_is_refused(as_, handed_in, wrong):
    body = {"id": str(new_id()), "points_mp": 1, "comment": "", "version": 1} | wrong
    client = as_("mr_otieno")
    answer = client.post(f"/api/v1/submissions/{handed_in}/grades", json=body)
    assert answer.status_code == 400
    assert client.get(f"/api/v1/submissions/{handed_in}").json()["grades"] == []


def fields(page):
    found = re.findall(r'name="(grade_id|return_id|version)" value="([^"]+)"', page.text)
    return dict(found)


def test_the_marking_page_saves_and_gives_back(as_, school, handed_in):
    client, url = as_("mr_otieno"), f"/teach/submissions/{handed_in}"
    form = fields(client.get(url, headers=HTML)) | {"points": "7,5", "comment": "Good.\r\nMore!"}
    saved = client.post(url, data=form, headers=HTML)
    assert "The mark is saved" in saved.text
    assert 'value="7.5"' in saved.text
    assert "7.5" not in as_("amina").get(f"/learn/hand-ins/{handed_in}", headers=HTML).text
    client = as_("mr_otieno")
    form = fields(client.get(url, headers=HTML)) | {"points": "7.5", "comment": "Good.\r\nMore!"}
    for _ in range(2):  # a double tap
        back = client.post(f"{url}/return", data=form, headers=HTML)
        assert back.url.path == f"/teach/tasks/{school.village}"
    assert len(client.get(f"/api/v1/submissions/{handed_in}").json()["grades"]) == 2
    seen = as_("amina").get(f"/learn/hand-ins/{handed_in}", headers=HTML).text
    assert "7.5" in seen
    assert "Good.\nMore!" in seen


def test_one_tap_saves_and_returns_and_opens_the_next(as_, school, handed_in):
    as_("jose").put(
        f"/api/v1/submission-revisions/{new_id()}",
        json={"assessment_id": str(school.village), "body": "Mine."},
    )
    client, url = as_("mr_otieno"), f"/teach/submissions/{handed_in}"
    form = fields(client.get(url, headers=HTML)) | {"points": "10", "comment": ""}
    following = client.post(f"{url}/return", data=form, headers=HTML)
    assert "José Álvarez-Núñez" in following.text
    assert following.url.path.startswith("/teach/submissions/")


@pytest.mark.parametrize(
    ("points", "status", "words"),
    [("seven", 400, "Write a number"), ("11", 422, "Give fewer points"), ("", 400, "number")],
)
def test_points_that_cannot_be_given_come_back_with_the_comment(
    as_, handed_in, points, status, words
):
    client, url = as_("mr_otieno"), f"/teach/submissions/{handed_in}"
    form = fields(client.get(url, headers=HTML)) | {"points": points, "comment": "Long advice."}
    refused = client.post(url, data=form, headers=HTML)
    assert refused.status_code == status
    assert words in refused.text
    assert "Long advice." in refused.text


def test_the_second_teachers_page_shows_both_and_can_be_saved_again(as_, handed_in):
    client, url = as_("ms_wanjiru"), f"/teach/submissions/{handed_in}"
    form = fields(client.get(url, headers=HTML)) | {"points": "3", "comment": "Too short."}
    mark(as_("mr_otieno"), handed_in)
    client = as_("ms_wanjiru")
    refused = client.post(url, data=form, headers=HTML)
    assert refused.status_code == 409
    for words in ("Otieno wa Kamau", "7 points", "Too short.", 'value="3"'):
        assert words in refused.text
    again = fields(refused) | {"points": "3", "comment": "Too short."}
    assert client.post(url, data=again, headers=HTML).status_code == 200
    grades = client.get(f"/api/v1/submissions/{handed_in}").json()["grades"]
    assert [grade["points_mp"] for grade in grades] == [3_000, 7_000]


def test_giving_back_a_page_that_is_out_of_date_gives_nothing_back(as_, handed_in):
    client, url = as_("mr_otieno"), f"/teach/submissions/{handed_in}"
    form = fields(client.get(url, headers=HTML)) | {"points": "3", "comment": ""}
    mark(client, handed_in)
    assert client.post(f"{url}/return", data=form, headers=HTML).status_code == 409
    assert client.get(f"/api/v1/submissions/{handed_in}").json()["state"] == "graded"
