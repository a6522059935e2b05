"""One backup on another medium: copied, sealed, written, read back, restored, and only then kept.

Nothing on the medium is taken away before the new backup has passed. Whatever happens, a line
in the journal says so, and the running school notices nothing of it.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import Struct, structs
from nacl.secret import Aead

from appliance.accounts.faults import KeysMissing, NotClaimed
from appliance.accounts.keys import SEALED, SchoolKeys, read_keys
from appliance.accounts.queries import School, school
from appliance.backups.envelope import read_label, seal
from appliance.backups.faults import BackupDamaged
from appliance.backups.journal import Run, note_run
from appliance.backups.label import SECRET_BYTES, Label, lock_for_box, lock_for_district
from appliance.backups.media import ENDING, Medium, find, is_same_card, prepare, speaking_of
from appliance.backups.queries import named_files, origin
from appliance.backups.rotation import Aged, kept
from appliance.backups.trial import TRIAL_FACTOR, Tried, try_out, workroom
from appliance.database.backup import back_up, reading, row_count
from appliance.database.migrate import schema_version
from appliance.durable import sync_path
from appliance.errors import DarasaError
from appliance.room import require_room_for_copies
from appliance.settings import Settings

PARTIAL: Final = ".partial"
FILES: Final = "files"
SEALED_ENDING: Final = ".sealed"
HASH_BYTES: Final = 32


class Made(Struct, frozen=True, kw_only=True):
    """What a backup needs to know of its school."""

    settings: Settings
    school: School
    keys: SchoolKeys
    app_version: str
    now_ms: int


def back_up_away(
    settings: Settings, *, app_version: str, now_ms: int, root: Path | None = None
) -> Run:
    """Make one backup on `root`, or on this school's medium wherever it is plugged in.

    Raises NotClaimed and everything of `appliance.backups.faults`; then the journal has it, too.
    """
    began = time.monotonic_ns()
    try:
        with workroom(settings) as work:
            copy = work / "copy.db"
            size_bytes = settings.database.stat().st_size
            require_room_for_copies(work, int(size_bytes * TRIAL_FACTOR))
            back_up(settings.database, copy)
            made = _made(settings, copy, app_version=app_version, now_ms=now_ms)
            medium = (
                prepare(root, made.school.id, made.school.name)
                if root
                else find(settings, made.school.id)
            )
            run = _backed_up(made, medium, copy, work)
    except (DarasaError, OSError) as error:
        place = str(root or settings.backup_dir)
        words = error.detail if isinstance(error, DarasaError) else str(error)
        note_run(
            settings, Run(at_ms=now_ms, kind="backup", is_verified=False, place=place, words=words)
        )
        raise
    took_ms = (time.monotonic_ns() - began) // 1_000_000
    run = structs.replace(run, took_ms=took_ms)
    note_run(settings, run)
    return run


def _made(settings: Settings, copy: Path, *, app_version: str, now_ms: int) -> Made:
    with reading(copy) as db:
        known = school(db)
    if known is None:
        raise NotClaimed("this box is not a school yet: there is nothing to back up")
    keys = read_keys(settings.keys)
    return Made(settings=settings, school=known, keys=keys, app_version=app_version, now_ms=now_ms)


def _backed_up(made: Made, medium: Medium, copy: Path, work: Path) -> Run:
    secret = secrets.token_bytes(SECRET_BYTES)
    label = _label(made, copy, secret, turn=_next_turn(medium))
    target = medium.folder / _name(label)
    with speaking_of(medium.root):
        _carry_files(made, medium, label)
        _write(target, copy, label, made.keys, secret)
    copy.unlink()  # room for what is restored now
    with speaking_of(medium.root, writes_to=str(work)):
        rows, words = _proven(target, made.keys, work)
    with speaking_of(medium.root):
        removed = rotate(medium)
        return Run(
            at_ms=made.now_ms,
            kind="backup",
            is_verified=True,
            place=str(medium.root),
            words=f"{words}; {removed} older ones removed",
            file=target.name,
            medium=medium.mark.medium_id,
            is_same_card=is_same_card(medium, made.settings),
            size_bytes=target.stat().st_size,
            rows=rows,
        )


def _proven(target: Path, keys: SchoolKeys, work: Path) -> Tried:
    """One that does not pass is no backup, and must not be taken for one later."""
    try:
        return try_out(target, keys, work)
    except DarasaError:
        target.unlink()
        raise


def _label(made: Made, copy: Path, secret: bytes, *, turn: int) -> Label:
    with reading(copy) as db:
        at, files = origin(db), named_files(db)
    return Label(
        school_id=made.school.id,
        school_name=made.school.name,
        made_at_ms=made.now_ms,
        seq=at.seq,
        app_version=made.app_version,
        schema_version=schema_version(copy),
        rows=row_count(copy),
        database_bytes=copy.stat().st_size,
        files=b"".join(files),
        sealed_keys=_sealed_keys(made.settings),
        for_box=lock_for_box(secret, made.keys.sealing_key),
        for_district=lock_for_district(secret, at.hub_key) if at.hub_key else None,
        turn=turn,
    )


def _next_turn(medium: Medium) -> int:
    return 1 + max((label.turn for label in labels_on(medium).values()), default=0)


def _sealed_keys(settings: Settings) -> bytes:
    try:
        return (settings.keys / SEALED).read_bytes()
    except FileNotFoundError as error:
        raise KeysMissing(f"{settings.keys / SEALED} is missing") from error


def _name(label: Label) -> str:
    """Sorted by name is sorted by age; `seq` also tells two of one second apart."""
    day = datetime.fromtimestamp(label.made_at_ms / 1_000, UTC).strftime("%Y%m%d-%H%M%S")
    return f"school-{day}-{label.seq}{ENDING}"


def _write(target: Path, copy: Path, label: Label, keys: SchoolKeys, secret: bytes) -> None:
    with _appearing(target) as partial, partial.open("wb") as file:
        seal(copy, file, label, keys, secret)


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """What is written here is at `target` when it is whole and on the medium, or nowhere."""
    for left in target.parent.glob(f"*{PARTIAL}"):
        left.unlink()  # a stick was pulled out
    partial = target.with_name(target.name + PARTIAL)
    try:
        yield partial
        sync_path(partial)
        partial.replace(target)
        sync_path(target.parent)
    except OSError:
        with suppress(OSError):  # the stick may be gone altogether
            partial.unlink(missing_ok=True)
        raise


def _carry_files(made: Made, medium: Medium, label: Label) -> None:
    """Put what pupils handed in beside it, each once, each sealed with the school's key."""
    folder, lock = medium.folder / FILES, Aead(made.keys.sealing_key)
    for name in names_in(label):
        source, target = made.settings.blobs / name, folder / f"{name}{SEALED_ENDING}"
        if target.exists() or not source.exists():  # the district has yet to bring it
            continue
        folder.mkdir(mode=0o700, exist_ok=True)
        with _appearing(target) as partial:
            partial.write_bytes(lock.encrypt(source.read_bytes()))


def names_in(label: Label) -> list[str]:
    """The files a backup needs, by name."""
    places = range(0, len(label.files), HASH_BYTES)
    return [label.files[at : at + HASH_BYTES].hex() for at in places]


def rotate(medium: Medium) -> int:
    """Take away what neither a day, a week nor a month keeps; return how many backups went."""
    labels = labels_on(medium)
    stay = kept(
        Aged(name, label.made_at_ms, label.seq, label.turn) for name, label in labels.items()
    )
    gone = [name for name in labels if name not in stay]
    for name in gone:
        (medium.folder / name).unlink()
    named = {each for name in stay for each in names_in(labels[name])}
    for file in (medium.folder / FILES).glob(f"*{SEALED_ENDING}"):
        if file.name.removesuffix(SEALED_ENDING) not in named:
            file.unlink()
    return len(gone)


def labels_on(medium: Medium) -> dict[str, Label]:
    """What stands on each readable backup of this school; a damaged one is left alone."""
    found = {}
    for path in sorted(medium.folder.glob(f"*{ENDING}")):
        try:
            label = read_label(path)
        except (BackupDamaged, OSError):
            continue
        if label.school_id == medium.mark.school_id:
            found[path.name] = label
    return found
