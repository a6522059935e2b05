"""What a keeper calls the night's work; the log and the journal keep its short names."""

from typing import Final

CALLED: Final = {
    "backup": "Copy on this card",
    "backup-to-stick": "Backup on the stick",
    "compact": "Writing the database anew",
    "full-check": "Check of the newest copy",
    "health-sample": "Readings for the district",
    "key-check": "Check that all belongs together",
    "prune-logs": "Clearing old notes away",
    "quick-check": "Check of the database",
    "reclaim-space": "Giving room back to the card",
    "restore-drill": "Restore drill",
    "room": "Room on the card",
    "statistics": "Keeping searches quick",
}


def called(name: str) -> str:
    """In plain words; of a later release's work, its name."""
    return CALLED.get(name, name)
