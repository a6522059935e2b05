"""What the backups page says, as JSON, and what is tapped on it."""

from typing import Annotated

from msgspec import Meta, Struct

from appliance.backups.journal import Run
from appliance.backups.sticks import Stick
from appliance.backups.words import BackupLine


class BackupState(Struct, frozen=True, kw_only=True):
    """The lines of the page, what is plugged in, and the last runs, the latest first."""

    lines: list[BackupLine]
    sticks: list[Stick]
    runs: list[Run]


class StickTaken(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which stick becomes this school's."""

    place: Annotated[str, Meta(max_length=4_096, description="As `sticks[].place` names it.")]
