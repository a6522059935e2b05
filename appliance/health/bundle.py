"""A file for whoever helps from afar: small enough for a phone message, and nobody is in it.

Logs without names, ids, addresses or anything quoted; settings that are not secrets; versions;
what the doctor says; how many rows each table has; what the housekeeping came to.
"""

import io
import platform
import secrets
import subprocess
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from appliance.backups.nightly import nightly_copies
from appliance.database.backup import reading
from appliance.database.damaged import ask
from appliance.database.faults import BackupUnusable
from appliance.database.migrate import file_version
from appliance.database.reader import Reader
from appliance.health.doctor import Diagnosis, lines
from appliance.health.faults import BundleFailed
from appliance.health.queries import Line, counts, journal, names, node
from appliance.health.redaction import Redactor
from appliance.settings import Settings

UNITS: Final = ("darasa-box", "darasa-agent", "darasa-migrate")
LOG_LINES_MAX: Final = 3_000  # of each log: a bad day; zipped some 50 KB
JOURNAL_LINES_MAX: Final = 300
JOURNALCTL_S_MAX: Final = 30
NOT_TOLD: Final = "Left out: the database cannot be read, so nobody knows which names to hide."
HIDDEN: Final = "[not shown]"
SECRETIVE: Final = ("key", "token", "password", "secret", "code", "passphrase")
LIBRARIES: Final = ("apsw", "litestar", "uvicorn", "msgspec", "zeroconf")
ABOUT: Final = """\
A support file of a Darasa school box.

In it: what `darasa-box doctor` says, settings, versions, how many rows each table has, the
journal of the housekeeping, and the end of the logs.
Not in it: names, PINs, what anybody wrote, ids of people, addresses of phones, keys.
The same id is the same word within this file and another word in the next one.
"""


class Told(Struct, frozen=True):
    """What a file of the school says that may leave it, and the names that may not."""

    names: list[str]
    runs: list[Line]
    node: str | None
    rows: dict[str, int]


def tell(db: Reader) -> Told:
    """Ask all of it at once."""
    return Told(names(db), journal(db, limit=JOURNAL_LINES_MAX), node(db), counts(db))


def write_bundle(
    settings: Settings, diagnosis: Diagnosis, target: Path, logs: Sequence[Path] = ()
) -> int:
    """Write the file; return its size in bytes. Raises BundleFailed."""
    content = bundle(settings, diagnosis, logs)
    try:
        target.write_bytes(content)
    except OSError as error:
        raise BundleFailed(f"{target}: {error.strerror}") from error
    return len(content)


def bundle(settings: Settings, diagnosis: Diagnosis, logs: Sequence[Path] = ()) -> bytes:
    """Put the file together."""
    told = _told(settings, diagnosis)
    redactor = Redactor(told.names if told else [], secrets.token_bytes(16))
    parts = {
        "about.txt": ABOUT,
        "doctor.txt": redactor.text("\n".join(lines(diagnosis))),
        "vitals.json": _json(diagnosis.vitals),
        "versions.json": _json(versions(settings) | {"node": told.node if told else None}),
        "settings.json": _json(plain_settings(settings, redactor)),
    }
    # Whose names to take out nobody knows then, so words that anybody may have chosen stay here.
    parts |= _told_parts(told, redactor, logs) if told else {"log.txt": NOT_TOLD}
    return _zipped(parts)


def _told_parts(told: Told, redactor: Redactor, logs: Sequence[Path]) -> dict[str, str]:
    runs = [structs.replace(run, effect=redactor.text(run.effect)) for run in told.runs]
    return {
        "rows.json": _json(told.rows),
        "housekeeping.json": _json(runs),
        "log.txt": "\n".join(redactor.lines(log_lines(logs))),
    }


def _told(settings: Settings, diagnosis: Diagnosis) -> Told | None:
    """What the school's file says; where it is damaged, the newest copy that can speak."""
    if diagnosis.is_readable:
        return ask(settings.database, tell)
    return next(filter(None, map(_told_by_copy, nightly_copies(settings.backups))), None)


def _told_by_copy(copy: Path) -> Told | None:
    try:
        with reading(copy) as db:
            return tell(db)
    except BackupUnusable:
        return None


def _zipped(parts: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, words in parts.items():
            file.writestr(name, words)
    return content.getvalue()


def versions(settings: Settings) -> dict[str, Any]:
    """What runs here."""
    return {
        "darasa": version("darasa"),
        "schema": file_version(settings.database),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        **{name: version(name) for name in LIBRARIES},
    }


def plain_settings(settings: Settings, redactor: Redactor) -> dict[str, str]:
    """What the school has set; whatever could be a secret is only named."""
    return {
        name: HIDDEN if any(word in name for word in SECRETIVE) else redactor.text(str(value))
        for name, value in structs.asdict(settings).items()
    }


def log_lines(logs: Sequence[Path]) -> Iterator[str]:
    """The end of the system's journal of our units, and of each file that is named."""
    yield from _from_journald()
    for path in logs:
        yield from _tail(path.read_text(encoding="utf-8", errors="replace").splitlines())


def _tail(found: list[str]) -> Iterable[str]:
    return found[-LOG_LINES_MAX:]


def _from_journald() -> Iterable[str]:
    units = [word for unit in UNITS for word in ("--unit", unit)]
    command = ["journalctl", "--no-pager", "--output=short-iso", *units, f"-n{LOG_LINES_MAX}"]
    try:
        done = subprocess.run(  # noqa: S603 -- a fixed command
            command, capture_output=True, text=True, timeout=JOURNALCTL_S_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []  # a laptop without systemd has no journal of ours
    return done.stdout.splitlines()


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode()
