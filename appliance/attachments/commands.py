"""Adding a file to what was handed in."""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.attachments.faults import AttachmentIdTaken, FileTooLarge
from appliance.attachments.queries import file_row, own_revision
from appliance.attachments.rules import FILES_MAX
from appliance.database.transaction import Transaction
from appliance.errors import NotFound

OWNS: Final = ("attachment",)

ADD_FILE: Final[LiteralString] = """
INSERT INTO attachment (id, submission_revision_id, person_id, name, mime, size_bytes, sha256,
                        saved_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
"""

COUNT_FILES: Final[LiteralString] = """
SELECT count(*)
  FROM attachment
 WHERE submission_revision_id = ?1
"""


class Arrived(Struct, frozen=True):
    """A file that lies on the disk under its content's hash."""

    name: str
    mime: str
    size_bytes: int
    sha256: bytes


def add_file(
    tx: Transaction,
    person_id: UUID,
    revision_id: UUID,
    attachment_id: UUID,
    arrived: Arrived,
    *,
    now_ms: int,
) -> UUID:
    """Name a file in the pupil's work; return the piece of work. Sending it again adds nothing.

    Raises NotFound, AttachmentIdTaken, FileTooLarge.
    """
    revision = own_revision(tx, revision_id, person_id)
    there = file_row(tx, attachment_id)
    if there is not None:
        if there.person_id != person_id:
            raise NotFound(f"attachment {attachment_id}")
        if (there.submission_revision_id, there.sha256) != (revision_id, arrived.sha256):
            raise AttachmentIdTaken(attachment_id)
        return revision.submission_id
    if int(str(tx.value(COUNT_FILES, (revision_id,)))) >= FILES_MAX:
        raise FileTooLarge(f"revision {revision_id} has {FILES_MAX} files")
    what = (arrived.name, arrived.mime, arrived.size_bytes, arrived.sha256)
    tx.run(ADD_FILE, (attachment_id, revision_id, person_id, *what, now_ms))
    return revision.submission_id
