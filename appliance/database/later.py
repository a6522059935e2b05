"""The schema of a file that a later release has left: this program has no migrations for it.

Only for salvage. A sound copy of the same schema tells it, else the damaged file itself, if
every line of its schema can be read. A half of it would lose what the later release wrote.
"""

from contextlib import closing
from pathlib import Path
from typing import Final

from msgspec import Struct

from appliance.database.connection import open_connection
from appliance.database.faults import SalvageFailed
from appliance.database.pages import Cell, Pages
from appliance.database.shape import shapes
from appliance.database.trees import SCHEMA_ROOT, Forest

RECORD: Final = "schema_migration"
SCHEMA_COLUMNS: Final = 5  # type, name, table, root page, text
AHEAD_MAX: Final = 100  # a box goes back one release; any other number is noise in the header


class LaterSchema(Struct, frozen=True):
    """What makes each table, index, view and trigger, and the migrations that led to it."""

    version: int
    statements: list[str]
    records: list[Cell]


def later_schema(damaged: Pages, backup: Path | None, *, knows: int) -> LaterSchema | None:
    """Return it when the damaged file has more migrations than `knows`. Raises SalvageFailed."""
    told = _told(damaged)
    version = told.version if told else damaged.user_version
    if not knows < version <= knows + AHEAD_MAX:
        return None
    for source in (_told(Pages(backup)) if backup else None, told):
        if source is not None and source.version == version:
            return source
    raise SalvageFailed(f"it has schema {version} of a later release, and no copy tells that")


def _told(pages: Pages) -> LaterSchema | None:
    """What the pages say; None unless all of it can be read."""
    cells, bad = Forest(pages, {SCHEMA_ROOT: True}).rows(SCHEMA_ROOT)
    lines = [cell.values for cell in cells if len(cell.values) == SCHEMA_COLUMNS]
    roots = {str(line[1]): line[3] for line in lines}
    root = roots.get(RECORD)
    if bad or len(lines) < len(cells) or not isinstance(root, int):
        return None
    records, bad = Forest(pages, {SCHEMA_ROOT: True, root: True}).rows(root)
    numbers = sorted(record.rowid or 0 for record in records)
    if bad or numbers != list(range(1, len(numbers) + 1)):
        return None
    statements = [str(line[4]) for line in lines if line[4] and str(line[1])[:7] != "sqlite_"]
    return LaterSchema(len(numbers), statements, records)


def lay_out_later(path: Path, schema: LaterSchema) -> None:
    """Make a new, empty file of that schema."""
    with closing(open_connection(path, role="writer")) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for sql in schema.statements:
            connection.execute(sql)
        (record,) = (shape for shape in shapes(connection) if shape.name == RECORD)
        for cell in schema.records:
            connection.execute(record.insert, record.row(cell))
        connection.pragma("user_version", schema.version)
        connection.execute("COMMIT")
