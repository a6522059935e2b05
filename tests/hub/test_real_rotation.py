"""The real box changes its key at the real hub, and loses nothing on the way."""

import pytest
from nacl.signing import SigningKey

from sync.agent.keys import NEXT_KEY, read_next_key, read_node_key
from sync.agent.line import QUIET_S
from sync.agent.link import change_key, open_client
from sync.agent.rotation import begin_rotation, finish_rotation
from sync.agent.status import status
from sync.agent.store import identity
from sync.core.segment import check_signature, read_segment, signed_again
from sync.hub.intake.former_keys import OVERLAP_MS
from tests.hub.real_box import RENAME

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

PAYLOAD = "SELECT payload FROM sync_segment LIMIT 1"
HUB_URL = "http://hub.test"


async def test_the_next_conversation_brings_the_new_key_into_use(box, watch):
    keys, old = box.settings.keys, read_node_key(box.settings.keys)
    begin_rotation(keys)
    following = read_next_key(keys)
    begin_rotation(keys)
    assert read_next_key(keys) == following  # asked twice, it is one change
    box.write(RENAME, box.cast.amina, "Amina before the change")
    assert await box.agent.one_try() == QUIET_S, status(box.db)
    assert read_node_key(keys) == following != old
    assert (keys / NEXT_KEY).exists() is False
    watch.now_ms += OVERLAP_MS + 60_000
    box.write(RENAME, box.cast.amina, "Amina a month after")
    assert await box.agent.one_try() == QUIET_S, status(box.db)
    assert status(box.db).contact.put_aside == 0
    box.key = following
    assert await box.hub_digests() == box.digests()


async def test_an_answer_that_was_lost_is_asked_for_again(box):
    keys, me = box.settings.keys, identity(box.db)
    begin_rotation(keys)
    old, following = read_node_key(keys), read_next_key(keys)
    async with open_client(HUB_URL, box.transport) as client:
        await change_key(client, me, old, following)  # and the power goes
        assert await finish_rotation(keys, me, old, client) == following
    assert read_node_key(keys) == following


async def test_a_refused_change_leaves_the_old_key_and_the_work_goes_on(box):
    """The key file is not the one this hub knows the box by, so nothing it asks for is done."""
    keys, me = box.settings.keys, identity(box.db)
    begin_rotation(keys)
    async with open_client(HUB_URL, box.transport) as client:
        stranger = SigningKey.generate()
        assert await finish_rotation(keys, me, stranger, client) == stranger
    assert read_next_key(keys) is not None


async def test_a_sealed_segment_is_signed_again_and_stays_the_same_link(box):
    """The signature is no part of the hash."""
    payload = box.db.value(PAYLOAD)
    new = SigningKey.generate()
    again = signed_again(payload, new)
    check_signature(read_segment(again), bytes(new.verify_key))
    assert read_segment(again).hash == read_segment(payload).hash
    assert signed_again(again, read_node_key(box.settings.keys)) == payload
