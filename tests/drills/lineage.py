"""What was committed on any board, and what must be true of it at the end.

A value that was overwritten by somebody who had seen it is history. Every other value ever
committed is either current at the hub or kept beside it (`sync_conflict`); facts are all
there, once. The judge reads rows, never what either side says about its own progress.
"""

from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct, field

from appliance.database.agent import AgentDatabase
from demo.compare import select_sql, side
from sync.registry import TABLE, TABLES

GROUPS = TABLE["class_group"].number
# What makes a fact this fact and no other.
SAID_BY = {
    "progress_fact": "percent",
    "submission_revision": "body",
    "grade": "comment",
    "proposal": "payload",
}
TABLES_THERE = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')"
TABLES_HERE = "SELECT name FROM sqlite_schema WHERE type = 'table'"


class Write(Struct, frozen=True):
    """One committed value of one mutable row; its name is nobody else's."""

    name: str
    pk: bytes
    before: str | None  # what whoever wrote it had in front of him
    is_deleted: bool


class Lineage(Struct):
    """Everything that was committed, on whichever board."""

    writes: dict[str, Write] = field(default_factory=dict)
    facts: dict[bytes, tuple[str, Any]] = field(default_factory=dict)

    @property
    def committed(self) -> int:
        """How many promises were made."""
        return len(self.writes) + len(self.facts)

    def leaves(self) -> dict[str, Write]:
        """Values nobody has written over."""
        seen = {write.before for write in self.writes.values()}
        return {name: write for name, write in self.writes.items() if name not in seen}


class Found(Struct):
    """What the rows say. The texts name rows, never their content."""

    lost: list[str] = field(default_factory=list)
    resurrected: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    conflicts: int = 0

    @property
    def is_good(self) -> bool:
        """Nothing lost, nothing back from the dead, nothing twice, both sides alike."""
        return not (self.lost or self.resurrected or self.duplicated or self.differing)

    def add(self, other: "Found") -> None:
        """Count another school's."""
        self.lost += other.lost
        self.resurrected += other.resurrected
        self.duplicated += other.duplicated
        self.differing += other.differing
        self.conflicts += other.conflicts

    def verdict(self, drill: str, committed: int, more: str, *, is_good: bool) -> str:
        """One line with all figures; `is_good` is about the whole drill."""
        return (
            f"{drill} {'PASS' if is_good else 'FAIL'}: committed {committed}, "
            f"lost {len(self.lost)}, resurrected {len(self.resurrected)}, "
            f"duplicated {len(self.duplicated)}, differing {len(self.differing)}, "
            f"kept beside {self.conflicts}; {more}"
        )


class Held(Struct):
    """The rows of one side: facts by id, names of groups, and the images kept beside them."""

    facts: dict[bytes, tuple[str, Any]]
    groups: dict[bytes, tuple[str, bool]]
    aside: set[str]
    digests: dict[str, tuple[int, int]]


async def judge(book: Lineage, hub: Any, school_id: UUID, boards: list[Path]) -> Found:
    """Hold the hub and every live board against what was committed."""
    there = await held_by_hub(hub, school_id)
    found = Found(conflicts=len(there.aside))
    aside = set(there.aside)
    for path in boards:
        here = held_by_board(path)
        aside |= here.aside
        found.differing += [
            f"{path.parent.name}: {table}"
            for table, digest in there.digests.items()
            if here.digests.get(table, digest) != digest
        ]
        judge_facts(book, here, found, path.parent.name)
    judge_facts(book, there, found, "hub")
    judge_values(book, there, aside, found)
    return found


async def judge_groups(book: Lineage, hub: Any, school_id: UUID) -> Found:
    """Hold the classes of the book against the hub; there may be others."""
    there = await held_by_hub(hub, school_id)
    written = {write.pk for write in book.writes.values()}
    there.groups = {pk: group for pk, group in there.groups.items() if pk in written}
    found = Found(conflicts=len(there.aside))
    judge_values(book, there, there.aside, found)
    return found


def judge_facts(book: Lineage, held: Held, found: Found, where: str) -> None:
    """Every fact is there, once, and says what was written."""
    found.lost += [f"{where}: fact {pk.hex()}" for pk in book.facts if pk not in held.facts]
    found.duplicated += [
        f"{where}: fact {pk.hex()}"
        for pk, said in held.facts.items()
        if book.facts.get(pk) != said  # nobody wrote it, or it says something else
    ]
    bodies = [said for said in held.facts.values() if said[0] == "submission_revision"]
    if len(set(bodies)) < len(bodies):
        found.duplicated.append(f"{where}: one text under two ids")


def judge_values(book: Lineage, there: Held, aside: set[str], found: Found) -> None:
    """What nobody wrote over is current or kept beside; what is current is nobody's history."""
    leaves = book.leaves()
    current = {name for name, _ in there.groups.values()}
    found.lost += [f"value {name}" for name in leaves if name not in current | aside]
    for pk, (name, is_live) in there.groups.items():
        write = book.writes.get(name)
        if write is None or write.pk != pk or write.is_deleted is is_live:
            found.duplicated.append(f"value {name}")
        elif name not in leaves:
            found.resurrected.append(f"value {name}")


async def held_by_hub(hub: Any, school_id: UUID) -> Held:
    """Read the hub as a superuser whom row security hides nothing from."""
    held = Held({}, {}, set(), {})
    known = {row["relname"] for row in await hub.fetch(TABLES_THERE)}
    for table in TABLES:
        if table.name not in known:  # a hub of an earlier release
            continue
        records = await hub.fetch(f"{select_sql(table)} WHERE school_id = $1", school_id)
        _take(held, table, [[_plain(cell) for cell in record] for record in records])
    images = await hub.fetch(
        "SELECT image FROM sync_conflict WHERE school_id = $1 AND tbl = $2", school_id, GROUPS
    )
    held.aside = {msgspec.msgpack.decode(row["image"])["name"] for row in images}
    return held


def held_by_board(path: Path) -> Held:
    """Read a board's file."""
    held = Held({}, {}, set(), {})
    with closing(AgentDatabase(path)) as db, db.snapshot():
        known = {row[0] for row in db.tuples(TABLES_HERE)}
        for table in TABLES:
            if table.name in known:
                _take(held, table, db.tuples(select_sql(table)))
        images = db.tuples("SELECT image FROM sync_conflict WHERE tbl = ?1", (GROUPS,))
    held.aside = {msgspec.msgpack.decode(row[0])["name"] for row in images}
    return held


def _take(held: Held, table: Any, rows: Any) -> None:
    half = side(table, rows)
    held.digests[table.name] = (half.rows, half.digest)
    names = [column.name for column in table.columns]
    if table.name in SAID_BY:
        said = names.index(SAID_BY[table.name])
        held.facts |= {bytes(row[0]): (table.name, row[said]) for row in rows}
    if table.name == "class_group":
        place, gone = names.index("name"), names.index("deleted_at_ms")
        held.groups |= {bytes(row[0]): (row[place], row[gone] is None) for row in rows}


def _plain(value: Any) -> Any:
    return value.bytes if isinstance(value, UUID) else value
