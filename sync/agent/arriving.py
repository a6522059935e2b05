"""A school comes to an empty board: its keys are made, and the console says how far it is."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, LiteralString

from msgspec import Struct

from appliance.accounts.keys import new_keys, new_recovery_code, write_keys
from appliance.database.reader import Reader

LOOK_S: Final = 1.0

# Rows that come back are captured like any others: what waits is what has come.
READ_ARRIVAL: Final[LiteralString] = """
SELECT i.recovery_due AS is_owed, (SELECT count(*) FROM sync_dirty) AS rows
  FROM sync_identity AS i
"""

READ_REFUSAL: Final[LiteralString] = """
SELECT error
  FROM hub_enrolment
"""


class Arrival(Struct, frozen=True):
    """How far it is."""

    is_owed: bool
    rows: int


def make_keys(keys: Path) -> str | None:
    """Make a board's keys; return its recovery code, None when it has keys already."""
    if keys.exists():
        return None
    recovery_code = new_recovery_code()
    write_keys(keys, new_keys(), recovery_code)
    return recovery_code


def arrival(db: Reader) -> Arrival | None:
    """Return None before the district has answered."""
    return db.row(Arrival, READ_ARRIVAL)


def is_refused(db: Reader) -> bool:
    """Whether the district, or the link, has said no to the last try."""
    return db.value(READ_REFUSAL) is not None


async def follow(db: Reader, say: Callable[[str], None]) -> bool:
    """Say how much has come until everything has; return False when the first try failed."""
    told = -1
    while True:
        now = arrival(db)
        if now is None and is_refused(db):
            return False
        if now is not None and now.rows != told:
            told = now.rows
            say(f"{told} rows have come")
        if now is not None and not now.is_owed:
            say("Everything is here. Open the box's page, choose a password, print new PIN cards.")
            return True
        await asyncio.sleep(LOOK_S)
