"""Every route and every role, with real requests; then what an outsider of the class gets."""

import re
import shutil

import pytest
from litestar import Litestar, get

from appliance.access.policy import POLICY, require_complete_policy, served
from tests.box import running_box, sign_in
from tests.cast import new_id

ROLE_OF = {"anonymous": None, "learner": "amina", "teacher": "mr_otieno", "school_admin": "keeper"}
PAGE = {"accept": "text/html"}

# Whatever of East these lead to, somebody who is not of East must not reach. What is not
# named here (a course, a lesson) belongs to the whole school.
OF_EAST = {
    "class_group_id": "east",
    "run_id": "east_run",
    "assessment_id": "village",
    "person_id": "amina",
}
# Names stand on the sign-in pages for everybody in the room.
FOR_THE_ROOM = {
    "GET /sign-in/classes/{class_group_id}",
    "GET /sign-in/people/{person_id}",
    "GET /api/v1/sign-in/classes/{class_group_id}/people",
    "POST /sign-in/people/{person_id}",
}


@pytest.fixture(scope="module")
def box(school_on_file, tmp_path_factory):
    copy = tmp_path_factory.mktemp("box") / "school.db"
    shutil.copy(school_on_file[0], copy)
    with running_box(copy) as client:
        yield client


@pytest.fixture(scope="module")
def people(school_on_file):
    return school_on_file[1]


def send(client, rule, path, **more):
    method = rule.split(" ", 1)[0]
    headers = {} if path.startswith("/api/") else PAGE
    body = {"json": {}} if method in {"POST", "PUT", "PATCH"} and path.startswith("/api/") else {}
    return client.request(method, path, headers=headers, follow_redirects=False, **body, **more)


def filled(path, values):
    known = {"conflict_id": 1} | values  # everything else is named by an id
    return re.sub(r"\{(\w+)\}", lambda match: str(known.get(match[1], new_id())), path)


@pytest.mark.parametrize("who", ROLE_OF)
@pytest.mark.parametrize("rule", sorted(POLICY))
def test_a_route_answers_the_roles_of_its_policy_and_no_other(box, people, rule, who):
    name = ROLE_OF[who]
    client = sign_in(box, getattr(people, name) if name else None)
    path = filled(rule.split(" ", 1)[1], {})
    answer = send(client, rule, path)
    if who in POLICY[rule]:
        assert answer.status_code not in {401, 403, 500}, answer.text
        assert not answer.headers.get("location", "").startswith("/sign-in?next=")
    elif who != "anonymous":
        assert answer.status_code == 403, answer.text
    elif path.startswith("/api/"):
        assert (answer.status_code, answer.json()["code"]) == (401, "sign-in-needed")
    else:
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("who", ["baraka", "jomo"])
@pytest.mark.parametrize(
    "rule",
    [
        rule
        for rule in sorted(POLICY.keys() - FOR_THE_ROOM)
        if any(f"{{{name}}}" in rule for name in OF_EAST)
    ],
)
def test_an_outsider_reaches_nothing_of_another_class(box, people, rule, who):
    values = {name: getattr(people, of_east) for name, of_east in OF_EAST.items()}
    client = sign_in(box, getattr(people, who))
    answer = send(client, rule, filled(rule.split(" ", 1)[1], values))
    # 400 where the empty body is refused before anything is looked up.
    assert answer.status_code in {400, 403, 404}, answer.text
    assert "Amina" not in answer.text


def test_the_table_and_the_app_name_the_same_routes(box):
    assert served(box.app) == set(POLICY)


def test_a_route_without_a_policy_stops_the_start():
    @get("/forgotten", sync_to_thread=False)
    def forgotten() -> None:
        """Nobody thought about who may see this."""

    with pytest.raises(AssertionError, match="GET /forgotten"):
        require_complete_policy(Litestar([forgotten], openapi_config=None))


def test_a_policy_without_a_route_stops_the_start():
    with pytest.raises(AssertionError, match="policies without a route"):
        require_complete_policy(Litestar([], openapi_config=None))
