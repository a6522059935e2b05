"""Is the hub's copy of a school the school? Row by row, from the rows themselves.

Nothing either side says about its own progress is believed here: the rows are read from
both databases, hashed again, and summed into one number a table.
"""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from appliance.database.agent import AgentDatabase
from demo.ledger import Ledger
from sync.merge import digest, order_of, row_hash
from sync.registry import TABLE, TABLES, Table

REVISIONS: Final = TABLE["submission_revision"]


class Side(Struct, frozen=True):
    """One table on one side."""

    rows: int
    digest: int


class TableMatch(Struct, frozen=True):
    """One table on both sides."""

    table: str
    box: Side
    hub: Side

    @property
    def is_equal(self) -> bool:
        """Same rows, same content."""
        return self.box == self.hub


class Custody(Struct, frozen=True):
    """What became of the hand-ins somebody holds a receipt for."""

    acknowledged: int
    on_box: int
    at_hub: int

    @property
    def lost(self) -> int:
        """Receipts whose words are missing on either side."""
        return 2 * self.acknowledged - self.on_box - self.at_hub


class Verdict(Struct, frozen=True):
    """One school compared."""

    tables: list[TableMatch]
    custody: Custody
    quarantined: int

    @property
    def is_equal(self) -> bool:
        """Nothing differs and nothing is lost."""
        tables = all(match.is_equal for match in self.tables)
        return tables and self.custody.lost == 0 and self.quarantined == 0


async def compare(
    database: Path, hub: "asyncpg.Connection[Any]", school_id: UUID, book: Ledger
) -> Verdict:
    """Read one school from its box and from the hub. `hub` must see every school."""
    tables, here, there = [], set[tuple[bytes, bytes]](), set[tuple[bytes, bytes]]()
    with closing(AgentDatabase(database)) as box, box.snapshot():
        for table in TABLES:
            local = box.tuples(select_sql(table))
            remote = await _hub_rows(hub, table, school_id)
            tables.append(TableMatch(table.name, side(table, local), side(table, remote)))
            if table is REVISIONS:
                here, there = kept_words(local), kept_words(remote)
    promised = {(each.revision_id.bytes, each.content_hash) for each in book.hand_ins.values()}
    custody = Custody(len(promised), len(promised & here), len(promised & there))
    return Verdict(tables, custody, await _quarantined(hub, school_id))


def select_sql(table: Table) -> str:
    """Read every synced column in the registry's order."""
    return f"SELECT {', '.join(column.name for column in table.columns)} FROM {table.name}"  # noqa: S608 -- names from the registry


def side(table: Table, rows: Sequence[Sequence[Any]]) -> Side:
    """Count and digest rows that stand in the registry's order."""
    parts = [(bytes(row[0]), order_of(table, row)[1], row_hash(table, row)) for row in rows]
    return Side(len(parts), digest(parts))


def kept_words(rows: Sequence[Sequence[Any]]) -> set[tuple[bytes, bytes]]:
    """Return id and hash of the words that are really there, not of what a column claims."""
    names = [column.name for column in REVISIONS.columns]
    body = names.index("body")
    return {(bytes(row[0]), hashlib.sha256(row[body].encode()).digest()) for row in rows}


async def _hub_rows(
    hub: "asyncpg.Connection[Any]", table: Table, school_id: UUID
) -> list[list[Any]]:
    found = await hub.fetch(f"{select_sql(table)} WHERE school_id = $1", school_id)
    return [[_plain(value) for value in record] for record in found]


async def _quarantined(hub: "asyncpg.Connection[Any]", school_id: UUID) -> int:
    count: int = await hub.fetchval(
        "SELECT count(*) FROM sync_quarantine WHERE school_id = $1", school_id
    )
    return count


def _plain(value: Any) -> Any:
    return value.bytes if isinstance(value, UUID) else value
