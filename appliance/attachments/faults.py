"""What can go wrong with a file of a hand-in.

Conflict: AttachmentIdTaken   the id came before with other content
TooLarge: FileTooLarge        one file, or too many of them
RuleViolation: FileKindRefused, FileEmpty
"""

from uuid import UUID

from appliance.errors import Conflict, RuleViolation, TooLarge


class AttachmentIdTaken(Conflict):
    """This id was used for another file."""

    code = "attachment-id-taken"
    title = "Another file was sent under this number"
    hint = "The first one is safe. Send this one under a new id."

    def __init__(self, attachment_id: UUID) -> None:
        super().__init__(f"attachment {attachment_id} holds another file")


class FileTooLarge(TooLarge):
    """A file above the limit, or one more than a hand-in may have."""

    code = "file-too-large"
    title = "This file cannot be added"
    hint = "A file may have 10 MB, and a hand-in five files. A smaller photo does as well."


class FileKindRefused(RuleViolation):
    """Not a picture, a sound, a film or a document."""

    code = "file-kind-refused"
    title = "This kind of file cannot be added"
    hint = "Add a photo, a sound, a film, a PDF or a text document."


class FileEmpty(RuleViolation):
    """Nothing arrived."""

    code = "file-empty"
    title = "There is nothing in this file"
    hint = "Choose the file again. If it comes from a message, save it on the phone first."
