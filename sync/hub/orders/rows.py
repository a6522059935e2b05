"""Writing the district's rows so that writing them again changes nothing."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, LiteralString
from uuid import UUID

from asyncpg import Record
from msgspec import Struct

from appliance.errors import NotFound
from sync.hub.accounts.models import Visitor
from sync.hub.database import Link, scoped
from sync.hub.outlet.authoring import READ_ROW, put_row
from sync.hub.running import Hub
from sync.protocol import Cell

VERSION_8: Final = 0x8 << 76  # RFC 9562: an id whose bits are the author's own
VARIANT: Final = 0b10 << 62
NOT_FREE: Final = 0xF << 76 | 0b11 << 62

IS_SCHOOL: Final[LiteralString] = """
SELECT EXISTS (SELECT 1 FROM school AS s WHERE s.school_id = $1 AND s.district_id = $2)
"""


class Pen(Struct, frozen=True):
    """Writes in one scope (a school's, or the district's) within one transaction."""

    link: Link
    scope_id: UUID
    now_ms: int

    async def put(self, table: str, **values: Cell | UUID) -> None:
        """Create or change a row; columns that are not named stay. Raises OwnedElsewhere."""
        await put_row(self.link, self.scope_id, table, values, now_ms=self.now_ms)

    async def put_changed(self, table: str, **values: Cell | UUID) -> bool:
        """Do the same unless the row says all of this already; return whether it was written."""
        found = await self.read(table, values["id"])
        if found is not None and all(found[name] == value for name, value in values.items()):
            return False
        await self.put(table, **values)
        return True

    async def withdraw(self, table: str, row_id: UUID) -> None:
        """Take a row back; twice is once. Raises NotFound."""
        found = await self.read(table, row_id)
        if found is None:
            raise NotFound(f"{table} {row_id}")
        if found["deleted_at_ms"] is None:
            await self.put(table, id=row_id, deleted_at_ms=self.now_ms)

    async def read(self, table: str, row_id: Cell | UUID) -> Record | None:
        """Return the row as it stands, withdrawn or not."""
        return await self.link.fetchrow(READ_ROW[table], self.scope_id, row_id)


@asynccontextmanager
async def pen_of(hub: Hub, visitor: Visitor, scope_id: UUID | None = None) -> AsyncIterator[Pen]:
    """Open a transaction that writes in a school's scope, or else in the district's.

    Raises NotFound for a school that is not the visitor's district's.
    """
    district_id = visitor.district_id
    scope_id = scope_id or district_id
    async with scoped(hub.pools.web, school_id=scope_id, district_id=district_id) as link:
        is_ours = scope_id == district_id
        if not is_ours and not await link.fetchval(IS_SCHOOL, scope_id, district_id):
            raise NotFound(f"school {scope_id}")
        yield Pen(link, scope_id, hub.clock())


def derived_id(*parts: UUID | str) -> UUID:
    """Return the one id for these words: whoever writes the same thing again finds it."""
    words = "\0".join(str(part) for part in parts)
    number = int.from_bytes(hashlib.sha256(words.encode()).digest()[:16], "big")
    return UUID(int=number & ~NOT_FREE | VERSION_8 | VARIANT)
