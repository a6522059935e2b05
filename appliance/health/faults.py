"""What can go wrong with the box's health: its clock, and a file for support."""

from appliance.errors import Conflict, DarasaError


class ClockKnown(Conflict):
    """Somebody who knows better than a phone has said what time it is."""

    code = "clock-known"
    title = "The box knows the time already"
    hint = "If the box is right, set the phone. If it is wrong, tell the district."


class ClockJustSet(Conflict):
    """Two people set it at the same moment; the first one won."""

    code = "clock-just-set"
    title = "Another phone has just set the clock to another time"
    hint = "Look at the box's time on the page Clock. If it is wrong, wait a minute and set it."


class ClockElsewhere(Conflict):
    """This process takes the machine's clock as it is."""

    code = "clock-elsewhere"
    title = "This box takes its machine's clock"
    hint = "Set the clock of the machine it runs on."


class BundleFailed(DarasaError):
    """The support file could not be written."""

    code = "bundle-failed"
    title = "The support file could not be written"
    hint = "Name a file in a folder that is there and has a megabyte of room."


class SwitchedElsewhere(Conflict):
    """Nobody on this machine listens for the button: its units are not ours."""

    code = "switched-elsewhere"
    title = "This machine cannot be switched off from a page"
    hint = "Use its own switch, or pull its plug: what the box has confirmed is on its card."
