"""What a closed box owned passes on under a higher number, to whichever board comes next.

A lost box goes on raising versions nobody sees. With the old number on its rows, a year of
them would outrank its successor's; with a new one whatever it still brings stays beside.
"""

from typing import Final, LiteralString
from uuid import UUID

from sync.hub.database import Link
from sync.hub.identity import identity
from sync.hub.outlet.authoring import NEXT_OWNER_EPOCH, OFFER_TO_PULL
from sync.merge import row_hash
from sync.protocol import Cell
from sync.registry import TABLES, Table

AT_ONCE_MAX: Final = 1_000  # rows hashed and written by one statement: some tens of ms
BEFORE_ALL: Final = UUID(int=0)

NEXT_CHANGES: Final[LiteralString] = """
UPDATE school_sync
   SET change_no = change_no + $2
 WHERE school_id = $1
RETURNING change_no
"""


def _read_sql(table: Table) -> str:
    """The school's own rows; not those of a later release, hashed with what has no place here."""
    names = ", ".join(f"t.{column.name}" for column in table.columns)
    return f"""
SELECT {names}
  FROM {table.name} AS t
 WHERE t.school_id = $1
   AND t.id        > $2
   AND t.owner_node_id IS NULL
   AND NOT EXISTS (SELECT FROM sync_extra AS x
                    WHERE x.school_id = $1
                      AND x.tbl       = {table.number}
                      AND x.pk        = t.id
                      AND x.row_hash  = t.row_hash)
 ORDER BY t.id
 LIMIT $3
"""  # noqa: S608 -- names from the registry


def _raise_sql(table: Table) -> str:
    return f"""
UPDATE {table.name} AS t
   SET owner_epoch = $2, version = t.version + 1, row_hash = u.row_hash, src_epoch = $3,
       change_no = u.change_no, received_at_ms = $4
  FROM unnest($5::uuid[], $6::bytea[], $7::bigint[]) AS u (id, row_hash, change_no)
 WHERE t.school_id = $1
   AND t.id        = u.id
"""  # noqa: S608 -- names from the registry


SHARED: Final = [table for table in TABLES if table.owner == "row"]
READ_OWN: Final = {table.name: _read_sql(table) for table in SHARED}
RAISE_OWN: Final = {table.name: _raise_sql(table) for table in SHARED}


async def pass_on(link: Link, school_id: UUID, *, now_ms: int) -> int:
    """Raise the number of every row the school's box owned; return how many rows.

    Under the school's lock: nothing is merged meanwhile.
    """
    owner_epoch = await link.fetchval(NEXT_OWNER_EPOCH)
    passed = 0
    for table in SHARED:
        after: UUID | None = BEFORE_ALL
        while after is not None:
            count, after = await _raise_some(
                link, school_id, table, owner_epoch, after, now_ms=now_ms
            )
            passed += count
    return passed


async def _raise_some(
    link: Link, school_id: UUID, table: Table, owner_epoch: int, after: UUID, *, now_ms: int
) -> tuple[int, UUID | None]:
    """Write up to AT_ONCE_MAX rows; return how many, and the last one's id if there are more."""
    found = await link.fetch(READ_OWN[table.name], school_id, after, AT_ONCE_MAX)
    if not found:
        return 0, None
    hub_id = (await identity(link)).hub_id
    last_no = await link.fetchval(NEXT_CHANGES, school_id, len(found))
    ids = [record["id"] for record in found]
    hashes = [_hash(table, dict(record), owner_epoch) for record in found]
    numbers = list(range(last_no - len(found) + 1, last_no + 1))
    of = (school_id, owner_epoch, hub_id, now_ms)
    await link.execute(RAISE_OWN[table.name], *of, ids, hashes, numbers)
    await link.execute(OFFER_TO_PULL, school_id, hub_id, last_no)
    return len(found), ids[-1] if len(found) == AT_ONCE_MAX else None


def _hash(table: Table, named: dict[str, object], owner_epoch: int) -> bytes:
    version = named["version"]
    assert isinstance(version, int), table.name
    raised = named | {"owner_epoch": owner_epoch, "version": version + 1}
    return row_hash(table, [_cell(raised[column.name]) for column in table.columns])


def _cell(value: object) -> Cell:
    if isinstance(value, UUID):
        return value.bytes
    assert value is None or isinstance(value, int | str | bytes)
    return value
