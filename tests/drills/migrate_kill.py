"""Kill the box at every statement of every migration; the next start serves with its data.

    python -m tests.drills.migrate_kill [EVERY] [SEED]

A school with the schema of the first release goes to this one, in a process of its own that dies,
without a goodbye, before its first SQL statement, then before its second, and so on to the last
(EVERY=1; 7 takes every seventh). After each death the database must be sound, hold every row that
was there, and go the rest of the way at the next start. So must a new box that is
killed at its birth.
"""

import os
import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, Final

import apsw
from msgspec import Struct, field

from appliance.database.connection import open_connection
from appliance.database.integrity import quick_check
from appliance.database.migrate import EDGE_MIGRATIONS, lay_out, migrate, require_schema
from appliance.database.transaction import Transaction
from appliance.ids import uuid7
from appliance.repair import find_footing
from appliance.settings import Settings
from tests.drills import small_school

EVERY: Final = 1
SEED: Final = 1
PUPILS: Final = 20
NOW_MS: Final = small_school.NOW_MS
KILLED: Final = 137
FAILED: Final = 3

NAMES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"


class Outcome(Struct):
    """What every death left. Texts name tables, never content."""

    deaths: int = 0
    births: int = 0
    found: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Sound, whole and on its way again, each time."""
        return self.deaths > 0 and self.births > 0 and not self.found


def drill(every: int, seed: int) -> Outcome:
    """Die at one statement after the other, first of an update, then of a birth."""
    result, dice = Outcome(), Random(seed)
    with tempfile.TemporaryDirectory(prefix="darasa-migrate-") as folder:
        old = Path(folder) / "old"
        before = school_of_first_release(old / "school.db")
        result.deaths = die_everywhere(Path(folder), old, before, every, dice, result)
        new = Path(folder) / "nothing"
        new.mkdir()
        result.births = die_everywhere(Path(folder), new, {}, every, dice, result)
    return result


def school_of_first_release(path: Path) -> dict[str, int]:
    """A school with pupils and a course, as the first migration lays it; rows by table."""
    path.parent.mkdir()
    lay_out(path, EDGE_MIGRATIONS, version=1, now_ms=NOW_MS)
    with closing(open_connection(path, role="writer")) as connection:
        connection.execute("BEGIN IMMEDIATE")
        small_school.fill(Transaction(connection), uuid7(NOW_MS), PUPILS)
        connection.execute("COMMIT")
    return rows_by_table(path)


def die_everywhere(
    folder: Path, card: Path, before: dict[str, int], every: int, dice: Random, result: Outcome
) -> int:
    """Return how many deaths there were until one update came to its end."""
    deaths, place = 0, 1 + dice.randrange(every)
    while True:
        settings = Settings(data_dir=folder / f"{card.name}-{place}")
        shutil.copytree(card, settings.data_dir)
        status = update_and_die(settings, place)
        if status == FAILED:
            result.found.append(f"statement {place}: the update failed by itself")
        if status != KILLED:
            return deaths
        deaths += 1
        look_after(settings, before, place, result)
        shutil.rmtree(settings.data_dir)
        place += every


def update_and_die(settings: Settings, place: int) -> int:
    """Migrate in a child that ends, as `kill -9` ends it, before its statement number `place`."""
    child = os.fork()
    if child == 0:
        os._exit(_update(settings, place))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _update(settings: Settings, place: int) -> int:
    statements = 0

    def count(*_: Any) -> bool:
        nonlocal statements
        statements += 1
        if statements == place:
            os._exit(KILLED)
        return True

    apsw.connection_hooks.append(lambda connection: connection.set_exec_trace(count))
    try:
        update(settings)
    except BaseException:  # noqa: BLE001 -- the child has nobody to raise it to
        return FAILED
    return 0


def update(settings: Settings) -> None:
    """What a start does before it serves: look, then migrate."""
    find_footing(settings, now_ms=NOW_MS)
    migrate(settings.database, EDGE_MIGRATIONS, backups=settings.backups, now_ms=NOW_MS)


def look_after(settings: Settings, before: dict[str, int], place: int, result: Outcome) -> None:
    """Sound and whole at once, and after the next start of the new release."""
    where = f"statement {place}"
    if before:
        _compare(settings.database, before, f"{where}, dead", result)
    try:
        update(settings)
        require_schema(settings.database)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the box does not start
        result.found.append(f"{where}: the next start: {error!r}")
        return
    _compare(settings.database, before, f"{where}, started again", result)


def _compare(path: Path, before: dict[str, int], where: str, result: Outcome) -> None:
    problems = quick_check(path).problems
    if problems:
        result.found.append(f"{where}: {problems[0]}")
        return
    now = rows_by_table(path)
    short = [table for table, rows in before.items() if now.get(table, 0) < rows]
    result.found += [f"{where}: {table} lacks rows" for table in short]


def rows_by_table(path: Path) -> dict[str, int]:
    """How many rows each table has."""
    with closing(apsw.Connection(str(path))) as connection:
        names = [name for (name,) in connection.execute(NAMES).fetchall()]
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').get
            for name in names
            if not name.startswith("schema")
        }


def verdict(result: Outcome) -> str:
    """One line with all figures."""
    return (
        f"migrate-kill {'PASS' if result.is_good else 'FAIL'}: killed at {result.deaths} "
        f"statements of an update and {result.births} of a first start, "
        f"not sound, not whole or not starting again {len(result.found)}"
    )


def main() -> int:
    every = int(sys.argv[1]) if len(sys.argv) > 1 else EVERY
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    result = drill(every, seed)
    for found in result.found[:20]:
        print(f"  {found}", file=sys.stderr)  # noqa: T201 -- what a person looks at next
    print(verdict(result), flush=True)  # noqa: T201 -- the verdict is the whole purpose
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
