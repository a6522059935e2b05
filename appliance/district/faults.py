"""Why a kept version is not put back.

DarasaError
└── Conflict
    ├── ChangedMeanwhile   the row is not what was looked at
    └── NothingToRestore   a fact, or a row that is not here any more
"""

from appliance.errors import Conflict


class ChangedMeanwhile(Conflict):
    """Somebody changed the row after the two versions were shown."""

    code = "changed-meanwhile"
    title = "This was changed meanwhile"
    hint = "Look at both versions again, then decide."


class NothingToRestore(Conflict):
    """What was handed in or marked is never changed; both versions are kept and shown."""

    code = "nothing-to-restore"
    title = "There is nothing to put back"
    hint = "Both versions are kept. If the wrong one counts, mark the work again."
