"""What can go wrong with the database as such.

DarasaError
├── DatabaseMissing    a command was given where no school's file is
├── SchemaMismatch     the file and the program are of different releases
│   └── SchemaTooNew   and this program cannot work on it
├── MigrationFailed    the file is as it was before
├── StorageFull: NoRoomToMigrate
├── BackupFailed       the copy did not pass its check and was removed
├── BackupUnusable     nothing was put in place
├── SalvageFailed      the damaged file is untouched
├── DataDirInUse       another process holds the school's files
├── WriteFailed        the medium refused; nothing of the batch was kept
├── Conflict: DistrictOwned
├── Busy: WriterStopped, ReportTooSlow
└── StorageFull        (appliance.errors)
"""

from typing import Final

import apsw

from appliance.errors import Busy, Conflict, DarasaError, StorageFull

# After these SQLite has given up the transaction, or would at the next step: whatever was
# in it is gone as a whole. Everything else is one statement's own affair.
TRANSACTION_ENDING: Final = (apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.NoMemError)

OWNED_WORDS: Final = "the district owns this row"  # as the `_owned` triggers say it


class DatabaseMissing(DarasaError):
    """A command was given where no school's file is."""

    code = "database-missing"
    status = 404
    title = "There is no school in this folder"
    hint = (
        "Is DARASA_DATA_DIR the school's folder? On the image it is /var/lib/darasa. A new box gets"
        " its file from `darasa-box serve`, or `darasa-box migrate` once."
    )


class SchemaMismatch(DarasaError):
    """The file's schema is not the one this program was written for."""

    code = "schema-mismatch"
    title = "The database belongs to another release"
    hint = "Run `darasa-box migrate`: it makes a backup first."


class SchemaTooNew(SchemaMismatch):
    """A later release changed the file in a way that this one cannot work with."""

    code = "schema-too-new"
    title = "The database belongs to a newer release"
    hint = (
        "Nothing was changed. Install the newer release again; or stop the box and run"
        " `darasa-box restore` with the newest before-*.db of backups/, made before the update:"
        " what was written since is then kept beside it and no longer shown."
    )


class MigrationFailed(DarasaError):
    """A migration did not go through; the database is as it was before."""

    code = "migration-failed"
    title = "The database could not be updated"
    hint = "Nothing was changed. Keep the old release running and report the file named here."


class NoRoomToMigrate(StorageFull):
    """There is no room to copy the file first, so nothing is migrated."""

    code = "no-room-to-migrate"
    title = "The card is too full to update the database"
    hint = (
        "Nothing was changed, and the release before serves the school: a box with two systems"
        " goes back to it by itself. Make room as the runbook says under The card is almost full,"
        " then install the update again."
    )


class BackupFailed(DarasaError):
    """The copy did not pass its check and was removed; older backups are untouched."""

    code = "backup-failed"
    title = "The backup is not usable"
    hint = (
        "Switch the box off and on after school: it looks at its whole database. Then make the"
        " backup again."
    )


class BackupUnusable(DarasaError):
    """What should be put in place is not a sound database. Nothing was changed."""

    code = "backup-unusable"
    status = 409
    title = "This backup cannot be used"
    hint = "Nothing was changed. Take another one: the nightly copies are in backups/."


class SalvageFailed(DarasaError):
    """What can be read of a damaged database does not make one. The old file is untouched."""

    code = "salvage-failed"
    title = "The damaged database could not be repaired"
    hint = "Put the backup stick in and start the box again, or run `darasa-box restore`."


class DataDirInUse(DarasaError):
    """Another process holds the school's files."""

    code = "data-dir-in-use"
    status = 409
    title = "The school's files are in use"
    hint = "Stop darasa-box and darasa-agent first, then try again."


class BoxRunsAlready(DataDirInUse):
    """Another darasa-box serves this folder, or brings it to its release."""

    code = "box-runs-already"
    title = "This school's box runs already"
    hint = (
        "There is nothing to do: the school is served, and this command has touched nothing."
        " `darasa-box status` and `darasa-box doctor` look at it while it runs."
    )


class WriteFailed(DarasaError):
    """The medium refused a write. Nothing of the batch was kept."""

    code = "write-failed"
    title = "This could not be saved"
    hint = "Try again. If it happens again, the storage card may be failing: make a backup now."


class DistrictOwned(Conflict):
    """The row came from the district, and only the district changes it."""

    code = "district-owned"
    title = "The district owns this"
    hint = "Write a proposal: the district decides, and its change comes down to this box."

    def __init__(self, table: str) -> None:
        super().__init__(f"a row of {table} is the district's")


class WriterStopped(Busy):
    """The box is shutting down; the next one will take the same request."""

    code = "writer-stopped"


class ReportTooSlow(Busy):
    """A report ran into its deadline and was interrupted, so that others are not held up."""

    code = "report-too-slow"
    title = "This report takes too long right now"
    hint = "Ask for a shorter time span, or try again when the lesson is over."


def district_owned(error: Exception) -> DistrictOwned | None:
    """Recognise what the triggers on rows of another owner say."""
    if not isinstance(error, apsw.ConstraintError):
        return None
    table, _, words = str(error).partition(": ")
    return DistrictOwned(table) if words == OWNED_WORDS else None


def in_our_words(error: apsw.Error) -> DarasaError:
    """Say what the medium or the other process did, to callers who never import apsw."""
    if isinstance(error, apsw.FullError):
        return StorageFull("the storage card is full")
    if isinstance(error, apsw.BusyError):
        return Busy("another process holds the database")
    assert isinstance(error, TRANSACTION_ENDING), error
    return WriteFailed(f"the database could not be written: {error}")
