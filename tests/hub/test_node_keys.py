"""A box changes its key; the district closes a box. What either has signed is not lost."""

import asyncio

import pytest
from nacl.signing import SigningKey

from sync.hub.intake.former_keys import OVERLAP_MS
from sync.protocol import NewKeyAnswer, NewKeyRequest, Token, decode, new_key_message
from tests.hub.cast import Box, facts, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

AT_DISTRICT = "SELECT count(*) FROM progress_fact WHERE school_id = $1"
ASIDE = """
SELECT q.reason, count(*) FROM sync_quarantine AS q WHERE q.school_id = $1 GROUP BY q.reason
"""
RAWS = "SELECT count(*) FROM sync_raw WHERE school_id = $1"


@pytest.fixture
async def box(district):
    return await district.school()


@pytest.fixture
async def hub(as_role):
    return await as_role("postgres")


async def new_key(box, new, **changes):
    """Ask for another key, as the box does, or nearly."""
    challenge = await box.challenge()
    words = new_key_message(box.hub.hub_id, box.node_id, bytes(new.verify_key), challenge)
    said = {
        "node_id": box.node_id,
        "challenge": challenge,
        "new_key": bytes(new.verify_key),
        "old_signature": box.key.sign(words).signature,
        "new_signature": new.sign(words).signature,
    }
    return await box.post("/sync/v1/node-key", NewKeyRequest(**(said | changes)))


async def changed(box):
    """Change the key and return the old one."""
    old, new = box.key, SigningKey.generate()
    answer = await new_key(box, new)
    assert answer.status_code == 200, answer.text
    box.key = new
    return old


def refusal(answer):
    return answer.status_code, answer.json()["code"]


async def test_for_a_month_both_keys_open_the_door(box, watch):
    old = await changed(box)
    for key in (box.key, old):
        assert (await box.prove(await box.challenge(), key=key)).status_code == 200
    watch.now_ms += OVERLAP_MS - 60_000
    assert (await box.prove(await box.challenge(), key=old)).status_code == 200
    watch.now_ms += 120_000
    assert refusal(await box.prove(await box.challenge(), key=old)) == (403, "node-key-retired")
    assert (await box.prove(await box.challenge())).status_code == 200


async def test_what_the_old_key_has_sealed_is_merged_for_a_month(box, hub):
    sealed = box.seal(facts(2))
    await changed(box)
    answer = await box.put(sealed)
    assert answer.status_code == 200, answer.text
    assert await hub.fetchval(AT_DISTRICT, box.school_id) == 2


async def test_what_an_old_key_sealed_waits_for_a_person_afterwards(box, hub, watch):
    """A stick that was found behind a cupboard."""
    sealed = box.seal(facts(2))
    await changed(box)
    watch.now_ms += OVERLAP_MS + 60_000
    await box.sign_in()
    answer = await box.put(sealed)
    assert answer.status_code == 200, answer.text
    assert await hub.fetchval(AT_DISTRICT, box.school_id) == 0
    assert await hub.fetch(ASIDE, box.school_id) == [("node-key-retired", 2)]
    assert await hub.fetchval(RAWS, box.school_id) == 1


async def test_a_lost_answer_is_asked_for_again(box):
    new = SigningKey.generate()
    first, again = await new_key(box, new), await new_key(box, new)
    assert (first.status_code, again.status_code) == (200, 200)
    good_until = [
        decode(answer.content, NewKeyAnswer).former_good_until_ms for answer in (first, again)
    ]
    assert good_until[1] >= good_until[0]


async def test_both_keys_must_sign(box):
    new, other = SigningKey.generate(), SigningKey.generate()
    for changes in (
        {"old_signature": bytes(64)},
        {"new_signature": bytes(64)},
        {"new_key": bytes(other.verify_key)},
    ):
        assert refusal(await new_key(box, new, **changes)) == (403, "bad-signature")
    assert (await box.prove(await box.challenge(), key=new)).status_code == 403


