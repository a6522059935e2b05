"""What a keeper should know, in plain words, and how soon: look soon, or act now.

Pure: from what was read (signs.py) to sentences. The page, `darasa-box doctor` and /health say
the same.
"""

from typing import Final, Literal

from msgspec import Struct

from appliance.backups.words import LAST, NONE, BackupLine
from appliance.clock import TOLD
from appliance.room import size
from appliance.telemetry.jobs import called
from appliance.telemetry.queries import Contact, JobState, Unsent
from appliance.telemetry.vitals import (
    MEMORY_FREE_BYTES_MIN,
    TEMPERATURE_C_MAX,
    TEMPERATURE_C_WARM,
    WAL_BYTES_MAX,
    Vitals,
)

Level = Literal["works", "soon", "now"]
DAY_MS: Final = 86_400_000
BACKUP_OLD_MS: Final = 3 * DAY_MS
BACKUP_TOO_OLD_MS: Final = 14 * DAY_MS
UNSENT_OLD_MS: Final = 7 * DAY_MS
DAMAGE: Final = {
    "quick-check": "Switch the box off and on when the lesson is over: it repairs itself.",
    "full-check": "Only a copy is damaged. Make a backup on a stick, and put a new card in soon.",
}

GONE: Final = "is not there any more"
NO_DAMAGE: Final = (GONE, "[Errno 2]")  # a check that had nothing to read has found nothing
TOLD_BY_STICKS: Final = ("backup-to-stick", "restore-drill")  # in words of their own: `_away`


class Finding(Struct, frozen=True):
    """One thing that is not as it should be, and what to do about it."""

    level: Literal["soon", "now"]
    about: str
    words: str
    todo: str


class Signs(Struct, frozen=True, kw_only=True):
    """Everything the findings are made from; the rest of the page shows it as figures."""

    now_ms: int
    clock_quality: int
    vitals: Vitals
    contact: Contact | None
    unsent: Unsent
    runs: list[JobState]
    clients: int
    backup_at_ms: int | None
    check_at_ms: int | None
    backups: list[BackupLine]
    card_day: tuple[str, int] | None
    card_day_bytes_max: int
    host_name: str | None = None
    host_name_wanted: str | None = None
    migrations_ahead: int = 0

    @property
    def has_backup(self) -> bool:
        """Whether a backup away from this card was ever made and restored."""
        return any(line.title == LAST for line in self.backups)

    def job(self, name: str) -> JobState | None:
        """The last run of one job."""
        return next((run for run in self.runs if run.name == name), None)


def worst(findings: list[Finding]) -> Level:
    """One word for all of it."""
    if any(finding.level == "now" for finding in findings):
        return "now"
    return "soon" if findings else "works"


def all_findings(signs: Signs) -> list[Finding]:
    """Everything there is to say, the pressing first."""
    found = [
        *_damage(signs),
        *machine_findings(signs.vitals),
        *_card_wear(signs),
        *_clock(signs),
        *_network(signs),
        *_release(signs),
        *work_findings(signs),
        *night_findings(signs),
    ]
    return sorted(found, key=lambda finding: finding.level != "now")


def machine_findings(vitals: Vitals) -> list[Finding]:
    """What the machine itself needs."""
    found = [_room(vitals), _heat(vitals), _power(vitals), _memory(vitals), _wal(vitals)]
    return [finding for finding in found if finding is not None]


def _room(vitals: Vitals) -> Finding | None:
    sheds, free = vitals.card.sheds, size(vitals.disk_free_bytes)
    todo = "Put in a larger card, or follow the runbook, section The card is almost full."
    if "files" in sheds:
        words = f"The card is full ({free} left). Text is still handed in; files are refused."
        return Finding("now", "room", words, todo)
    return Finding("soon", "room", f"The card fills up: {free} left.", todo) if sheds else None


def _heat(vitals: Vitals) -> Finding | None:
    celsius = vitals.temperature_c
    if celsius is None or celsius <= TEMPERATURE_C_WARM:
        return None
    todo = "Move it to a shaded place with air around it."
    if celsius > TEMPERATURE_C_MAX:
        return Finding("now", "heat", f"The box is too hot: {celsius:.0f} °C.", todo)
    return Finding("soon", "heat", f"The box is warm: {celsius:.0f} °C.", todo)


def _power(vitals: Vitals) -> Finding | None:
    if vitals.power.under_voltage:
        todo = "Use the power supply that came with it, and a short, thick cable."
        return Finding("now", "power", "The box gets too little voltage.", todo)
    if vitals.power.on_battery:
        todo = "It works on. Housekeeping waits until the power is back."
        return Finding("soon", "power", "The box runs on its battery.", todo)
    return None


def _memory(vitals: Vitals) -> Finding | None:
    if vitals.memory_free_bytes >= MEMORY_FREE_BYTES_MIN:
        return None
    todo = "Switch the box off and on after school."
    return Finding("soon", "memory", "Memory is almost used up.", todo)


def _wal(vitals: Vitals) -> Finding | None:
    if vitals.wal_bytes <= WAL_BYTES_MAX:
        return None
    words = f"The log beside the database has grown to {size(vitals.wal_bytes)}."
    todo = "Switch the box off and on after school. If it comes back, send a support file."
    return Finding("soon", "wal", words, todo)


