"""A school comes to an empty board: its keys are made, and the console says how far it is."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, LiteralString

from msgspec import Struct

from appliance.accounts.keys import new_keys, new_recovery_code, write_keys
from appliance.database.reader import Reader

LOOK_S: Final = 1.0

READ_ARRIVAL: Final[LiteralString] = """
SELECT recovery_due AS is_owed, self_cursor AS changes
  FROM sync_identity
"""

READ_REFUSAL: Final[LiteralString] = """
SELECT error
  FROM hub_enrolment
"""


class Arrival(Struct, frozen=True):
    """How far it is."""

    is_owed: bool
    changes: int


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
    told = 0
    while True:
        now = arrival(db)
        if now is None and is_refused(db):
            return False
        if now is not None and now.changes != told:
            told = now.changes
            say(f"{told} of the school's changes have come")
        if now is not None and not now.is_owed:
            say("Everything is here. Open the box's page, choose a password, print new PIN cards.")
            return True
        await asyncio.sleep(LOOK_S)
