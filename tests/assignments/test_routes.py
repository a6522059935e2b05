import pytest

from tests.cast import NOW_MS, new_id

HTML = {"accept": "text/html"}


@pytest.fixture
def new(school):
    return {
        "id": str(new_id()),
        "course_run_id": str(school.east_run),
        "title": "Draw the water cycle",
        "points_max_mp": 10_000,
    }


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("mr_otieno", 201),
        ("ms_wanjiru", 201),
        ("baraka", 404),
        ("amina", 403),
        ("keeper", 403),
        (None, 401),
    ],
)
def test_who_may_give_a_class_a_task(as_, new, who, status):
    client = as_(who)
    assert client.post("/api/v1/assessments", json=new).status_code == status
    expected = 200 if status == 201 else 404
    assert as_("amina").get(f"/api/v1/assessments/{new['id']}").status_code == expected


def test_giving_it_twice_gives_it_once_and_other_content_is_409(as_, new):
    client = as_("mr_otieno")
    first, again = (client.post("/api/v1/assessments", json=new) for _ in range(2))
    assert first.json() == again.json()
    other = client.post("/api/v1/assessments", json=new | {"title": "Draw the sun"})
    assert (other.status_code, other.json()["code"]) == (409, "task-id-taken")


@pytest.mark.parametrize(
    ("tag", "status", "code"),
    [
        ('"1"', 200, None),
        ("1", 200, None),
        ('W/"1"', 200, None),
        ('"2"', 412, "changed-since"),
        (None, 400, "version-needed"),
        ("*", 400, "version-needed"),
        ('"x"', 400, "version-needed"),
    ],
)
def test_an_edit_names_the_version_it_was_made_from(as_, school, tag, status, code):
    client, url = as_("mr_otieno"), f"/api/v1/assessments/{school.village}"
    headers = {"if-match": tag} if tag else {}
    answer = client.patch(url, json={"title": "My town"}, headers=headers)
    assert answer.status_code == status
    if code is None:
        assert answer.headers["etag"] == '"2"'
        assert client.get(url).json()["title"] == "My town"
    else:
        assert answer.json()["code"] == code
        assert client.get(url).json()["title"] == "My village"


@pytest.mark.parametrize("who", ["jomo", "baraka"])
def test_a_task_of_another_class_is_not_found(as_, school, who):
    client = as_(who)
    assert client.get(f"/api/v1/assessments/{school.village}").status_code == 404


def form(task_id, **typed):
    return {
        "id": str(task_id),
        "version": "1",
        "title": "My river",
        "instructions": "Ten\r\nsentences.",
        "due": "2025-11-24T17:00",
        "points": "7.5",
        "attempts": "2",
    } | typed


def test_the_form_gives_the_class_a_task(as_, school):
    client, task_id = as_("mr_otieno"), new_id()
    url = f"/teach/runs/{school.east_run}/tasks/new"
    assert client.get(url, headers=HTML).status_code == 200
    for _ in range(2):
        board = client.post(url, data=form(task_id), headers=HTML)
        assert board.url.path == f"/teach/tasks/{task_id}"
    task = client.get(f"/api/v1/assessments/{task_id}").json()
    assert (task["instructions"], task["points_max_mp"], task["attempts_max"]) == (
        "Ten\nsentences.",
        7_500,
        2,
    )
    assert abs(task["due_at_ms"] - NOW_MS) < 24 * 3_600_000


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"title": " "}, "Write a title"),
        ({"points": "ten"}, "number from 0 to 1000"),
        ({"points": "1001"}, "number from 0 to 1000"),
        ({"points": "NaN"}, "number from 0 to 1000"),
        ({"attempts": "0"}, "from 1 to 100"),
        ({"attempts": "two"}, "from 1 to 100"),
        ({"due": "tomorrow"}, "Choose a day"),
        ({"instructions": "x" * 20_001}, "20,000"),
    ],
)
def test_a_form_that_cannot_be_read_comes_back_with_its_words(as_, school, typed, words):
    client, task_id = as_("mr_otieno"), new_id()
    refused = client.post(
        f"/teach/runs/{school.east_run}/tasks/new", data=form(task_id, **typed), headers=HTML
    )
    assert refused.status_code == 400
    assert words in refused.text
    assert "sentences." in refused.text or "instructions" in typed
    assert client.get(f"/api/v1/assessments/{task_id}").status_code == 404


def test_whoever_edits_second_sees_what_the_first_wrote(as_, school):
    client, url = as_("mr_otieno"), f"/teach/tasks/{school.village}/edit"
    assert 'value="My village"' in client.get(url, headers=HTML).text
    client.post(url, data=form(school.village, title="My town"), headers=HTML)
    second = as_("ms_wanjiru").post(url, data=form(school.village, title="My city"), headers=HTML)
    assert second.status_code == 412
    assert "My town" in second.text
    assert 'value="My city"' in second.text
    assert 'name="version" value="2"' in second.text
