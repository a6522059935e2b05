"""A box joins the district: once, with a token, as itself."""

from uuid import UUID

import pytest
from nacl.signing import SigningKey

from sync.hub.intake import nodes
from tests.hub.cast import Box, facts

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]
HOUR_MS = 3_600_000


async def refused(box, token, **changes):
    answer = await box.post("/sync/v1/enrol", box.enrol_request(token, **changes))
    return answer.status_code, answer.json()["code"]


async def test_adopting_keeps_the_school_the_box_made(district, client):
    box = Box(client)
    own = box.school_id
    answer = await box.enrol(await district.token())
    assert (answer.school_id, answer.district_id, answer.mode) == (own, district.id, "adopt")


async def test_the_same_box_may_ask_again_and_gets_the_same_answer(district, client, watch):
    token, box = await district.token(hours=1), Box(client)
    first = await box.enrol(token)
    watch.now_ms += 2 * HOUR_MS  # it was used in time; the answer was lost
    assert await box.enrol(token) == first


async def test_a_token_may_be_typed_as_a_person_types(district, client):
    token = await district.token()
    await Box(client).enrol(f" {token.lower().replace('-', ' ')} ")


async def test_a_used_token_is_refused_to_another_box(district, client):
    token = await district.token()
    await Box(client).enrol(token)
    assert await refused(Box(client), token) == (409, "token-used")


async def test_the_same_box_id_with_another_key_is_another_box(district, client):
    token, box = await district.token(), Box(client)
    await box.enrol(token)
    assert await refused(box, token, node_key=bytes(SigningKey.generate().verify_key)) == (
        409,
        "token-used",
    )


async def test_an_unknown_or_expired_token_is_refused(district, client, watch):
    assert await refused(Box(client), "guess") == (403, "token-unknown")
    token = await district.token(hours=1)
    watch.now_ms += HOUR_MS + 1_000
    assert await refused(Box(client), token) == (403, "token-expired")


async def test_a_token_says_what_it_is_for(district, client):
    token = await district.token()
    assert await refused(Box(client), token, mode="replace") == (400, "invalid")
    assert await refused(Box(client), token, school_id=None) == (400, "invalid")
    await Box(client).enrol(token)  # and it is still good for the right one


async def test_a_school_that_is_here_cannot_be_adopted_by_another_box(district, client):
    first = await district.school()
    thief = Box(client)
    thief.school_id = first.school_id
    assert await refused(thief, await district.token()) == (409, "school-taken")


async def test_nobody_adopts_the_district_itself(district, client):
    box = Box(client)
    box.school_id = district.id
    assert await refused(box, await district.token()) == (409, "school-taken")


async def test_a_box_may_be_enrolled_again_with_a_new_token(district):
    box = await district.school()
    assert (await box.enrol(await district.token())).school_id == box.school_id


async def test_a_replacement_becomes_the_school_and_the_old_box_may_finish(district, client):
    old = await district.school("Hilltop School")
    await old.send(facts(1))
    token = await district.token(mode="replace", school_id=str(old.school_id))
    new = Box(client)
    answer = await new.enrol(token, mode="replace", school_id=None)
    assert (answer.school_id, answer.mode) == (old.school_id, "replace")
    await new.sign_in()
    assert (await new.hello()).pull
    await old.send(facts(1))  # what the old board had not sent is not lost


async def test_a_token_for_an_unknown_school_is_not_made(district):
    wish = {"mode": "replace", "school_id": str(UUID(int=5))}
    answer = await district.client.post("/api/v1/enrolment-tokens", json=wish)
    assert answer.status_code == 404
    answer = await district.client.post("/api/v1/enrolment-tokens", json={"mode": "replace"})
    assert answer.status_code == 400


async def test_the_token_itself_is_not_kept(district, as_role):
    token = await district.token()
    connection = await as_role("postgres")
    kept = await connection.fetchrow("SELECT * FROM enrolment_token")
    assert token not in str(tuple(kept))


async def test_only_the_enrolled_key_signs_in(district, client):
    box = await district.school()
    answer = await box.prove(await box.challenge(), key=SigningKey.generate())
    assert (answer.status_code, answer.json()["code"]) == (403, "bad-signature")
    stranger = Box(client)
    stranger.hub = box.hub
    answer = await stranger.prove(await stranger.challenge())
    assert (answer.status_code, answer.json()["code"]) == (401, "node-unknown")


async def test_a_challenge_is_good_once_and_for_a_minute(district, watch):
    box = await district.school()
    challenge = await box.challenge()
    assert (await box.prove(challenge)).status_code == 200
    assert (await box.prove(challenge)).status_code == 401
    late = await box.challenge()
    watch.now_ms += 61_000
    assert (await box.prove(late)).status_code == 401
    assert (await box.prove(bytes(32))).status_code == 401


async def test_a_bearer_token_runs_out_after_a_quarter_of_an_hour(district, watch):
    box = await district.school()
    watch.now_ms += 901_000
    answer = await box.hello_answer()
    assert (answer.status_code, answer.json()["code"]) == (401, "node-unknown")


@pytest.mark.parametrize("words", ["", "Bearer", "Bearer AAAA", "Basic AAAA", "Bearer §§"])
async def test_a_made_up_bearer_token_is_refused(district, words):
    box = await district.school()
    box.headers = {"authorization": words.encode()}
    assert (await box.hello_answer()).status_code == 401


async def test_a_revoked_box_is_not_spoken_with(district, as_role):
    box = await district.school()
    connection = await as_role("postgres")
    await connection.execute("UPDATE node SET state = 'revoked'")
    answer = await box.hello_answer()
    assert (answer.status_code, answer.json()["code"]) == (403, "node-revoked")


async def test_a_body_that_is_no_message_is_refused(district, client):
    for body in (b"", b"\xc1", b"{}", b"x" * 70_000):
        answer = await client.post("/sync/v1/enrol", content=body)
        assert answer.status_code in {400, 413}
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_hub_without_a_district_enrols_nobody(client, app):
    box = Box(client)
    answer = await box.post("/sync/v1/enrol", box.enrol_request("guess"))
    assert (answer.status_code, answer.json()["code"]) == (403, "token-unknown")


async def test_a_token_for_one_school_adopts_no_other(district, client):
    box = Box(client)
    token = await district.token(school_id=str(box.school_id))
    assert await refused(Box(client), token) == (403, "token-unknown")
    await box.enrol(token)


async def test_a_hub_without_a_district_signs_nobody_in(client, app):
    box = Box(client)
    box.hub = app.state.hub
    answer = await box.prove(await box.challenge())
    assert (answer.status_code, answer.json()["code"]) == (401, "node-unknown")


async def test_a_box_whose_enrolment_the_hub_has_lost_is_told_so(district, as_role):
    box = await district.school()
    connection = await as_role("postgres")
    await connection.execute("DELETE FROM node")  # restored from before the box joined
    answer = await box.hello_answer()
    assert (answer.status_code, answer.json()["code"]) == (401, "node-unknown")


async def test_answered_challenges_are_remembered_within_a_bound(district, monkeypatch):
    monkeypatch.setattr(nodes, "USED_MAX", 2)
    box = await district.school()
    for _ in range(4):
        assert (await box.prove(await box.challenge())).status_code == 200
