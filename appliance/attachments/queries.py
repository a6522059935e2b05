"""Files of hand-ins, for the pupil whose they are and the teachers of the class."""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.attachments.models import Attachment
from appliance.database.reader import Reader
from appliance.errors import NotFound

FILES_LISTED_MAX: Final = 100  # every version of one piece of work, five files each

# "district": the row is at the district as a hand-in's is (view receipt), and the hub has
# hashed the content under the incarnation that we last talked to. 26: registry's attachment.
FILES_OF: Final[LiteralString] = """
SELECT a.id, a.submission_revision_id, a.name, a.mime, a.size_bytes, a.saved_at_ms,
       CASE WHEN d.pk IS NULL
             AND x.pk IS NULL
             AND c.n <= t.applied_n
             AND t.incarnation = i.incarnation
             AND b.incarnation = i.incarnation THEN 'district'
            ELSE 'box'
       END AS custody_level
  FROM submission_revision AS v
  JOIN attachment AS a
    ON a.submission_revision_id = v.id
  LEFT JOIN sync_identity AS i
    ON i.id = 1
  LEFT JOIN sync_dirty AS d
    ON d.tbl = 26
   AND d.pk = a.id
  LEFT JOIN sync_custody AS c
    ON c.tbl = 26
   AND c.pk = a.id
  LEFT JOIN sync_stream AS t
    ON t.lane = c.lane
   AND t.epoch = c.epoch
  LEFT JOIN sync_exception AS x
    ON x.tbl = 26
   AND x.pk IN (a.id, x'')
  LEFT JOIN sync_blob AS b
    ON b.sha256 = a.sha256
 WHERE v.submission_id = ?1
 ORDER BY a.saved_at_ms, a.id
 LIMIT ?2
"""

FILE: Final[LiteralString] = """
SELECT a.submission_revision_id, a.person_id, a.name, a.mime, a.size_bytes, a.sha256,
       v.submission_id
  FROM attachment AS a
  JOIN submission_revision AS v
    ON v.id = a.submission_revision_id
 WHERE a.id = ?1
"""

NAMED: Final[LiteralString] = """
SELECT EXISTS (SELECT 1 FROM attachment AS a WHERE a.sha256 = ?1)
"""

REVISION_OWNER: Final[LiteralString] = """
SELECT v.submission_id, v.person_id
  FROM submission_revision AS v
 WHERE v.id = ?1
"""

SUBMISSION_OWNER: Final[LiteralString] = """
SELECT s.person_id
  FROM submission AS s
 WHERE s.id = ?1
   AND s.deleted_at_ms IS NULL
"""

TEACHES: Final[LiteralString] = """
SELECT EXISTS (SELECT 1
                 FROM submission AS s
                 JOIN assessment AS a
                   ON a.id = s.assessment_id
                 JOIN course_run AS r
                   ON r.id = a.course_run_id
                 JOIN class_teacher AS t
                   ON t.class_group_id = r.class_group_id
                  AND t.person_id = ?2
                WHERE s.id = ?1)
"""


class File(Struct, frozen=True):
    """Whose a file is, and where its content lies."""

    submission_revision_id: UUID
    person_id: UUID
    name: str
    mime: str
    size_bytes: int
    sha256: bytes
    submission_id: UUID


class Revision(Struct, frozen=True):
    """Whose a handed-in text is."""

    submission_id: UUID
    person_id: UUID


def files_of(db: Reader, submission_id: UUID, person_id: UUID) -> list[Attachment]:
    """Files of one piece of work, oldest first. Raises NotFound for whom it is no business of."""
    _require_reader(db, submission_id, person_id)
    return db.rows(Attachment, FILES_OF, (submission_id, FILES_LISTED_MAX))


def file_named(db: Reader, attachment_id: UUID, person_id: UUID) -> File:
    """One file. Raises NotFound also when it is somebody else's."""
    found = file_row(db, attachment_id)
    if found is None:
        raise NotFound(f"attachment {attachment_id}")
    _require_reader(db, found.submission_id, person_id)
    return found


def file_row(db: Reader, attachment_id: UUID) -> File | None:
    """A row as it is."""
    return db.row(File, FILE, (attachment_id,))


def is_named(db: Reader, sha256: bytes) -> bool:
    """Whether somebody's work has this content."""
    return bool(db.value(NAMED, (sha256,)))


def own_revision(db: Reader, revision_id: UUID, person_id: UUID) -> Revision:
    """A text this pupil handed in. Raises NotFound."""
    found = db.row(Revision, REVISION_OWNER, (revision_id,))
    if found is None or found.person_id != person_id:
        raise NotFound(f"revision {revision_id}")
    return found


def _require_reader(db: Reader, submission_id: UUID, person_id: UUID) -> None:
    owner = db.value(SUBMISSION_OWNER, (submission_id,))
    is_own = owner is not None and UUID(bytes=owner) == person_id  # type: ignore[arg-type]  # BLOB
    if not is_own and not (owner and db.value(TEACHES, (submission_id, person_id))):
        raise NotFound(f"submission {submission_id}")
