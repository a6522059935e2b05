"""Whose file this is, and what one file has that another lacks, when either may be damaged."""

from contextlib import closing
from pathlib import Path
from typing import Final, LiteralString
from uuid import UUID

from appliance.accounts.queries import identity
from appliance.database.agent import AgentDatabase
from appliance.database.backup import reading
from appliance.database.comparing import newer_rows
from appliance.database.faults import BackupUnusable

KEEP_IT: Final = (
    "copy that folder to another medium within a month (after thirty good nights it goes), and ask"
    " for help."
)

IS_JOINED: Final[LiteralString] = "SELECT hub_id IS NOT NULL FROM sync_identity"


def school_here(path: Path) -> UUID | None:
    """The school of a file; None when it cannot say."""
    if not path.exists():
        return None
    try:
        with reading(path) as db:
            me = identity(db)
    except BackupUnusable:
        return None
    return me.school_id if me else None


def joined_district(path: Path) -> bool:
    """Whether a sound file belongs to a district's box."""
    with closing(AgentDatabase(path)) as db:
        return bool(db.value(IS_JOINED))


def newer_words(old: Path, new: Path) -> list[str]:
    """What was written since the backup: how much the district has, and how much only `old` has."""
    found = newer_rows(old, new)
    if found is None:
        return ["What was there before can no longer be read, so nobody can say what is newer."]
    if not found.rows:
        return ["It held no hand-in and no mark that the backup lacks."]
    words = [f"It held {found.rows} hand-ins and marks that the backup lacks."]
    if found.at_district:
        words.append(f"{found.at_district} of them are at the district and come back from there.")
    if alone := found.rows - found.at_district:
        words.append(f"{alone} of them are nowhere else: {KEEP_IT}")
    return words
