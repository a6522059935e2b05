"""What can be wrong with what the district writes.

Conflict: Withdrawn        it was taken back; write a new one
          CommandTaken     the id belongs to another order
          AlreadyAnswered  the box has done it, or refused: there is nothing to take back
Invalid:  BadRoster        a list of pupils that cannot be read
          NothingToName    a proposal about something that has no name
"""

from uuid import UUID

from appliance.errors import Conflict, Invalid


class Withdrawn(Conflict):
    """What was withdrawn stays withdrawn, however late the form is sent again."""

    code = "withdrawn"
    title = "This was withdrawn"
    hint = "Write a new one if it is wanted again."


class CommandTaken(Conflict):
    """The same id was sent before with another order."""

    code = "command-taken"
    hint = "Open the page again; it gives the next order an id of its own."

    def __init__(self, command_id: UUID) -> None:
        super().__init__(f"command {command_id} asks for something else")


class AlreadyAnswered(Conflict):
    """The box has answered; an order that was carried out cannot be taken back."""

    code = "already-answered"
    title = "The box has answered already"
    hint = "Look at the answer, and give another order if things should be different."


class BadRoster(Invalid):
    """The list has no heading we know, or a line without a class or a name."""

    code = "bad-roster"
    title = "This list cannot be read"
    hint = "The first line says: class,name or class,name,number. Every line after it is a pupil."


class NothingToName(Invalid):
    """Only persons and classes are renamed with an answer."""

    code = "nothing-to-name"
    hint = "Answer without a name, and change the row where it is written."
