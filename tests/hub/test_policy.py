"""Every route of the hub with everybody who might try it."""

from collections import defaultdict

import pytest

from sync.hub.policy import POLICY, served
from tests.hub.cast import Box, facts, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

BY_WHO = {
    who: sorted(rule for rule, allowed in POLICY.items() if allowed == who)
    for who in ("anonymous", "district", "node")
}
NOBODY = "00000000-0000-7000-8000-000000000001"
# Everything else in an address is an id of nobody's.
FILLED = {"lane": "0", "n": "1", "path": "darasa.css", "table": "person", "bucket": "0"}


def address(rule):
    method, path = rule.split(" ", 1)
    return method, path.format_map(defaultdict(lambda: NOBODY, FILLED))


async def test_the_table_has_every_route_and_no_other(app):
    assert served(app) == POLICY.keys()


async def wrong(client, rules, is_right, **more):
    """Ask at every address in turn; return what was answered where it should not."""
    found = {}
    for rule in rules:
        method, path = address(rule)
        answer = await client.request(method, path, **more)
        if not is_right(answer, method, path):
            found[rule] = (answer.status_code, answer.text[:200])
    return found


def is_refused(code):
    def judge(answer, _method, _path):
        return answer.status_code == 401 and answer.json()["code"] == code

    return judge


async def test_a_stranger_gets_nothing_of_the_district_s(client, app):
    assert await wrong(client, BY_WHO["district"], is_refused("sign-in-needed")) == {}


async def test_a_stranger_gets_nothing_of_a_node_s(client, app):
    assert await wrong(client, BY_WHO["node"], is_refused("node-unknown")) == {}


async def test_a_box_is_nobody_of_the_district_s(district):
    box = await district.school()
    district.client.cookies.clear()
    rules, judge = BY_WHO["district"], is_refused("sign-in-needed")
    assert await wrong(district.client, rules, judge, headers=box.headers) == {}


async def test_the_administrator_is_no_box(district):
    assert await wrong(district.client, BY_WHO["node"], is_refused("node-unknown")) == {}


def is_answered(answer, method, path):
    expected = {404} if NOBODY in path else {200} if method == "GET" else {400, 422}
    if NOBODY in path and method != "GET":
        expected.add(400)  # the empty body was looked at first
    return answer.status_code in expected


async def test_the_administrator_is_answered_everywhere(district):
    assert await wrong(district.client, BY_WHO["district"], is_answered) == {}


async def test_open_routes_never_fail_on_our_side(client, app):
    def is_ours(answer, _method, _path):
        return answer.status_code < 500

    assert await wrong(client, BY_WHO["anonymous"], is_ours) == {}


async def test_a_box_touches_only_its_own_school(district):
    """The outsider: a box of the same district, with a token that is good for itself."""
    mine, other = await district.school(), await district.school("Riverside School")
    await mine.send(rows("person", values("person", mine.school_id)))
    path = f"/sync/v1/streams/{mine.node_id}/{mine.epoch}/0/segments/2"
    sealed = mine.seal(facts(1))
    answer = await district.client.put(path, content=sealed.payload, headers=other.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong-school")
    own = await other.digests()
    assert own.tables["person"].rows == 0
    assert (await other.pull()).rows == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://elsewhere.test"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://hub.test", "sec-fetch-site": "same-origin"}, 201),
        ({}, 201),
    ],
)
async def test_another_site_s_page_cannot_act_for_the_administrator(district, headers, status):
    wish = {"mode": "adopt"}
    answer = await district.client.post("/api/v1/enrolment-tokens", json=wish, headers=headers)
    assert answer.status_code == status


async def test_a_node_without_a_school_here_is_not_let_in(district, client):
    stranger = Box(client)
    stranger.headers = {"authorization": "Bearer " + "A" * 80}
    assert (await client.get("/sync/v1/digests", headers=stranger.headers)).status_code == 401
