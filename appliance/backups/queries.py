"""What a backup is made from, and the journey through what was restored from it."""

import hashlib
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.accounts.queries import identity, school
from appliance.backups.faults import BackupNotVerified
from appliance.database.reader import Reader

SEQ_AND_HUB: Final[LiteralString] = """
SELECT seq, hub_key
  FROM sync_identity
"""

NAMED_FILES: Final[LiteralString] = """
SELECT DISTINCT sha256
  FROM attachment
 ORDER BY sha256
"""

WHOSE_FILE: Final[LiteralString] = """
SELECT a.name AS file_name, p.display_name AS person_name, t.title AS task_title
  FROM attachment          AS a
  JOIN submission_revision AS r ON r.id = a.submission_revision_id
  JOIN submission          AS s ON s.id = r.submission_id
  JOIN assessment          AS t ON t.id = s.assessment_id
  JOIN person              AS p ON p.id = a.person_id
 WHERE a.sha256 = ?1
 ORDER BY a.id
 LIMIT 1
"""

# The newest hand-in with its words, as a teacher's page reads it.
NEWEST_WORK: Final[LiteralString] = """
SELECT r.body, r.content_hash, p.display_name AS person_name, a.title AS task_title
  FROM submission_revision AS r
  JOIN submission          AS s ON s.id = r.submission_id
  JOIN assessment          AS a ON a.id = s.assessment_id
  JOIN person              AS p ON p.id = r.person_id
 ORDER BY r.id DESC
 LIMIT 1
"""
WORKS: Final[LiteralString] = "SELECT count(*) FROM submission_revision"

# The way to a lesson, as a pupil's page reads it.
FIRST_SECTION: Final[LiteralString] = """
SELECT s.body
  FROM section        AS s
  JOIN lesson         AS l ON l.id = s.lesson_id
  JOIN module         AS m ON m.id = l.module_id
  JOIN course_version AS v ON v.id = m.course_version_id
  JOIN course         AS c ON c.id = v.course_id
 ORDER BY c.title, l.rank, s.rank
 LIMIT 1
"""
SECTIONS: Final[LiteralString] = "SELECT count(*) FROM section"
MEMBERS: Final[LiteralString] = """
SELECT count(*)
  FROM class_member AS m
  JOIN class_group  AS g ON g.id = m.class_group_id
  JOIN person       AS p ON p.id = m.person_id
"""


class Origin(Struct, frozen=True):
    """The place of a file in the order of changes, and the district's key where there is one."""

    seq: int
    hub_key: bytes | None


class Content(Struct, frozen=True):
    """One file's hash."""

    sha256: bytes


class HandedIn(Struct, frozen=True):
    """Whose file it is, and for what."""

    file_name: str
    person_name: str
    task_title: str


class Work(Struct, frozen=True):
    """One hand-in as it is read."""

    body: str
    content_hash: bytes
    person_name: str
    task_title: str


def origin(db: Reader) -> Origin:
    """Where a file stands; before a school is claimed, nowhere."""
    return db.row(Origin, SEQ_AND_HUB) or Origin(0, None)


def named_files(db: Reader) -> list[bytes]:
    """The files of hand-ins that rows name."""
    return [each.sha256 for each in db.rows(Content, NAMED_FILES)]


def whose_file(db: Reader, sha256: bytes) -> HandedIn | None:
    """The first hand-in that names a file."""
    return db.row(HandedIn, WHOSE_FILE, (sha256,))


def journey(db: Reader, school_id: UUID) -> str:
    """Read as people would: the school, a class, a lesson, a hand-in. Raises BackupNotVerified."""
    me, known = identity(db), school(db)
    if me is None or known is None or me.school_id != school_id:
        raise BackupNotVerified("what was restored does not say which school it is")
    if db.value(SECTIONS) and db.value(FIRST_SECTION) is None:
        raise BackupNotVerified("no lesson can be read in what was restored")
    work = db.row(Work, NEWEST_WORK)
    if work is None and db.value(WORKS):
        raise BackupNotVerified("no hand-in can be read in what was restored")
    if work is not None and _is_hashed(work) and not _is_whole(work):
        raise BackupNotVerified("the newest hand-in in what was restored has other words")
    return f"{known.name}: {db.value(MEMBERS)!r} in classes, {db.value(WORKS)!r} hand-ins read back"


def _is_hashed(work: Work) -> bool:
    return any(work.content_hash)


def _is_whole(work: Work) -> bool:
    return hashlib.sha256(work.body.encode()).digest() == work.content_hash
