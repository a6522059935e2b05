"""The hub's clock for boxes that have none: signed, fresh, and open to everybody."""

import pytest
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from sync.protocol import HubTime, SignedTime, decode, time_message
from tests.hub.cast import NOW_MS

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

NONCE = bytes(range(16))


async def test_the_time_is_signed_together_with_the_askers_nonce(client, app):
    answer = await client.get(f"/sync/v1/time?nonce={NONCE.hex()}")
    signed = decode(answer.content, SignedTime)
    key = VerifyKey(app.state.hub.key.public)
    key.verify(time_message(signed.body), signed.signature)
    told = decode(signed.body, HubTime)
    assert told.nonce == NONCE
    assert NOW_MS <= told.hub_time_ms < NOW_MS + 1_000
    with pytest.raises(BadSignatureError):
        key.verify(signed.body, signed.signature)  # passes for no other kind of message


@pytest.mark.parametrize("nonce", ["", "00", NONCE.hex() + "00", "zz" * 16])
async def test_a_nonce_of_another_form_is_refused(client, nonce):
    assert (await client.get(f"/sync/v1/time?nonce={nonce}")).status_code == 400
