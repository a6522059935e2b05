"""`darasa-box export`: the school's data in plain SQLite and CSV, for a person to keep.

Made from an online backup, in a process of its own: sqlite-utils brings a second SQLite
library, and two libraries on the live file drop each other's locks. Ids become the
hyphenated text that the pages and the JSON show. Secrets and the change log stay behind.
"""

import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import sqlite_utils
from msgspec import Struct

from appliance.database.backup import back_up
from appliance.errors import Conflict

LEFT_OUT: Final = frozenset({"credential", "session", "hub_enrolment", "schema_migration"})
LEFT_OUT_PREFIX: Final = "sync_"
ID_SUFFIX: Final = "id"


class Exported(Struct, frozen=True):
    """How many rows of a table were written."""

    table: str
    rows: int


def export_school(database: Path, folder: Path) -> list[Exported]:
    """Write `school.sqlite` and one CSV a table into `folder`.

    Raises Conflict when the folder already holds an export: nothing is overwritten.
    """
    target = folder / "school.sqlite"
    if target.exists():
        raise Conflict(f"{target} is already there; choose an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        copy = Path(scratch) / "copy.db"
        back_up(database, copy)
        source = sqlite_utils.Database(copy)
        plain = sqlite_utils.Database(target)
        exported = [
            Exported(name, _write_table(source, plain, name, folder))
            for name in sorted(source.table_names())
            if name not in LEFT_OUT and not name.startswith(LEFT_OUT_PREFIX)
        ]
        source.close()
        plain.close()
    return exported


def _write_table(
    source: sqlite_utils.Database, plain: sqlite_utils.Database, name: str, folder: Path
) -> int:
    columns = [column.name for column in source.table(name).columns]
    types = {column: str if _is_id(column) else kind for column, kind in _types(source, name)}
    table = plain.table(name).create(types)
    table.insert_all(_readable_rows(source, name))
    with (folder / f"{name}.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(_readable_rows(source, name))
    return table.count


def _types(source: sqlite_utils.Database, name: str) -> list[tuple[str, type]]:
    return [(column, kind) for column, kind in source.table(name).columns_dict.items()]


def _readable_rows(source: sqlite_utils.Database, name: str) -> Iterator[dict[str, Any]]:
    for row in source.table(name).rows:
        yield {column: _readable(column, value) for column, value in row.items()}


def _readable(column: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return str(UUID(bytes=value)) if _is_id(column) else value.hex()
    return value


def _is_id(column: str) -> bool:
    return column == ID_SUFFIX or column.endswith(f"_{ID_SUFFIX}")
