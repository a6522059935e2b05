"""Switching the machine off, or on again, where systemd listens for it.

`darasa-off.socket` and `darasa-restart.socket` are systemd's: whoever connects is heard, and
nothing is left behind that the next start could find (docs/decisions/0021).
"""

import logging
import socket
from typing import Final, Literal
from uuid import UUID

from appliance.database.writer import Writer
from appliance.errors import DarasaError
from appliance.health.faults import SwitchedElsewhere
from appliance.maintenance.commands import record_run
from appliance.settings import Settings

Switch = Literal["off", "restart"]
SWITCHES: Final[tuple[Switch, ...]] = ("off", "restart")
PLACE: Final = "darasa-power"
ANSWER_S_MAX: Final = 5.0

logger = logging.getLogger(__name__)


def can_switch(settings: Settings) -> bool:
    """Whether somebody listens: a machine whose units are not ours has no such button."""
    return all((settings.run_dir / PLACE / each).is_socket() for each in SWITCHES)


async def note_switch(writer: Writer, switch: Switch, person_id: UUID, *, now_ms: int) -> None:
    """Write down who asked, in the journal of the housekeeping; one that is full stops nobody."""
    logger.warning("machine switch=%s by=%s", switch, person_id)
    try:
        name, who = f"switch-{switch}", str(person_id)
        await writer.write(record_run, name, "ok", who, started_at_ms=now_ms, took_ms=0)
    except DarasaError as error:
        logger.warning("machine switch not journalled code=%s", error.code)


def switch_machine(settings: Settings, switch: Switch) -> None:
    """Ask systemd, which stops everything in its order. Raises SwitchedElsewhere."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(ANSWER_S_MAX)
        try:
            caller.connect(str(settings.run_dir / PLACE / switch))
        except OSError as error:
            raise SwitchedElsewhere(f"{switch}: {error.strerror or error}") from error
