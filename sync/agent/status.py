"""Where sync stands, for a keeper with a shell: the district page's numbers and words."""

from pathlib import Path
from typing import Final, LiteralString

from msgspec import Struct

from appliance.database.reader import Reader
from appliance.district.queries import sync_status
from appliance.room import has_room_for_files
from sync.agent.budget import MONTH_DAYS, READ_DAY, Day, used_since
from sync.agent.parcels import missing_files
from sync.agent.store import identity
from sync.registry import TABLE_NUMBERED


class Contact(Struct, frozen=True):
    """When the hub last answered, and what went wrong since."""

    contact_at_ms: int | None
    error: str | None
    put_aside: int
    in_conflict: int


class Used(Struct, frozen=True):
    """What the link has cost: bytes both ways, on the last day counted and in 31 days."""

    day_bytes: int
    month_bytes: int


class Status(Struct, frozen=True, kw_only=True):
    """One screen."""

    is_claimed: bool
    is_enrolled: bool
    contact: Contact
    hub_url: str | None
    recovery_due: bool
    left_reason: str | None
    left_at_ms: int | None
    held: str | None
    waiting: int
    oldest_since_ms: int | None
    dismissed: int
    different: int
    verified_at_ms: int | None
    verified_no: int | None
    link: Used


def status(db: Reader) -> Status:
    """Look, and change nothing."""
    found = sync_status(db)
    return Status(
        is_claimed=identity(db) is not None,
        is_enrolled=found.is_enrolled,
        contact=Contact(
            found.contact_at_ms,
            found.error,
            found.put_aside + found.dismissed,
            found.in_conflict,
        ),
        hub_url=found.hub_url,
        recovery_due=found.recovery_due,
        left_reason=found.left_reason,
        left_at_ms=found.left_at_ms,
        held=found.held_words,
        waiting=found.waiting,
        oldest_since_ms=found.oldest_since_ms,
        dismissed=found.dismissed,
        different=found.different,
        verified_at_ms=found.verified_at_ms,
        verified_no=found.verified_no,
        link=used(db),
    )


def used(db: Reader) -> Used:
    """Read the account."""
    last = db.row(Day, READ_DAY)
    since = 0 if last is None else last.day - MONTH_DAYS
    return Used(0 if last is None else last.used_bytes, used_since(db, since))


def room_lines(db: Reader, files: Path) -> list[str]:
    """Say why files do not come back, where it is the card."""
    if has_room_for_files(files.parent) or not (missing := missing_files(db, files)):
        return []
    words = f"No room on the card. Files of hand-ins that wait to come back: {len(missing)}."
    return [words, "  They come by themselves. Runbook: The card is almost full."]


class Check(Struct, frozen=True):
    """One compared table."""

    tbl: int
    rows: int
    different: int
    repaired: int
    explained: int


CHECKS: Final[LiteralString] = """
SELECT tbl, rows, different, repaired, explained
  FROM sync_check
 ORDER BY tbl
"""

HEAD: Final = f"{'table':24}{'rows':>9}{'different':>11}{'repaired':>10}{'explained':>11}"


def check_lines(db: Reader) -> list[str]:
    """Print the last comparison, table by table."""
    found = db.rows(Check, CHECKS)
    return [HEAD] + [
        f"{TABLE_NUMBERED[each.tbl].name:24}{each.rows:>9}{each.different:>11}"
        f"{each.repaired:>10}{each.explained:>11}"
        for each in found
        if each.tbl in TABLE_NUMBERED
    ]
