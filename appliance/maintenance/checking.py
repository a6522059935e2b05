"""Reading the newest copy of the database whole, for the night and for the timer beside it."""

from pathlib import Path

from appliance.database.copies import check_copy
from appliance.errors import DarasaError


class DamageFound(DarasaError):
    """A check found damage, in the database or in a copy."""

    code = "database-damaged"
    title = "The database is damaged"
    hint = "Restart the box when the lesson is over: it repairs itself at its start."


def check_newest(copies: list[Path]) -> str:
    """Read every page and every index of the first; say how long it took. Raises DamageFound."""
    newest = copies[0]
    report = check_copy(newest)
    if report.problems:
        raise DamageFound(f"{newest.name}: {'; '.join(report.problems)}")
    return f"{newest.name} ok in {report.took_ms} ms"
