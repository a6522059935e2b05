"""Every stick that is plugged in, as the keeper's page shows it: ours, to be had, or not, and why.

Only what is mounted where sticks are (the places the unit may write to) is shown; the card itself
and what the system is made of is not.
"""

import os
import shutil
from pathlib import Path
from typing import Final
from uuid import UUID

from msgspec import Struct

from appliance.backups.faults import MediumMissing
from appliance.backups.files import FILES
from appliance.backups.media import (
    FOLDER,
    MOUNTS,
    Medium,
    another_school,
    places,
    prepare,
    read_mark,
)
from appliance.backups.trial import alone
from appliance.settings import Settings

UNDER: Final = ("/media", "/mnt", "/run/media")  # ReadWritePaths of darasa-box.service
MB: Final = 1_000_000
GB: Final = 1_000_000_000


class Stick(Struct, frozen=True, kw_only=True):
    """One of them. `kind` as a badge's; `is_free`: one tap makes it this school's."""

    place: str
    name: str
    kind: str
    title: str
    words: str
    todo: str = ""
    is_free: bool = False


def sticks(
    settings: Settings,
    school_id: UUID,
    *,
    mounts: Path = MOUNTS,
    under: tuple[str, ...] = UNDER,
) -> list[Stick]:
    """Look at what is plugged in; one that is pulled out meanwhile is not there."""
    found = []
    for root in _roots(settings, mounts, under):
        try:
            found.append(_stick(settings, root, school_id))
        except OSError:
            continue
    return found


def take_stick(
    settings: Settings,
    place: str,
    school_id: UUID,
    school_name: str,
    *,
    mounts: Path = MOUNTS,
    under: tuple[str, ...] = UNDER,
) -> Medium:
    """Make a stick that is plugged in this school's. Raises what `prepare` does, and BackupBusy."""
    root = next((each for each in _roots(settings, mounts, under) if str(each) == place), None)
    if root is None:
        raise MediumMissing(f"{Path(place).name} is not plugged in any more")
    return prepare_alone(settings, root, school_id, school_name)


def prepare_alone(settings: Settings, root: Path, school_id: UUID, school_name: str) -> Medium:
    """Mark a place for this school if there is room for a backup, and nobody else is at it."""
    with alone(settings):
        return prepare(root, school_id, school_name, needed_bytes=needed_bytes(settings, root))


def needed_bytes(settings: Settings, root: Path) -> int:
    """Room for one more backup: it is packed, so this is more than it takes."""
    there = {path.name.partition(".")[0] for path in (root / FOLDER / FILES).glob("*")}
    files = [path for path in settings.blobs.glob("*") if path.name not in there]
    return settings.database.stat().st_size + sum(path.stat().st_size for path in files) + MB


def _stick(settings: Settings, root: Path, school_id: UUID) -> Stick:
    free = shutil.disk_usage(root).free
    name, room = root.name, _room_words(free)
    if (other := another_school(root, school_id)) is not None:
        return Stick(
            place=str(root),
            name=name,
            kind="bad",
            title="Another school's",
            words=f"It holds the backups of {other}.",
            todo="Nothing is written on it. Take this school's stick, or an empty one.",
        )
    if not os.access(root, os.W_OK):
        return Stick(
            place=str(root),
            name=name,
            kind="bad",
            title="Cannot be written on",
            words="It can be read, and nothing can be written on it.",
            todo="If it has a small lock on its side, slide it. Else take another stick.",
        )
    is_ours = read_mark(root) is not None
    if free < needed_bytes(settings, root):
        return Stick(
            place=str(root),
            name=name,
            kind="wait",
            title="This school's, full" if is_ours else "Full",
            words=f"{room}: too little for one more backup.",
            todo="Delete other files on it, or take a larger one.",
        )
    if is_ours:
        words = f"{room}. Every night that it is plugged in makes a backup."
        return Stick(place=str(root), name=name, kind="good", title="This school's", words=words)
    return Stick(
        place=str(root), name=name, kind="info", title="Not in use", words=f"{room}.", is_free=True
    )


def _room_words(free: int) -> str:
    return f"{free / GB:.1f} GB free" if free >= GB else f"{free // MB} MB free"


def _roots(settings: Settings, mounts: Path, under: tuple[str, ...]) -> list[Path]:
    found = places(settings, mounts)
    if settings.backup_dir:
        return [root for root in found if root.is_dir()]
    return [root for root in found if any(root.is_relative_to(each) for each in under)]
