"""The weekly check of the newest copy, for a box that does not run.

`darasa-integrity.timer` asks for it, which survives a dead box and knows nothing of lessons. So a
box that runs is left in peace, the live file is never read whole, and the verdict is written
where the night writes its own: the lights and `darasa-box doctor` show it.
"""

from contextlib import closing
from pathlib import Path
from typing import Final

from appliance.backups.nightly import nightly_copies
from appliance.database.agent import AgentDatabase
from appliance.database.copies import check_copy
from appliance.database.faults import DataDirInUse
from appliance.database.integrity import IntegrityReport
from appliance.database.lock import only_box, shared_lock
from appliance.maintenance.box import DAY_MS
from appliance.maintenance.commands import State, record_run
from appliance.maintenance.queries import last_success_at_ms
from appliance.maintenance.stops import running_box
from appliance.settings import Settings
from appliance.telemetry.findings import GONE

NAME: Final = "full-check"  # as the night calls it
OVERDUE_MS: Final = 9 * DAY_MS  # a week, and two nights that came to nothing


def check_if_overdue(settings: Settings, *, now_ms: int) -> tuple[State, str]:
    """Read the newest copy whole where nobody has done it; say what was found, or why not."""
    if running_box(settings.running) is not None or is_box_at_work(settings.data_dir):
        return "skipped", "a box runs, and checks its copies when no class is at work"
    last_ms = _last_check_ms(settings, now_ms=now_ms)
    if last_ms is not None and now_ms - last_ms <= OVERDUE_MS:
        return "skipped", f"the last check is {(now_ms - last_ms) // DAY_MS} days old"
    copies = nightly_copies(settings.backups)
    if not copies:
        return "skipped", "there is no backup to check yet"
    return _checked(settings, copies[0], now_ms=now_ms)


def _read(copy: Path) -> IntegrityReport:
    try:
        return check_copy(copy)
    except FileNotFoundError:
        return IntegrityReport(problems=[GONE], dangling=[], took_ms=0)


def is_box_at_work(data_dir: Path) -> bool:
    """Whether a box serves the folder or brings it to its release."""
    try:
        with only_box(data_dir):
            return False
    except DataDirInUse:
        return True


def _last_check_ms(settings: Settings, *, now_ms: int) -> int | None:
    with shared_lock(settings.data_dir), closing(AgentDatabase(settings.database)) as db:
        return last_success_at_ms(db, NAME, now_ms=now_ms)


def _checked(settings: Settings, copy: Path, *, now_ms: int) -> tuple[State, str]:
    """Hold nothing while reading: a box may want to start meanwhile."""
    report = _read(copy)
    state: State = "failed" if report.problems else "ok"
    found = "; ".join(report.problems) or f"ok in {report.took_ms} ms, while no box ran"
    effect = f"{copy.name}: {found}"
    with (
        shared_lock(settings.data_dir),
        closing(AgentDatabase(settings.database)) as db,
        db.changing() as tx,
    ):
        record_run(tx, NAME, state, effect, started_at_ms=now_ms, took_ms=report.took_ms)
    return state, effect
