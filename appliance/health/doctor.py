"""`darasa-box doctor`: the page with three lights on the console, also when no box runs."""

import http.client
from contextlib import closing
from typing import Final

import psutil
from msgspec import Struct

from appliance.clock import clock_quality, system_clock
from appliance.database.readers import Readers
from appliance.health.figures import figures
from appliance.health.network import network_figures, network_findings, read_network
from appliance.maintenance.stops import running_box
from appliance.settings import Settings
from appliance.telemetry.findings import Finding, Level, Signs, all_findings, worst
from appliance.telemetry.signs import read_signs
from appliance.telemetry.vitals import read_vitals

ANSWER_S_MAX: Final = 5.0
OK: Final = 200
WORDS: Final[dict[Level, str]] = {"works": "WORKS", "soon": "LOOK SOON", "now": "ACT NOW"}


class Diagnosis(Struct, frozen=True):
    """What was found, the pressing first, and the figures behind it."""

    status: Level
    findings: list[Finding]
    figures: dict[str, str]
    signs: Signs


def diagnose(settings: Settings) -> Diagnosis:
    """Look at a box from beside it: its files, its process, and whether it answers."""
    running = running_box(settings.running)
    process = _process(running.pid) if running is not None else None
    vitals = read_vitals(settings, process)
    with closing(Readers(settings.database)) as readers:
        signs = read_signs(
            readers.here,
            settings,
            vitals,
            now_ms=system_clock(),
            clock_quality=clock_quality(),
        )
    port = running.port if running is not None and process is not None else None
    network = read_network()
    found = [*_serving(process, port), *all_findings(signs), *network_findings(network)]
    return Diagnosis(worst(found), found, figures(signs) | network_figures(network), signs)


def lines(diagnosis: Diagnosis) -> list[str]:
    """Print it: one word, what to do, and the figures."""
    told = [WORDS[diagnosis.status]]
    for finding in diagnosis.findings:
        told += [f"  {WORDS[finding.level].lower()}: {finding.words}", f"    {finding.todo}"]
    told += ["", *(f"  {name}: {value}" for name, value in diagnosis.figures.items())]
    return told


def _process(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
    except (psutil.Error, ValueError):
        return None
    return process if process.is_running() else None


def _serving(process: psutil.Process | None, port: int | None) -> list[Finding]:
    if process is None:
        todo = "Switch it off and on, or run: systemctl start darasa-box."
        return [Finding("now", "box", "The box is not running.", todo)]
    if port is None or answers(port):
        return []
    todo = "Wait a minute and look again. If it stays so, switch the box off and on."
    return [Finding("now", "box", "The box runs and does not answer.", todo)]


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
