"""What can go wrong with a draft or a hand-in.

Conflict: RevisionIdTaken     the id was handed in with other words
          AlreadyHandedIn     a draft arrived after the hand-in it belonged to
RuleViolation: NothingWritten
TooLarge: BodyTooLarge
"""

from uuid import UUID

from appliance.errors import Conflict, RuleViolation, TooLarge


class RevisionIdTaken(Conflict):
    """This id was handed in before with other words; both cannot be the same hand-in."""

    code = "revision-id-taken"
    title = "Something else was handed in under this number"
    hint = "What was handed in first is safe. Hand in the other text under a new id."

    def __init__(self, revision_id: UUID) -> None:
        super().__init__(f"revision {revision_id} was handed in with other content")


class AlreadyHandedIn(Conflict):
    """An autosave came after its own hand-in; the hand-in stands."""

    code = "already-handed-in"
    title = "This was handed in already"
    hint = "Nothing is lost. Go on writing under a new id, and hand in again if you wish."

    def __init__(self, revision_id: UUID) -> None:
        super().__init__(f"revision {revision_id} was handed in")


class NothingWritten(RuleViolation):
    """There is not one letter in it."""

    code = "nothing-written"
    title = "There is nothing to hand in yet"
    hint = "Write your answer first."


class BodyTooLarge(TooLarge):
    """More text than one hand-in may hold; it stays where it was written."""

    code = "body-too-large"
    title = "This text is too long"
    hint = "Hand in a shorter text. The long one is kept on this phone."

    def __init__(self, *, size_bytes: int, size_bytes_max: int) -> None:
        super().__init__(f"the text has {size_bytes} bytes, at most {size_bytes_max} fit")
