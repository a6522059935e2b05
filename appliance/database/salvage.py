"""A new database out of what can still be read of a damaged one.

The old file is only read. The schema comes from our own migrations and not from the damaged
file (`later` is the exception: a file of a later release); rows are read page by page (`pages`,
`trees`), go through every CHECK and key of the schema, and what is missing from a table is filled
in from the newest backup. What is missing after that is said: by its key where an index still
names it, by table otherwise.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, LiteralString

import apsw
from msgspec import Struct

from appliance.database.connection import open_connection
from appliance.database.faults import SalvageFailed, SchemaTooNew
from appliance.database.integrity import full_check
from appliance.database.later import later_schema, lay_out_later
from appliance.database.lineage import leave_lineage
from appliance.database.migrate import lay_out, read_migrations, require_schema
from appliance.database.pages import Cell, Pages
from appliance.database.reader import SQLiteValue
from appliance.database.shape import Index, TableShape, shapes
from appliance.database.trees import SCHEMA_ROOT, Forest
from appliance.durable import sync_path

# What a backup must not bring back: who was signed in, and what had long been sent.
NOT_FROM_BACKUP: Final = frozenset(
    {"session", "hub_enrolment", "job_run", "sync_budget", "sync_dirty", "sync_exception"}
    | {"sync_segment", "sync_stream", "sync_forgotten", "schema_migration"}
)
OWN: Final = "schema_migration"  # the new file has its own
STATISTICS: Final = ("sqlite_stat1", "sqlite_stat4")
PROJECTED: Final = "section_progress"

PROJECT: Final[LiteralString] = """
INSERT INTO section_progress (enrolment_id, section_id, percent)
SELECT enrolment_id, section_id, max(percent)
  FROM progress_fact
 GROUP BY enrolment_id, section_id
    ON CONFLICT (enrolment_id, section_id) DO UPDATE
   SET percent = excluded.percent
 WHERE excluded.percent > section_progress.percent
