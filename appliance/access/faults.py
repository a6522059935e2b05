"""What can go wrong at the door.

SignInFailed: WrongPin, WrongPassword    not this secret; `tries` left where they are counted
PinLocked                                ten wrong tries; a teacher gives a new PIN
ForeignOrigin                            another site's page tried to act in this one's name
OtherPerson                              a shared phone: one pupil's words, another's session
"""

from appliance.errors import Forbidden, SignInNeeded


class WrongPin(SignInNeeded):
    """The PIN does not belong to this name."""

    code = "wrong-pin"
    title = "That PIN is not right"
    hint = "Try again, or ask your teacher for a new PIN."


class WrongPassword(SignInNeeded):
    """The name, or the password, is not right; which one is not told."""

    code = "wrong-password"
    title = "That name or password is not right"
    hint = "Check the name and the password and try again."


class PinLocked(Forbidden):
    """Too many wrong PINs for this one name; everybody else signs in as before."""

    code = "pin-locked"
    title = "This name is locked"
    hint = "Ask your teacher for a new PIN. Nothing you wrote is lost."


class ForeignOrigin(Forbidden):
    """The request was started by a page of another site."""

    code = "foreign-origin"
    title = "This came from another page"
    hint = "Open the school box's own page and do it from there."


class OtherPerson(SignInNeeded):
    """The words are one person's and the session another's; nothing was kept."""

    code = "other-person"
    title = "Somebody else is signed in on this phone"
    hint = "Sign in again under your own name. What you wrote is kept on this phone."
