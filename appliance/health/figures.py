"""The figures behind the lights, each a name and words; page, doctor and JSON show the same."""

from appliance.backups.words import LAST, NONE, OWN_CARD, REPAIR
from appliance.clock import CERTAIN, TOLD
from appliance.room import size
from appliance.telemetry.findings import Signs
from appliance.telemetry.vitals import Vitals
from appliance.web.moments import moment

CLOCK_WORDS = {0: "not known", 1: "not sure", TOLD: "told", CERTAIN: "certain"}


def figures(signs: Signs) -> dict[str, str]:
    """Everything a person who helps from afar asks for first."""
    return {
        **machine_figures(signs.vitals),
        "Written to the card": _wear(signs),
        "Phones signed in": str(signs.clients),
        "Changes that wait for the district": _unsent(signs),
        "Last copy on this card": _when(signs.backup_at_ms),
        **_away(signs),
        "Last check": _when(signs.check_at_ms),
        "Clock": f"{moment(signs.now_ms)} ({CLOCK_WORDS[signs.clock_quality]})",
    }


def machine_figures(vitals: Vitals) -> dict[str, str]:
    """What can be said without asking the database."""
    celsius = vitals.temperature_c
    return {
        "Free on the card": f"{size(vitals.disk_free_bytes)} of {size(vitals.disk_total_bytes)}",
        "Temperature": "no sensor" if celsius is None else f"{celsius:.0f} °C",
        "Power": _power(vitals),
        "Memory of the box": size(vitals.uss_bytes),
        "Memory free": size(vitals.memory_free_bytes),
        "Database": size(vitals.database_bytes),
        "Log beside it": size(vitals.wal_bytes),
    }


def _away(signs: Signs) -> dict[str, str]:
    """Backups on sticks and their drill, in the words of their own page."""
    lines = [line for line in signs.backups if line.title != REPAIR]
    return {LAST if line.title in {NONE, OWN_CARD} else line.title: line.words for line in lines}


def _wear(signs: Signs) -> str:
    if signs.card_day is None:
        return "not counted yet"
    day, written = signs.card_day
    return f"{size(written)} on {day}"


def _power(vitals: Vitals) -> str:
    if vitals.power.under_voltage:
        return "too little voltage"
    return "battery" if vitals.power.on_battery else "no complaint from the board"


def _unsent(signs: Signs) -> str:
    waiting, since_ms = signs.unsent.waiting, signs.unsent.oldest_since_ms
    if signs.contact is None or not signs.contact.is_enrolled:
        return "no district yet"
    return f"{waiting}, the oldest since {moment(since_ms)}" if since_ms else "none"


def _when(at_ms: int | None) -> str:
    return "never" if at_ms is None else moment(at_ms)