"""
TRIGGERS: Final[LiteralString] = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
ROOTS: Final[LiteralString] = "SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0"

BACKUP_COLUMNS: Final[LiteralString] = "SELECT name FROM pragma_table_info(?1, 'backup')"

Key = tuple[SQLiteValue, ...]


class TableLoss(Struct, frozen=True, kw_only=True):
    """What became of one damaged table.

    `missing`: keys an index still names, as hex. `may_miss_more`: no index could vouch that
    these are all. `may_be_older`: rows of the backup, which may have changed since.
    """

    table: str
    rows: int
    from_backup: int
    missing: list[str]
    may_miss_more: bool
    may_be_older: bool


class Salvaged(Struct, frozen=True, kw_only=True):
    """What was saved, and every table from which something was not."""

    rows: int
    losses: list[TableLoss]
    homeless_pages: int
    took_ms: int

    @property
    def is_whole(self) -> bool:
        """Whether every row is certain to be there."""
        return not any(loss.missing or loss.may_miss_more for loss in self.losses)


def salvage(
    path: Path, fresh: Path, *, backup: Path | None, migrations: Path, now_ms: int
) -> Salvaged:
    """Build `fresh` from what is readable at `path`. Raises SalvageFailed."""
    began = time.monotonic_ns()
    try:
        rows, losses, homeless = _build(path, fresh, backup, migrations, now_ms)
    except (apsw.Error, OSError, SchemaTooNew) as error:
        raise SalvageFailed(f"salvage {path}: {error}") from error
    took_ms = (time.monotonic_ns() - began) // 1_000_000
    return Salvaged(rows=rows, losses=losses, homeless_pages=homeless, took_ms=took_ms)


def _build(
    path: Path, fresh: Path, backup: Path | None, migrations: Path, now_ms: int
) -> tuple[int, list[TableLoss], int]:
    pages = Pages(path)
    _lay_out(pages, fresh, backup, migrations, now_ms)
    with closing(open_connection(fresh, role="writer")) as connection:
        found = _fill(connection, pages, backup)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    _verify(fresh)
    sync_path(fresh)
    return found


def _lay_out(pages: Pages, fresh: Path, backup: Path | None, migrations: Path, now_ms: int) -> None:
    """Make the tables: by the file's own version, which may be a later release's."""
    knows = len(read_migrations(migrations))
    later = later_schema(pages, backup, knows=knows)
    if later is not None:
        lay_out_later(fresh, later)
        require_schema(fresh, migrations)  # else nobody here could work on what is saved
        return
    version = pages.user_version or (_version(backup) if backup else 0)
    version = version if 0 < version <= knows else knows
    lay_out(fresh, migrations, version=version, now_ms=now_ms)


def _fill(
    connection: apsw.Connection, pages: Pages, backup: Path | None
) -> tuple[int, list[TableLoss], int]:
    connection.pragma("foreign_keys", 0)
    if backup is not None:
        connection.execute("ATTACH ?1 AS backup", (str(backup),))
    connection.execute("BEGIN IMMEDIATE")
    triggers = _without_triggers(connection)
    shaped = [shape for shape in shapes(connection) if shape.name != OWN]
    roots = _roots(connection, pages, has_backup=backup is not None)
    forest = Forest(pages, _kinds(shaped, roots))
    tables = [_copy(connection, forest, shape, roots) for shape in shaped]
    losses = [
        _mend(connection, shape, forest, roots, has_backup=backup is not None)
        for shape, is_damaged in zip(shaped, tables, strict=True)
        if is_damaged or forest.homeless
    ]
    if PROJECTED in {loss.table for loss in losses}:
        connection.execute(PROJECT)
    for sql in triggers:
        connection.execute(sql)
    if not connection.execute("SELECT count(*) FROM sync_identity").get:
        raise SalvageFailed("what is left does not say which school this is")
    leave_lineage(connection)
    rows = sum(_count(connection, shape.name) for shape in shaped)
    connection.execute("COMMIT")
    return rows, losses, forest.homeless


def _without_triggers(connection: apsw.Connection) -> list[str]:
    """Take the triggers off while rows are put back; return how to make them again."""
    found = connection.execute(TRIGGERS).fetchall()
    for name, _ in found:
        connection.execute(f'DROP TRIGGER "{name}"')
    return [str(sql) for _, sql in found]


def _roots(connection: apsw.Connection, pages: Pages, *, has_backup: bool) -> dict[str, int]:
    """Where each tree begins: the file's own word, else the backup's, else as we would lay it."""
    found = _told_roots(connection, "main")
    if has_backup:
        found |= _told_roots(connection, "backup")
    cells, _ = Forest(pages, {SCHEMA_ROOT: True}).rows(SCHEMA_ROOT)
    for cell in cells:
        if len(cell.values) == 5 and isinstance(cell.values[3], int) and cell.values[3] > 1:
            found[str(cell.values[1])] = cell.values[3]
    return found


def _told_roots(connection: apsw.Connection, where: str) -> dict[str, int]:
    sql = ROOTS.replace("sqlite_schema", f"{where}.sqlite_schema")
    return {str(name): int(root) for name, root in connection.execute(sql)}


def _kinds(shaped: Sequence[TableShape], roots: dict[str, int]) -> dict[int, bool]:
    """Every root there is, so that no page of another tree is taken for lost."""
    with_rowids = {shape.name for shape in shaped if shape.has_rowid} | {OWN, *STATISTICS}
    return {SCHEMA_ROOT: True} | {root: name in with_rowids for name, root in roots.items()}


def _copy(
    connection: apsw.Connection, forest: Forest, shape: TableShape, roots: dict[str, int]
) -> bool:
    """Put every readable row into the new table; return whether something was not readable."""
    cells, bad = forest.rows(roots[shape.name])
    connection.execute(shape.clear)
    for cell in cells:
        bad += not _put(connection, shape, cell)
    return bad > 0


def _put(connection: apsw.Connection, shape: TableShape, cell: Cell) -> bool:
    row = shape.row(cell)
    if row is None:
        return False
    try:
        connection.execute(shape.insert, row)
    except apsw.ConstraintError:
        return False  # half overwritten, and the schema knows
    return connection.changes() == 1


def _mend(
    connection: apsw.Connection,
    shape: TableShape,
    forest: Forest,
    roots: dict[str, int],
    *,
    has_backup: bool,
) -> TableLoss:
    filled = 0
    if has_backup and shape.name not in NOT_FROM_BACKUP:
        filled = _from_backup(connection, shape)
    known, is_sure = _known_keys(forest, shape, roots)
    there = set(connection.execute(shape.select_keys))
    missing = [_words(key) for key in known - there]
    return TableLoss(
        table=shape.name,
        rows=len(there),
        from_backup=filled,
        missing=sorted(missing),
        may_miss_more=not is_sure,
        may_be_older=filled > 0 and "version" in shape.columns,
    )


def _from_backup(connection: apsw.Connection, shape: TableShape) -> int:
    """Take what the backup has and the new table lacks."""
    has = {str(name) for (name,) in connection.execute(BACKUP_COLUMNS, (shape.name,))}
    columns = ", ".join(f'"{name}"' for name in shape.columns if name in has)
    if not columns:
        return 0
    before = connection.total_changes()
    connection.execute(
        f'INSERT OR IGNORE INTO "{shape.name}" ({columns})'  # noqa: S608 -- our own schema's names
        f' SELECT {columns} FROM backup."{shape.name}"'
    )
    return connection.total_changes() - before


def _known_keys(forest: Forest, shape: TableShape, roots: dict[str, int]) -> tuple[set[Key], bool]:
    """The keys that indexes of a table still name, and whether one whole index vouches for all."""
    known: set[Key] = set()
    is_sure = False
    for index in shape.indexes:
        if index.name not in roots:
            continue
        cells, bad = forest.rows(roots[index.name])
        known |= {key for cell in cells if (key := _key(index, cell)) is not None}
        is_sure = is_sure or (bad == 0 and not index.is_partial and not forest.homeless)
    return known, is_sure


def _key(index: Index, cell: Cell) -> Key | None:
    if len(cell.values) != index.width:
        return None
    return tuple(cell.values[place] for place in index.key_places)


def _words(key: Key) -> str:
    return ":".join(each.hex() if isinstance(each, bytes) else str(each) for each in key)


def _count(connection: apsw.Connection, table: str) -> int:
    found = connection.execute(f'SELECT count(*) FROM "{table}"').get  # noqa: S608 -- as above
    assert isinstance(found, int)
    return found


def _verify(fresh: Path) -> None:
    """Rows that point nowhere are said and kept: their parents may come back from the hub."""
    problems = full_check(fresh).problems
    if problems:
        raise SalvageFailed(f"the new file {fresh} is not sound: {problems[0]}")


def _version(backup: Path) -> int:
    flags = apsw.SQLITE_OPEN_READONLY
    with closing(apsw.Connection(str(backup), flags=flags)) as connection:
        return int(connection.pragma("user_version"))
