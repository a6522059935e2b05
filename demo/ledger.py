"""What the phones were promised, written down on the phones' side.

The drills and the demo believe this and nothing else: a row of it that the box or the
hub cannot show afterwards is lost work, whatever a status page says.
"""

import hashlib
import unicodedata
from uuid import UUID

from msgspec import Struct, field


class HandIn(Struct, frozen=True):
    """An acknowledged hand-in, as its receipt named it."""

    revision_id: UUID
    assessment_id: UUID
    person_id: UUID
    content_hash: bytes
    code: str


class Fact(Struct, frozen=True):
    """An acknowledged progress fact."""

    id: UUID
    enrolment_id: UUID
    section_id: UUID
    percent: int


class Draft(Struct, frozen=True):
    """The newest acknowledged autosave of one revision."""

    revision_id: UUID
    person_id: UUID
    edit_no: int
    body: str


class Mark(Struct, frozen=True):
    """An acknowledged act of marking."""

    id: UUID
    submission_id: UUID
    points_mp: int


class Ledger(Struct):
    """Acknowledgements by id, and what was sent at all: answered or not."""

    hand_ins: dict[UUID, HandIn] = field(default_factory=dict)
    facts: dict[UUID, Fact] = field(default_factory=dict)
    drafts: dict[UUID, Draft] = field(default_factory=dict)
    marks: dict[UUID, Mark] = field(default_factory=dict)
    sent_revisions: set[UUID] = field(default_factory=set)
    sent_facts: set[UUID] = field(default_factory=set)
    sent_marks: set[UUID] = field(default_factory=set)

    @property
    def acknowledged(self) -> int:
        """How many promises were made."""
        return len(self.hand_ins) + len(self.facts) + len(self.drafts) + len(self.marks)


def content_hash(body: str) -> bytes:
    """Return the hash a receipt must carry for `body`, computed on our side."""
    return hashlib.sha256(unicodedata.normalize("NFC", body).encode()).digest()
