"""`darasa-hub import DIR`: beside the running hub, through the same locks."""

from collections.abc import Callable
from pathlib import Path

from appliance.clock import Clock
from sync.hub.faults import StickTrouble
from sync.hub.opening import open_hub
from sync.hub.settings import HubSettings
from sync.hub.sticks.came import words_of
from sync.hub.sticks.importing import boards_on, import_stream
from sync.stick import Stick, StickFailed

Say = Callable[[str], None]


async def import_folder(settings: HubSettings, folder: Path, clock: Clock, say: Say) -> None:
    """Take in every board's files and say what became of them. Raises StickTrouble."""
    try:
        stick = Stick(folder)
        boards = boards_on(stick)
        if not boards:
            say(f"There is nothing from a school in {folder}.")
        async with open_hub(settings, clock) as hub:
            for came in boards:
                for line in words_of(await import_stream(hub, stick, came)):
                    say(line)
    except StickFailed as error:
        raise StickTrouble(str(error)) from error
