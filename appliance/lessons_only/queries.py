"""Lessons, read from whichever file still has them."""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.backups.nightly import nightly_copies
from appliance.database.damaged import DamagedFile
from appliance.settings import Settings

LESSONS: Final[LiteralString] = """
SELECT l.id, l.title, m.title AS module_title, c.title AS course_title
  FROM lesson         AS l
  JOIN module         AS m ON m.id = l.module_id
  JOIN course_version AS v ON v.id = m.course_version_id
  JOIN course         AS c ON c.id = v.course_id
 WHERE v.state = 'published'
   AND l.deleted_at_ms IS NULL
   AND m.deleted_at_ms IS NULL
   AND c.deleted_at_ms IS NULL
 ORDER BY c.title, m.rank, l.rank
"""

SECTIONS: Final[LiteralString] = """
SELECT title, body
  FROM section
 WHERE lesson_id     = ?1
   AND deleted_at_ms IS NULL
 ORDER BY rank
"""


class LessonLine(Struct, frozen=True):
    """A lesson and where it belongs."""

    id: UUID
    title: str
    module_title: str
    course_title: str


class SectionText(Struct, frozen=True):
    """One part of a lesson."""

    title: str
    body: str


class Shelf:
    """Asks the damaged file first, then the copies on the card, the newest first."""

    def __init__(self, settings: Settings) -> None:
        files = [settings.database, *nightly_copies(settings.backups)]
        self._files: Final = [DamagedFile(path) for path in files if path.exists()]

    def lessons(self) -> list[LessonLine]:
        """Every published lesson of the first file that can say."""
        return next(filter(None, (file.rows(LessonLine, LESSONS) for file in self._files)), [])

    def sections(self, lesson_id: UUID) -> list[SectionText]:
        """The text of a lesson."""
        found = (file.rows(SectionText, SECTIONS, (lesson_id.bytes,)) for file in self._files)
        return next(filter(None, found), [])
