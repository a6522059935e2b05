"""What the backups page says, as JSON."""

from msgspec import Struct

from appliance.backups.journal import Run
from appliance.backups.words import BackupLine


class BackupState(Struct, frozen=True, kw_only=True):
    """The lines of the page, and the last runs, the latest first."""

    lines: list[BackupLine]
    runs: list[Run]
