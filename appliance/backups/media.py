"""The other medium: a stick, an eMMC, an NVMe, or a folder the keeper has named.

It carries a mark with the school's id, made once by a tap on the page Backups or by `darasa-box
backup-medium`. Whatever else is plugged in has no mark and is left alone; a stick of another school
is named and left alone.
"""

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from appliance.backups.envelope import read_label
from appliance.backups.faults import (
    BackupDamaged,
    MediumFailed,
    MediumFull,
    MediumMissing,
    MediumReadOnly,
    WrongMedium,
)
from appliance.durable import make_private_folder, put_in_place, put_private, sync_path
from appliance.errors import StorageFull
from appliance.room import size
from appliance.settings import Settings

FOLDER: Final = "darasa-backup"
MARK: Final = "medium.json"
ENDING: Final = ".backup"
PARTIAL: Final = ".partial"
MARK_BYTES_MAX: Final = 4_096
MOUNTS: Final = Path("/proc/self/mountinfo")
DISKS: Final = Path("/sys/dev/block")
OCTAL: Final = re.compile(r"\\([0-7]{3})")
REFUSED: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Mark(Struct, frozen=True):
    """Whose stick this is."""

    medium_id: str
    school_id: UUID
    school_name: str


class Medium(Struct, frozen=True):
    """A marked place. `folder` holds the backups."""

    root: Path
    mark: Mark

    @property
    def folder(self) -> Path:
        """Where on it the backups lie."""
        return self.root / FOLDER


def prepare(root: Path, school_id: UUID, school_name: str, *, needed_bytes: int = 0) -> Medium:
    """Mark a stick for this school. What else is on it stays.

    Raises MediumMissing, WrongMedium, MediumReadOnly, MediumFull, MediumFailed.
    """
    if not root.is_dir():
        raise MediumMissing(f"{root} is not a folder; is the stick mounted?")
    with speaking_of(root):
        if (other := another_school(root, school_id)) is not None:
            raise WrongMedium(f"{root} holds backups of {other}")
        known = read_mark(root)
        if known is not None:
            return Medium(root, known)
        if (free := shutil.disk_usage(root).free) < needed_bytes:
            raise MediumFull(f"{root} has {size(free)} free, {size(needed_bytes)} are needed")
        mark = Mark(secrets.token_hex(4), school_id, school_name)
        make_private_folder(root / FOLDER)
        put_private(root / FOLDER / MARK, msgspec.json.encode(mark))
    return Medium(root, mark)


def another_school(root: Path, school_id: UUID) -> str | None:
    """The other school whose stick this is, by its mark, or by a backup where the mark is gone."""
    mark = read_mark(root)
    if mark is not None:
        return None if mark.school_id == school_id else mark.school_name
    for path in (root / FOLDER).glob(f"*{ENDING}"):
        try:
            label = read_label(path)
        except BackupDamaged:
            continue
        if label.school_id != school_id:
            return label.school_name
    return None


def find(settings: Settings, school_id: UUID, mounts: Path = MOUNTS) -> Medium:
    """The medium of this school that is there now. Raises MediumMissing, WrongMedium."""
    others = []
    for root in places(settings, mounts):
        mark = read_mark(root)
        if mark is not None and mark.school_id == school_id:
            return Medium(root, mark)
        if mark is not None:
            others.append(mark.school_name)
    if others:
        raise WrongMedium(f"the stick that is plugged in holds backups of {others[0]}")
    if settings.backup_dir:
        raise MediumMissing(f"{settings.backup_dir} is not there, or was never prepared")
    raise MediumMissing("no prepared stick is plugged in")


def read_mark(root: Path) -> Mark | None:
    """The mark of a stick; None when it has none that can be read."""
    try:
        with open(root / FOLDER / MARK, "rb", opener=_never_waiting) as file:
            return msgspec.json.decode(file.read(MARK_BYTES_MAX), type=Mark)
    except (OSError, msgspec.MsgspecError):
        return None


def _never_waiting(path: str, flags: int) -> int:
    """Open a stranger's file: for a named pipe one would wait for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def is_same_card(medium: Medium, settings: Settings, disks: Path = DISKS) -> bool:
    """Whether it is lost together with the card, also as another partition of it."""
    return _disk(medium.root, disks) == _disk(settings.data_dir, disks)


def _disk(folder: Path, disks: Path) -> str:
    """The whole disk a folder lies on; what has no disk of its own is named by its number."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    if not (disks / number).exists():
        return number
    entry = (disks / number).resolve()  # /sys/devices/.../mmcblk0/mmcblk0p5
    return str(entry.parent if (entry / "partition").exists() else entry)


@contextmanager
def speaking_of(root: Path, *, writes_to: str = "") -> Iterator[None]:
    """Say in a keeper's words what the medium did. Raises MediumFull, MediumReadOnly, MediumFailed.

    `writes_to`: what is written meanwhile is on the card; a full card is no fault of the stick.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL and writes_to:
            raise StorageFull(f"{writes_to}: no room to try the backup out") from error
        if error.errno in FULL:
            raise MediumFull(f"{root} has no room left") from error
        if error.errno in REFUSED:
            raise MediumReadOnly(f"{root}: {error.strerror}") from error
        raise MediumFailed(f"{root}: {error.strerror or error}") from error


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """What is written here is at `target` when it is whole and on the medium, or nowhere."""
    for left in target.parent.glob(f"*{PARTIAL}"):
        left.unlink()  # a stick was pulled out
    partial = target.with_name(target.name + PARTIAL)
    try:
        yield partial
        sync_path(partial)
        put_in_place(partial, target)
    except OSError:
        with suppress(OSError):  # the stick may be gone altogether
            partial.unlink(missing_ok=True)
        raise


def forget_cached(path: Path) -> None:
    """Let the next reading come from the medium and not from memory."""
    sync_path(path)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def places(settings: Settings, mounts: Path = MOUNTS) -> list[Path]:
    """Where a backup may lie: in the folder that is named, else on whatever is mounted."""
    if settings.backup_dir:
        return [Path(settings.backup_dir)]
    table = os.fsdecode(mounts.read_bytes()) if mounts.exists() else ""
    return [Path(each) for each in mounted(table)]


def mounted(table: str) -> list[str]:
    """Where block devices are mounted (proc_pid_mountinfo(5)).

    The kernel writes blanks and backslashes in octal, and every other byte of a name as it is.
    Once each: behind the unit's limits a stick that came while the box ran stands there twice, and
    so do /media and /mnt themselves, as parts of the system's own disk.
    """
    found: dict[str, str] = {}
    for line in table.split("\n"):
        before, _, after = line.partition(" - ")
        fields, source = before.split(" "), after.split(" ")
        if len(fields) > 4 and len(source) > 1 and source[1].startswith("/dev/"):
            place = OCTAL.sub(lambda code: chr(int(code[1], 8)), fields[4])
            found.setdefault(place, fields[2])
    system = found.get("/")
    return [place for place, number in found.items() if place == "/" or number != system]
