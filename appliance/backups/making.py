"""One backup on another medium: copied, sealed, written, read back, restored, and only then kept.

Nothing on the medium is taken away before the new backup has passed. Whatever happens, a line
in the journal says so, and the running school notices nothing of it.
"""

import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from msgspec import Struct, structs

from appliance.accounts.faults import KeysMissing, NotClaimed
from appliance.accounts.keys import SEALED, SchoolKeys, read_keys
from appliance.accounts.queries import School, school
from appliance.backups.envelope import read_label, seal
from appliance.backups.faults import BackupDamaged
from appliance.backups.files import (
    Again,
    carry_files,
    files_words,
    forget_unnamed,
    names_in,
    read_again,
)
from appliance.backups.journal import Run, note_run
from appliance.backups.label import SECRET_BYTES, Label, lock_for_box, lock_for_district
from appliance.backups.media import (
    ENDING,
    Medium,
    appearing,
    find,
    is_same_card,
    prepare,
    speaking_of,
)
from appliance.backups.nightly import turns
from appliance.backups.order import next_turn
from appliance.backups.queries import named_files, origin
from appliance.backups.rotation import Aged, kept
from appliance.backups.sticks import needed_bytes
from appliance.backups.trial import TRIAL_FACTOR, Tried, try_out, workroom
from appliance.database.backup import back_up, reading, row_count
from appliance.database.migrate import schema_version
from appliance.errors import DarasaError
from appliance.room import require_room_for_copies
from appliance.settings import Settings


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
            medium = _prepared(made, root) if root else find(settings, made.school.id)
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


def _prepared(made: Made, root: Path) -> Medium:
    """What `backup-medium` refuses is not written on either."""
    needed = needed_bytes(made.settings, root)
    return prepare(root, made.school.id, made.school.name, needed_bytes=needed)


def _backed_up(made: Made, medium: Medium, copy: Path, work: Path) -> Run:
    secret = secrets.token_bytes(SECRET_BYTES)
    label = _label(made, copy, secret, turn=_next_turn(made, medium))
    target = medium.folder / _name(label)
    with speaking_of(medium.root):
        lacking, again = _files(made, medium, label)
        _write(target, copy, label, made.keys, secret)
    copy.unlink()  # room for what is restored now
    with speaking_of(medium.root, writes_to=str(work)):
        rows, words = _proven(target, made.keys, work)
    with speaking_of(medium.root):
        removed = rotate(medium, made.keys, but=target.name)
        return Run(
            at_ms=made.now_ms,
            kind="backup",
            is_verified=True,
            place=str(medium.root),
            words=f"{words}; {removed} older ones removed{files_words(again, lacking)}",
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
    except (DarasaError, OSError):
        with suppress(OSError):  # the stick may be gone altogether
            target.unlink()
        raise


def _next_turn(made: Made, medium: Medium) -> int:
    on_medium = turns_in(medium.folder, made.school.id)
    folder = made.settings.backups
    return next_turn(folder, [*on_medium, *turns(folder)])


def _files(made: Made, medium: Medium, label: Label) -> tuple[int, Again]:
    """Read old ones before new ones: what a full medium lacks room for comes last."""
    again = read_again(made.settings.blobs, medium, made.keys)
    return carry_files(made.settings.blobs, medium, made.keys, names_in(label)), again


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


def _sealed_keys(settings: Settings) -> bytes:
    try:
        return (settings.keys / SEALED).read_bytes()
    except FileNotFoundError as error:
        raise KeysMissing(f"{settings.keys / SEALED} is missing") from error


def _name(label: Label) -> str:
    """No two have the same `turn`: one that wakes up in 1970 overwrites nothing."""
    day = datetime.fromtimestamp(label.made_at_ms / 1_000, UTC).strftime("%Y%m%d-%H%M%S")
    return f"school-{day}-{label.turn}{ENDING}"


def _write(target: Path, copy: Path, label: Label, keys: SchoolKeys, secret: bytes) -> None:
    with appearing(target) as partial, partial.open("wb") as file:
        seal(copy, file, label, keys, secret)


def rotate(medium: Medium, keys: SchoolKeys, *, but: str) -> int:
    """Take away what neither a day, a week nor a month keeps; return how many backups went.

    `but`: the one that has just passed stays, whatever the others say of themselves.
    """
    labels = labels_on(medium.folder, medium.mark.school_id)
    aged = (Aged(name, each.made_at_ms, each.seq, each.turn) for name, each in labels.items())
    stay = kept(aged) | {but} & labels.keys()
    gone = [name for name in labels if name not in stay]
    for name in gone:
        (medium.folder / name).unlink()
    forget_unnamed(medium, [labels[name] for name in stay], keys)
    return len(gone)


def turns_in(folder: Path, school_id: UUID) -> list[int]:
    """Of the school's backups that lie there."""
    return [label.turn for label in labels_on(folder, school_id).values()]


def labels_on(folder: Path, school_id: UUID) -> dict[str, Label]:
    """What stands on each readable backup of this school; a damaged one is left alone."""
    found = {}
    for path in sorted(folder.glob(f"*{ENDING}")):
        try:
            label = read_label(path)
        except (BackupDamaged, OSError):
            continue
        if label.school_id == school_id:
            found[path.name] = label
    return found