def _card_wear(signs: Signs) -> list[Finding]:
    if signs.card_day is None or signs.card_day[1] <= signs.card_day_bytes_max:
        return []
    day, written = signs.card_day
    words = f"More is written to the card than planned: {size(written)} on {day}."
    todo = "A card wears out by being written to. Make a backup elsewhere, and send a support file."
    return [Finding("soon", "wear", words, todo)]


def _clock(signs: Signs) -> list[Finding]:
    if signs.clock_quality >= TOLD:
        return []
    words = "The box does not know for sure what time it is. Nobody is called late meanwhile."
    todo = "Open the page Clock on a phone and set it: one tap."
    return [Finding("soon", "clock", words, todo)]


def _network(signs: Signs) -> list[Finding]:
    if signs.host_name in {None, signs.host_name_wanted}:
        return []
    taken, ours = f"{signs.host_name_wanted}.local", f"{signs.host_name}.local"
    words = f"Another machine here is called {taken}; this box is {ours}."
    todo = "Switch the other one off, or print this box's poster again."
    return [Finding("soon", "name", words, todo)]


def _release(signs: Signs) -> list[Finding]:
    if signs.migrations_ahead == 0:
        return []
    words = "This box went back to an older release: the newer one did not become well on it."
    todo = "Nothing is lost and the school goes on. Send a support file, and try the next release."
    return [Finding("soon", "release", words, todo)]


def work_findings(signs: Signs) -> list[Finding]:
    """Whether a lost box would take work with it: what the district lacks, what no stick has."""
    if signs.contact is None:
        return []
    return [*_alone(signs), *_away(signs), *_unsent(signs)]


def _alone(signs: Signs) -> list[Finding]:
    if (signs.contact and signs.contact.is_enrolled) or signs.has_backup:
        return []
    todo = "Prepare a backup stick on the page Backups, or join a district."
    return [Finding("soon", "work", "The school's work is on this box only.", todo)]


def _away(signs: Signs) -> list[Finding]:
    """What there is to say about backups on sticks, in the words of their own page."""
    return [
        Finding(
            "now" if line.kind == "bad" and line.title != NONE else "soon",
            "backups",
            f"{line.title}: {line.words}",
            line.todo,
        )
        for line in signs.backups
        if line.kind in {"wait", "bad"}
        and (signs.clock_quality >= TOLD or not line.is_by_age)  # who knows how old it is
        and not (line.title == NONE and _alone(signs))
    ]


def _unsent(signs: Signs) -> list[Finding]:
    since_ms = signs.unsent.oldest_since_ms
    is_joined = signs.contact is not None and signs.contact.is_enrolled
    if not is_joined or since_ms is None or signs.clock_quality < TOLD:
        return []
    if signs.now_ms - since_ms < UNSENT_OLD_MS:
        return []
    days = (signs.now_ms - since_ms) // DAY_MS
    words = f"{signs.unsent.waiting} changes have waited {days} days for the district."
    todo = "Open District and sending: it says why. A stick carries them, too."
    return [Finding("soon", "work", words, todo)]


def night_findings(signs: Signs) -> list[Finding]:
    """What the housekeeping came to."""
    return [*_backup(signs), *_dangling(signs), *_failed(signs)]


def _backup(signs: Signs) -> list[Finding]:
    todo = "Leave the box on for an hour without anybody at work."
    if signs.contact is None:
        return []  # nobody's box yet
    if signs.backup_at_ms is None:
        words = "No copy of the database is known to have been made on this card."
        return [Finding("soon", "backup", words, todo)]
    if signs.clock_quality < TOLD:
        return []  # how old it is a clock must say that somebody vouches for
    old_ms = signs.now_ms - signs.backup_at_ms
    if old_ms < BACKUP_OLD_MS:
        return []
    level: Literal["soon", "now"] = "now" if old_ms >= BACKUP_TOO_OLD_MS else "soon"
    words = f"The last copy on this card is {old_ms // DAY_MS} days old."
    return [Finding(level, "backup", words, todo)]


def _damage(signs: Signs) -> list[Finding]:
    return [
        Finding("now", "damage", f"A check found damage: {run.effect}", DAMAGE[run.name])
        for run in signs.runs
        if _has_found_damage(run)
    ]


def _has_found_damage(run: JobState) -> bool:
    is_failed = run.name in DAMAGE and run.state == "failed"
    return is_failed and not any(words in run.effect for words in NO_DAMAGE)


def _dangling(signs: Signs) -> list[Finding]:
    run = signs.job("key-check")
    if run is None or not run.effect.startswith("left as they are"):
        return []
    todo = "Nothing is lost by it. Send a support file with the next chance."
    return [Finding("soon", "keys", "Some rows point at nothing.", todo)]


def _failed(signs: Signs) -> list[Finding]:
    todo = "It is tried again by itself. If this stays for days, send a support file."
    return [
        Finding("soon", "night", f"{called(run.name)} did not work: {run.effect}", todo)
        for run in signs.runs
        if run.state == "failed" and run.name not in TOLD_BY_STICKS and not _has_found_damage(run)
    ]
