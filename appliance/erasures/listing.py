"""Whom this box has forgotten, in a file beside the database, which a restore does not take back.

One id a line, only ever added to. A backup may bring somebody back; then the box forgets
them again before it serves anybody.
"""

from pathlib import Path
from typing import Final, LiteralString
from uuid import UUID

from appliance.database.agent import AgentDatabase
from appliance.durable import add_line
from appliance.erasures.commands import forget_some

ID_LETTERS: Final = 32

IS_HERE: Final[LiteralString] = """
SELECT EXISTS (SELECT 1 FROM person WHERE id = ?1 AND state <> 'erased')
"""


def read_list(path: Path) -> set[UUID]:
    """Read the ids; a line that a power cut has torn is no id."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").split("\n")
    except FileNotFoundError:
        return set()
    return {UUID(line) for line in lines if is_id(line)}


def is_id(line: str) -> bool:
    """Whether a line is whole."""
    return len(line) == ID_LETTERS and set(line) <= set("0123456789abcdef")


def add_to_list(path: Path, person_id: UUID) -> None:
    """Write an id for good, once."""
    if person_id not in read_list(path):
        add_line(path, person_id.hex.encode())


def forget_listed(database: Path, listed: Path, *, files: Path, now_ms: int) -> int:
    """Forget again whomever a backup has brought back; return how many people that were."""
    people = read_list(listed)
    if not people:
        return 0
    db = AgentDatabase(database)
    try:
        back = [each for each in sorted(people) if db.value(IS_HERE, (each,))]
        for person_id in back:
            forget(db, person_id, files=files, now_ms=now_ms)
    finally:
        db.close()
    return len(back)


def forget(db: AgentDatabase, person_id: UUID, *, files: Path, now_ms: int) -> int:
    """Remove everything about a person, a few rows at a time; return how many rows."""
    total = 0
    with db.overwriting():
        while removed := _forget_some(db, person_id, files, now_ms):
            total += removed
    return total


def _forget_some(db: AgentDatabase, person_id: UUID, files: Path, now_ms: int) -> int:
    with db.changing() as tx:
        return forget_some(tx, person_id, files=files, now_ms=now_ms)
