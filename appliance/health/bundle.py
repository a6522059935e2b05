"""A file for whoever helps from afar: small enough for a phone message, and nobody is in it.

Logs without names, ids, addresses or anything quoted; settings that are not secrets; versions;
what the doctor says; how many rows each table has; what the housekeeping came to.
"""

import platform
import secrets
import subprocess
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import structs

from appliance.database.migrate import schema_version
from appliance.database.readers import Readers
from appliance.health.doctor import Diagnosis, lines
from appliance.health.faults import BundleFailed
from appliance.health.queries import counts, journal, names, node
from appliance.health.redaction import Redactor
from appliance.settings import Settings

UNITS: Final = ("darasa-box", "darasa-agent", "darasa-migrate")
LOG_LINES_MAX: Final = 3_000  # of each log: a bad day; zipped some 50 KB
JOURNAL_LINES_MAX: Final = 300
JOURNALCTL_S_MAX: Final = 30
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


def write_bundle(
    settings: Settings, diagnosis: Diagnosis, target: Path, logs: Sequence[Path] = ()
) -> int:
    """Write the file; return its size in bytes. Raises BundleFailed."""
    with closing(Readers(settings.database)) as readers:
        here = readers.here
        redactor = Redactor(names(here), secrets.token_bytes(16))
        runs = journal(here, limit=JOURNAL_LINES_MAX)
        parts = {
            "about.txt": ABOUT,
            "doctor.txt": redactor.text("\n".join(lines(diagnosis))),
            "vitals.json": _json(diagnosis.signs.vitals),
            "versions.json": _json(versions(settings) | {"node": node(here)}),
            "settings.json": _json(plain_settings(settings, redactor)),
            "rows.json": _json(counts(here)),
            "housekeeping.json": _json(
                [structs.replace(run, effect=redactor.text(run.effect)) for run in runs]
            ),
            "log.txt": "\n".join(redactor.lines(log_lines(logs))),
        }
    return _zip(target, parts)


def _zip(target: Path, parts: dict[str, str]) -> int:
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
            for name, words in parts.items():
                file.writestr(name, words)
        return target.stat().st_size
    except OSError as error:
        raise BundleFailed(f"{target}: {error.strerror}") from error


def versions(settings: Settings) -> dict[str, Any]:
    """What runs here."""
    return {
        "darasa": version("darasa"),
        "schema": schema_version(settings.database),
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
