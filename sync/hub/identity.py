"""Who this hub is: one row, made when it first starts, that must fit the key on disk."""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.ids import uuid7
from sync.core.hub import next_generation
from sync.hub.database import Link, row
from sync.hub.faults import NotReady
from sync.hub.keys import HubKey


class Identity(Struct, frozen=True):
    """The hub, and the incarnation that changes when it has been rolled back."""

    hub_id: UUID
    hub_key: bytes
    incarnation: UUID
    district_id: UUID | None
    generation: int = 1
    owner_counter: int = 0

    @property
    def owner_epoch(self) -> int:
        """The highest number of an ownership that was ever given out."""
        return (self.generation << 32) | self.owner_counter


IDENTITY: Final[LiteralString] = """
SELECT h.hub_id, h.hub_key, h.incarnation, h.district_id, h.generation, h.owner_counter
  FROM hub_identity AS h
 WHERE h.id = 1
"""

# Two processes may start at once; the first one's ids stay.
MAKE_IDENTITY: Final[LiteralString] = """
INSERT INTO hub_identity (id, hub_id, hub_key, incarnation, district_id, created_at_ms)
VALUES (1, $1, $2, $3, NULL, $4)
    ON CONFLICT (id) DO NOTHING
"""

# Two boxes may notice a roll-back at once; it is one roll-back and one new incarnation. The
# generation stands in the high half of every ownership's number: none is given out twice,
# also where two roll-backs end at one moment ($3; sync.core.hub.next_generation).
CHANGE_INCARNATION: Final[LiteralString] = """
UPDATE hub_identity
   SET incarnation = $2,
       generation  = $3
 WHERE id          = 1
   AND incarnation = $1
"""


async def identity(connection: Link) -> Identity:
    """Return who this hub is, as the database has it now."""
    found = await row(connection, Identity, IDENTITY)
    assert found is not None, "the hub serves before it has an identity"
    return found


async def require_identity(connection: Link, key: HubKey, *, now_ms: int) -> Identity:
    """Make the identity once. Raises NotReady when the database belongs to another key.

    A hub that signed with a new key would be refused by every enrolled box, so the lost
    key file must come back from its backup first.
    """
    await connection.execute(MAKE_IDENTITY, uuid7(now_ms), key.public, uuid7(now_ms), now_ms)
    found = await identity(connection)
    if found.hub_key != key.public:
        raise NotReady("hub.key is not the key this database was made with; restore the key file")
    return found


async def change_incarnation(
    connection: Link, before: UUID, *, now_ms: int, shown: int = 0
) -> Identity:
    """Tell every box that this hub is not where it was; return who it is from now on.

    `shown`: the generation of a receipt that a box holds of a life this hub has forgotten.
    """
    known = (await identity(connection)).generation
    generation = next_generation(known, shown, now_ms=now_ms)
    await connection.execute(CHANGE_INCARNATION, before, uuid7(now_ms), generation)
    return await identity(connection)
