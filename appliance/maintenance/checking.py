"""Reading the newest copy of the database whole, for the night and for the timer beside it."""

from pathlib import Path

from appliance.database.copies import check_copy
from appliance.errors import DarasaError
from appliance.telemetry.findings import GONE


class DamageFound(DarasaError):
    """A check found damage, in the database or in a copy."""

    code = "database-damaged"
    title = "The database is damaged"
    hint = "Restart the box when the lesson is over: it repairs itself at its start."


class CopyGone(DarasaError):
    """There was nothing to read; that is no damage."""

    code = "copy-gone"
    title = "The copy is not there any more"
    hint = "Leave the box on for an hour without anybody at work: it makes a new one."


def check_newest(copies: list[Path]) -> str:
    """Read every page and every index of the first; say how long it took.

    Raises DamageFound, or CopyGone.
    """
    newest = copies[0]
    try:
        report = check_copy(newest)
    except FileNotFoundError as error:
        raise CopyGone(f"{newest.name} {GONE}") from error
    if report.problems:
        raise DamageFound(f"{newest.name}: {'; '.join(report.problems)}")
    return f"{newest.name} ok in {report.took_ms} ms"
