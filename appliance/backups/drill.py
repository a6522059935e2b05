"""The weekly drill: an old backup is taken from the stick and restored, every index read."""

import time
from uuid import UUID

from appliance.accounts.keys import SchoolKeys, read_keys
from appliance.backups.faults import MediumMissing
from appliance.backups.files import files_words, read_again
from appliance.backups.journal import Run, note_run, runs
from appliance.backups.label import open_for_box
from appliance.backups.making import labels_on
from appliance.backups.media import Medium, find, is_same_card, speaking_of
from appliance.backups.trial import try_out, workroom
from appliance.errors import DarasaError
from appliance.settings import Settings


def restore_drill(settings: Settings, school_id: UUID | None, *, now_ms: int) -> Run:
    """Restore the backup that was not tried for longest. Raises what a backup raises."""
    began = time.monotonic_ns()
    if school_id is None:
        raise MediumMissing("this box is not a school yet: there are no backups")
    name = ""
    try:
        medium = find(settings, school_id)
        keys = read_keys(settings.keys)
        name = _longest_untried(settings, medium, keys)
        with speaking_of(medium.root, writes_to=str(settings.data_dir)), workroom(settings) as work:
            path = medium.folder / name
            rows, words = try_out(path, keys, work, is_thorough=True)
            words += files_words(read_again(settings.blobs, medium, keys), 0)
            size_bytes = path.stat().st_size
    except DarasaError as error:
        note_run(
            settings,
            Run(
                at_ms=now_ms,
                kind="drill",
                is_verified=False,
                place=settings.backup_dir,
                file=name,
                words=error.detail,
            ),
        )
        raise
    run = Run(
        at_ms=now_ms,
        kind="drill",
        is_verified=True,
        place=str(medium.root),
        words=words,
        file=name,
        medium=medium.mark.medium_id,
        is_same_card=is_same_card(medium, settings),
        size_bytes=size_bytes,
        rows=rows,
        took_ms=(time.monotonic_ns() - began) // 1_000_000,
    )
    note_run(settings, run)
    return run


def _longest_untried(settings: Settings, medium: Medium, keys: SchoolKeys) -> str:
    """Of those this box can open: a board that the district has filled has new keys."""
    labels = labels_on(medium.folder, medium.mark.school_id)
    names = [
        name for name, label in labels.items() if open_for_box(label.for_box, keys.sealing_key)
    ]
    if not names:
        raise MediumMissing(f"there is no backup of this school on {medium.root} yet")
    tried = [run.file for run in runs(settings) if run.kind == "drill"]
    last_place = {name: place for place, name in enumerate(tried)}
    return min(names, key=lambda name: (last_place.get(name, -1), name))
