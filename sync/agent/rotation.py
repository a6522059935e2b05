"""The box changes its key, without ever being a box whose key nobody knows.

The new key is on the card before the district hears of it, and takes the old one's place
only when the district has said yes. An answer that was lost is asked for again: the
district says yes to the key it already has. Segments that wait are signed anew when they
are sent; what an old key signed on a stick still counts for a month.
"""

import logging
from pathlib import Path

import httpx
from nacl.signing import SigningKey

from sync.agent.faults import Refused
from sync.agent.keys import make_next_key, read_next_key, take_next_key
from sync.agent.link import change_key
from sync.agent.store import Identity

logger = logging.getLogger(__name__)


def begin_rotation(keys: Path) -> None:
    """Make the new key; the next conversation with the district brings it into use."""
    make_next_key(keys)


async def finish_rotation(
    keys: Path, me: Identity, key: SigningKey, client: httpx.AsyncClient
) -> SigningKey:
    """Return the key to speak with: the new one once the district has taken it.

    A refusal is for the keeper to read in the journal; the school's work goes on with the
    old key. Raises Unreachable, HubBusy.
    """
    following = read_next_key(keys)
    if following is None:
        return key
    try:
        await change_key(client, me, key, following)
    except Refused as error:
        logger.warning("key not changed reason=%s detail=%s", error.reason, error.detail)
        return key
    take_next_key(keys)
    logger.info("key changed node=%s", me.node_id)
    return following
