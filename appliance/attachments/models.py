"""Files of a hand-in at the border."""

from typing import Literal
from uuid import UUID

from msgspec import Struct

FileLevel = Literal["box", "district"]


class Attachment(Struct, frozen=True):
    """A file as its pupil and teacher see it. `custody_level` speaks of row and content both."""

    id: UUID
    submission_revision_id: UUID
    name: str
    mime: str
    size_bytes: int
    saved_at_ms: int
    custody_level: FileLevel
