"""`darasa-box doctor`: the page with three lights on the console, also when no box runs.

And also where the database cannot be asked: then it says that, and what the machine says.
"""

import http.client
import os
from functools import partial
from typing import Final

import psutil
from msgspec import Struct

from appliance.backups.journal import repairs
from appliance.clock import clock_quality, system_clock
from appliance.database.damaged import ask
from appliance.health.figures import figures, machine_figures
from appliance.health.mistakes import setting_findings
from appliance.health.network import network_figures, network_findings, read_network
from appliance.health.release import newer_release, release_figures
from appliance.maintenance.stops import Mark, read_mark
from appliance.settings import Settings
from appliance.telemetry.findings import (
    Finding,
    Level,
    Signs,
    all_findings,
    machine_findings,
    worst,
)
from appliance.telemetry.signs import read_signs
from appliance.telemetry.vitals import Vitals, read_vitals

ANSWER_S_MAX: Final = 5.0
OK: Final = 200
WORDS: Final[dict[Level, str]] = {"works": "WORKS", "soon": "LOOK SOON", "now": "ACT NOW"}
START_IT: Final = "Switch it off and on, or run: systemctl start darasa-box."
BRING_A_BACKUP: Final = "Put the backup stick in and start the box again, or call the district."


class Diagnosis(Struct, frozen=True):
    """What was found, the pressing first, and the figures behind it.

    `is_readable`: the database could be asked. Where it could not, nothing more is read from it.
    """

    status: Level
    findings: list[Finding]
    figures: dict[str, str]
    vitals: Vitals
    is_readable: bool


def diagnose(settings: Settings) -> Diagnosis:
    """Look at a box from beside it: its files, its process, and whether it answers."""
    mark = read_mark(settings.running)
    process = _process(mark) if mark is not None else None
    vitals = read_vitals(settings, process)
    network = read_network()
    found = [*_serving(process is not None, mark), *_left_to_look_at(mark)]
    found += [*network_findings(network), *setting_findings(os.environ)]
    shown = network_figures(network) | release_figures(newer_release(settings))
    signs = _signs(settings, vitals) if mark is None or mark.serves == "school" else None
    if signs is None:
        found += [*_unreadable(settings), *machine_findings(vitals)]
        shown |= machine_figures(vitals)
        return Diagnosis(worst(found), found, shown, vitals, is_readable=False)
    found += all_findings(signs)
    return Diagnosis(worst(found), found, figures(signs) | shown, vitals, is_readable=True)


def _signs(settings: Settings, vitals: Vitals) -> Signs | None:
    """Everything the database says; None when it is too damaged to be asked."""
    question = partial(
        read_signs,
        settings=settings,
        vitals=vitals,
        now_ms=system_clock(),
        clock_quality=clock_quality(),
    )
    return ask(settings.database, question)


def lines(diagnosis: Diagnosis) -> list[str]:
    """Print it: one word, what to do, and the figures."""
    told = [WORDS[diagnosis.status]]
    for finding in diagnosis.findings:
        told += [f"  {WORDS[finding.level].lower()}: {finding.words}", f"    {finding.todo}"]
    told += ["", *(f"  {name}: {value}" for name, value in diagnosis.figures.items())]
    return told


def _process(mark: Mark) -> psutil.Process | None:
    try:
        return psutil.Process(mark.pid) if mark.is_alive else None
    except psutil.Error:
        return None


def _serving(is_alive: bool, mark: Mark | None) -> list[Finding]:  # noqa: FBT001 -- the question
    if mark is None:
        words = "The box is not running. It was stopped as it should be."
        return [Finding("now", "box", words, START_IT)]
    if not is_alive:
        return [Finding("now", "box", f"The box is not running. {_ending(mark)}", START_IT)]
    if mark.port is not None and not answers(mark.port):
        todo = "Wait a minute and look again. If it stays so, switch the box off and on."
        return [Finding("now", "box", "The box runs and does not answer.", todo)]
    if mark.serves == "lessons":
        words = "The box only shows lessons: its database is damaged and could not be repaired."
        return [Finding("now", "box", words, BRING_A_BACKUP)]
    return []


def _ending(mark: Mark) -> str:
    """How the last box ended, and what the next start does about it."""
    if mark.serves == "lessons":
        return "It could only show lessons: its database is damaged."
    if mark.trouble == "refused":
        return "It ended with an error, which stands at the end of its log."
    return "The power went or it was killed; at the next start it looks at the whole database."


def _left_to_look_at(mark: Mark | None) -> list[Finding]:
    if mark is None or mark.trouble != "damaged" or mark.serves == "lessons":
        return []
    todo = "Start the box again when the lesson is over: it repairs itself at its start."
    return [Finding("now", "damage", "A check has found damage in the database.", todo)]


def _unreadable(settings: Settings) -> list[Finding]:
    """What the last start did about it stands beside the database, for whoever asks."""
    known = repairs(settings)
    told = f" {' '.join(known[-1].words)}" if known else ""
    return [Finding("now", "damage", f"The database cannot be read.{told}", BRING_A_BACKUP)]


def answers(port: int) -> bool:
    """Whether a box on this machine answers there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S_MAX)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
