"""What a support file counts, and the names that must not be in it."""

from typing import Final, LiteralString

from msgspec import Struct

from appliance.database.reader import Reader

NAMES: Final[LiteralString] = """
SELECT display_name AS word
  FROM person
 UNION
SELECT given_name
  FROM person
 WHERE given_name IS NOT NULL
 UNION
SELECT family_name
  FROM person
 WHERE family_name IS NOT NULL
 UNION
SELECT sign_in_name
  FROM credential
 WHERE sign_in_name IS NOT NULL
 UNION
SELECT name
  FROM org_unit
"""

TABLE_NAMES: Final[LiteralString] = """
SELECT name AS word
  FROM sqlite_schema
 WHERE type = 'table'
   AND name NOT LIKE 'sqlite_%'
 ORDER BY name
"""

JOURNAL: Final[LiteralString] = """
SELECT name, state, started_at_ms, took_ms, effect
  FROM job_run
 ORDER BY id DESC
 LIMIT ?1
"""

# By the number of the line: the clock may have been wrong.
LAST_SWITCH: Final[LiteralString] = """
SELECT r.name, r.started_at_ms AS at_ms, p.display_name AS by_name
  FROM job_run AS r
  LEFT JOIN person AS p
         ON p.id = unhex(r.effect, '-')
 WHERE r.name IN ('switch-off', 'switch-restart')
 ORDER BY r.id DESC
 LIMIT 1
"""

NODE: Final[LiteralString] = """
SELECT lower(hex(node_id))
  FROM sync_identity
"""


class Word(Struct, frozen=True):
    """One name."""

    word: str


class Switched(Struct, frozen=True):
    """Which switch was pressed last, when, and by whom, unless that person was forgotten."""

    name: str
    at_ms: int
    by_name: str | None


class Line(Struct, frozen=True):
    """One line of the housekeeping's journal."""

    name: str
    state: str
    started_at_ms: int
    took_ms: int
    effect: str


def names(db: Reader) -> list[str]:
    """Every name that stands in the school's rows."""
    return [found.word for found in db.rows(Word, NAMES)]


def counts(db: Reader) -> dict[str, int]:
    """How many rows each table has."""
    tables = [found.word for found in db.rows(Word, TABLE_NAMES)]
    return {name: _count(db, name) for name in tables}


def journal(db: Reader, *, limit: int) -> list[Line]:
    """The newest lines of the housekeeping's journal."""
    return db.rows(Line, JOURNAL, (limit,))


def node(db: Reader) -> str | None:
    """The board's own id: it belongs to no person."""
    found = db.value(NODE)
    assert found is None or isinstance(found, str)
    return found


def _count(db: Reader, name: str) -> int:
    found = db.value(f'SELECT count(*) FROM "{name}"')  # noqa: S608 -- a name from the schema
    assert isinstance(found, int)
    return found


def last_switch(db: Reader) -> Switched | None:
    """Who switched the machine off or on again last."""
    return db.row(Switched, LAST_SWITCH)
