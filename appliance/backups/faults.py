"""What can go wrong with backups on another medium. The running school is never touched.

DarasaError
├── MediumMissing     no stick of this school is plugged in
├── WrongMedium       it holds another school's backups, or nobody has prepared it
├── MediumFull        no room; what was on it before is still good
├── MediumReadOnly    it can be read and not written
├── MediumFailed      pulled out, or refusing
├── BackupNotOurs     a backup of another school
├── BackupDamaged     it does not read back as it was written
├── WrongPassphrase   no key here and no code given opens it
├── BackupNotVerified it reads back, and what is in it is not the school
└── Busy: BackupBusy  somebody else makes or tries one, or prepares a stick
"""

from appliance.errors import Busy, Conflict, DarasaError, Forbidden


class MediumMissing(Conflict):
    """No stick or disk with this school's mark is there."""

    code = "backup-medium-missing"
    title = "There is no backup stick"
    hint = (
        "Plug the school's backup stick in. A new one is prepared once: the page Backups shows a"
        " button beside it."
    )


class WrongMedium(Conflict):
    """This stick is not for the backups of this school."""

    code = "backup-medium-wrong"
    title = "This is not this school's backup stick"
    hint = "Nothing was written on it. Take this school's stick, or prepare an empty one."


class MediumFull(DarasaError):
    """There is no room on it for one more backup."""

    code = "backup-medium-full"
    status = 507
    title = "The backup stick is full"
    hint = (
        "The earlier backups on it are still good. Delete other files on it, or use a larger one."
    )


class MediumReadOnly(Conflict):
    """It can be read, and nothing can be written on it."""

    code = "backup-medium-read-only"
    title = "This stick cannot be written on"
    hint = "If it has a small lock on its side, slide it and try again. Else take another stick."


class MediumFailed(DarasaError):
    """It was pulled out while it was written to, or it refuses."""

    code = "backup-medium-failed"
    title = "The backup stick did not take what was written"
    hint = (
        "The earlier backups on it are still good. Plug it in again, wait for its light, and try"
        " once more; if it fails again, use another stick."
    )


class BackupNotOurs(Conflict):
    """It is a backup of another school, and this box has a school."""

    code = "backup-of-another-school"
    title = "This is another school's backup"
    hint = (
        "Nothing was changed. Take this school's backup; another school's belongs on an empty box."
    )


class BackupDamaged(Conflict):
    """The file on the medium is not what was written there."""

    code = "backup-damaged"
    title = "This backup is damaged"
    hint = "Nothing was changed. Take an earlier one from the same stick; they are separate files."


class WrongPassphrase(Forbidden):
    """Neither the keys of this box nor the code that was typed open this backup."""

    code = "backup-locked"
    title = "This code does not open the backup"
    hint = (
        "Nothing was changed. Type the recovery code that was printed when this school was"
        " claimed, or ask the district for a code for this backup."
    )


class BackupNotVerified(DarasaError):
    """It was written and read back, but does not hold the school as it is."""

    code = "backup-not-verified"
    title = "The backup did not pass its test"
    hint = (
        "Nothing was changed; earlier backups stay. Try again on another stick; if that fails,"
        " too, send a support file."
    )


class BackupBusy(Busy):
    """Another keeper, or the night, was first."""

    code = "backup-busy"
    title = "A backup is being made or a stick prepared right now"
    hint = (
        "Nothing of yours was begun. Wait a minute, look at the page Backups for what came of"
        " it, and try again if it is still needed."
    )
