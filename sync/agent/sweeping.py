"""What a new reading of the scopes did not bring: removed, or the school's from now on.

A hub that was rolled back has lost what it wrote since, and has forgotten what it took
over. A row that was the school's before, or that the school's own work rests on, is not
lost with it: it becomes the school's own, under a higher version, and goes up like all its
rows. Everything else of the hub's was the hub's alone to lose.
"""

from collections.abc import Sequence
from typing import Final, LiteralString, cast

from msgspec import Struct

from appliance.database.agent import AgentDatabase
from sync.agent import scopes
from sync.agent.recovery import BEGIN_APPLYING, END_APPLYING
from sync.registry import TABLES, Table

SWEEP_ROWS: Final = 100  # a transaction of 10 ms on the board

# The list of people to forget only grows, whatever a hub has lost.
KEPT: Final = frozenset({"erasure"})
SWEPT: Final = [table for table in reversed(TABLES) if not table.is_fact and table.name not in KEPT]

FOREIGN_KEYS: Final[LiteralString] = """
SELECT f."table" AS parent, m.name AS child, f."from" AS name
  FROM sqlite_schema AS m
  JOIN pragma_foreign_key_list(m.name) AS f
 WHERE m.type = 'table'
"""

# A class in the middle of a course keeps all of it, also the lessons nobody has opened yet.
IN_USE: Final[dict[str, LiteralString]] = {
    "module": """EXISTS (SELECT 1
                FROM course_run AS r
               WHERE r.course_version_id = t.course_version_id)""",
    "lesson": """EXISTS (SELECT 1
                FROM module AS m
                JOIN course_run AS r ON r.course_version_id = m.course_version_id
               WHERE m.id = t.module_id)""",
    "section": """EXISTS (SELECT 1
                FROM lesson AS l
                JOIN module AS m ON m.id = l.module_id
                JOIN course_run AS r ON r.course_version_id = m.course_version_id
               WHERE l.id = t.lesson_id)""",
}


class ForeignKey(Struct, frozen=True):
    """A column of a table on this box that names a row of another."""

    parent: str
    child: str
    name: str


def sweep(db: AgentDatabase, keys: Sequence[ForeignKey], node_id: bytes) -> bool:
    """Settle some rows that no reading has brought; return whether there may be more.

    Children before parents, so that a row is looked at when nothing that goes names it.
    """
    for table in SWEPT:
        found = db.tuples(unseen_sql(keys, table), (node_id, SWEEP_ROWS))
        if found:
            _settle(db, table, [(cast(bytes, pk), bool(stays)) for pk, stays in found])
            return True
    with db.changing() as tx:
        scopes.end_replacing(tx)
    return False


def _settle(db: AgentDatabase, table: Table, found: Sequence[tuple[bytes, bool]]) -> None:
    with db.changing() as tx:
        tx.run(BEGIN_APPLYING)
        for pk, stays in found:
            tx.run(HAND_OVER[table.name] if stays else REMOVE[table.name], (pk,))
        tx.run(END_APPLYING)


def unseen_sql(keys: Sequence[ForeignKey], table: Table) -> LiteralString:
    """Rows of another owner that were not brought, and whether they stay as the school's."""
    was_ours = "t.owner_epoch > 0" if table.owner == "row" else "false"
    stays = " OR ".join([was_ours, *(f"NOT {part}" for part in unnamed(keys, table))])
    if table.name in IN_USE:
        stays = f"{stays} OR {IN_USE[table.name]}"
    return (
        f"SELECT t.id, {stays} FROM {table.name} AS t WHERE t.owner_node_id <> ?1"  # noqa: S608 -- names from the registry
        f" AND NOT EXISTS (SELECT 1 FROM sync_seen WHERE tbl = {table.number} AND pk = t.id)"
        " LIMIT ?2"
    )


def unnamed(keys: Sequence[ForeignKey], table: Table) -> list[LiteralString]:
    """Conditions under which no row of this box names a row `t` of `table`."""
    return [
        f"NOT EXISTS (SELECT 1 FROM {key.child} AS c WHERE c.{key.name} = t.id)"  # noqa: S608 -- names from the schema
        for key in keys
        if key.parent == table.name
    ]


def _hand_over(table: Table) -> LiteralString:
    return f"UPDATE {table.name} SET owner_node_id = NULL, version = version + 1 WHERE id = ?1"  # noqa: S608 -- names from the registry


def _remove(table: Table) -> LiteralString:
    return f"DELETE FROM {table.name} WHERE id = ?1"  # noqa: S608 -- names from the registry


HAND_OVER: Final = {table.name: _hand_over(table) for table in SWEPT}
REMOVE: Final = {table.name: _remove(table) for table in SWEPT}