async def test_a_key_that_was_replaced_replaces_nothing(box):
    """Whoever has an old card cannot take the box's name with it."""
    thief = Box(box.client)
    thief.hub, thief.node_id = box.hub, box.node_id
    thief.key = await changed(box)
    assert refusal(await new_key(thief, SigningKey.generate())) == (403, "bad-signature")


async def test_a_key_that_never_was_the_box_s_opens_nothing(box):
    await changed(box)
    answer = await box.prove(await box.challenge(), key=SigningKey.generate())
    assert refusal(answer) == (403, "bad-signature")


LOCK_NODE = "SELECT FROM node WHERE id = $1 FOR UPDATE"
WAITING = "SELECT count(*) FROM pg_locks AS l WHERE NOT l.granted"


async def test_of_two_boards_with_one_key_that_change_it_at_once_one_is_refused(box, hub):
    """Whoever is told that a key counts gives the old one up, so only one may be told."""
    keys = [SigningKey.generate(), SigningKey.generate()]
    async with hub.transaction():
        await hub.execute(LOCK_NODE, box.node_id)
        asked = [asyncio.create_task(new_key(box, key)) for key in keys]
        async with asyncio.timeout(20):
            while await hub.fetchval(WAITING) < 2:  # noqa: ASYNC110 -- nor has a lock
                await asyncio.sleep(0.01)
    answers = dict(zip(keys, await asyncio.gather(*asked), strict=True))
    told = {key: answer.status_code for key, answer in answers.items()}
    assert sorted(told.values()) == [200, 403]
    for key, status in told.items():
        assert (await box.prove(await box.challenge(), key=key)).status_code == status


async def test_a_hub_without_a_district_changes_no_key(client, app):
    box = Box(client)
    box.hub = app.state.hub
    assert refusal(await new_key(box, SigningKey.generate())) == (401, "node-unknown")


async def test_a_challenge_is_good_for_one_change(box):
    challenge = await box.challenge()
    new = SigningKey.generate()
    words = new_key_message(box.hub.hub_id, box.node_id, bytes(new.verify_key), challenge)
    said = {"challenge": challenge, "old_signature": box.key.sign(words).signature}
    said["new_signature"] = new.sign(words).signature
    assert (await new_key(box, new, **said)).status_code == 200
    assert refusal(await new_key(box, new, **said)) == (401, "node-unknown")


async def test_an_outsider_changes_nobody_s_key(box, district):
    """Another school's box, which knows this one's id."""
    other = await district.school("Riverside School")
    other.node_id, own = box.node_id, other.key
    assert refusal(await new_key(other, SigningKey.generate())) == (403, "bad-signature")
    assert (await box.prove(await box.challenge())).status_code == 200
    assert (await box.prove(await box.challenge(), key=own)).status_code == 403


async def test_the_keys_of_one_school_are_not_seen_by_another(box, district, as_role):
    await changed(box)
    other = await district.school("Riverside School")
    for role in ("darasa_ingest", "darasa_web"):
        connection = await as_role(role)
        for school_id, seen in ((box.school_id, 1), (other.school_id, 0)):
            async with connection.transaction():
                await connection.execute(
                    "SELECT set_config('app.school_id', $1, true)", str(school_id)
                )
                assert await connection.fetchval("SELECT count(*) FROM former_key") == seen


async def test_a_token_got_with_the_old_key_lives_its_quarter_of_an_hour(box):
    answer = await box.prove(await box.challenge())
    token = decode(answer.content, Token).token
    await changed(box)
    box.headers = {"authorization": f"Bearer {token}"}
    assert (await box.hello_answer()).status_code == 200


async def test_a_segment_signed_by_nobody_s_key_is_refused_and_not_kept(box, hub):
    await changed(box)
    answer = await box.put(box.seal(facts(1), key=SigningKey.generate()))
    assert refusal(answer) == (403, "bad-signature")
    assert await hub.fetchval(RAWS, box.school_id) == 0
    person = rows("person", values("person", box.school_id))
    assert (await box.put(box.seal(person))).status_code == 200
