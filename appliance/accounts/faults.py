"""What can go wrong with people and with the box's own beginning.

WrongClaimCode       not what the console shows
AlreadyClaimed       this box belongs to a school
SchoolOnItsWay       a board that takes another one's place has not everything yet
NotClaimed           nobody has claimed it yet, so there is nobody to sign in
KeysMissing          claimed, but its keys are gone: refuse to start
WrongRecoveryCode    does not open the sealed keys
NameTaken            two people cannot sign in by the same name
"""

from appliance.errors import Conflict, DarasaError, Forbidden


class WrongClaimCode(Forbidden):
    """The code is not the one on the box's console."""

    code = "wrong-claim-code"
    title = "That code is not right"
    hint = (
        "Type the eight letters and digits the box shows on its console or in the file claim-code."
    )


class AlreadyClaimed(Conflict):
    """The box has a school already; a second claim changes nothing."""

    code = "already-claimed"
    title = "This box already belongs to a school"
    hint = "Sign in instead."


class SchoolOnItsWay(Conflict):
    """The board takes a lost one's place; the rest of the school is still at the district."""

    code = "school-on-its-way"
    title = "Your school is on its way"
    hint = "Leave the box running with its link, and look again in a few minutes."


class NotClaimed(Conflict):
    """There is no school on this box yet."""

    code = "not-claimed"
    title = "This box does not belong to a school yet"
    hint = "Open /claim on the box and type the code it shows on its console."


class KeysMissing(DarasaError):
    """The database is a school's, and its keys are not there. PINs could not be checked."""

    code = "keys-missing"
    title = "The school's keys are missing"
    hint = (
        "The box does not start without them. Make them again with the printed recovery code:"
        " the runbook says how, section The board is lost."
    )


class WrongRecoveryCode(Forbidden):
    """The recovery code does not open the sealed keys."""

    code = "wrong-recovery-code"
    title = "That recovery code is not right"
    hint = "Look at the printed page again; letters 0, 1, I, L and O do not occur."


class NameTaken(Conflict):
    """Somebody else signs in by this name."""

    code = "name-taken"
    title = "That sign-in name is taken"
    hint = "Choose another sign-in name."
