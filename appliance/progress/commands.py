"""Keeping what phones report. The box's busiest write: one statement a fact.

The projection section_progress is kept by a trigger (sync/projections.py): a maximum, so a
late or repeated report never undoes reading.
"""

from collections.abc import Sequence
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.clock import TOLD
from appliance.database.transaction import Transaction
from appliance.errors import Conflict, NotFound
from appliance.progress.models import ProgressFact

OWNS: Final = ("progress_fact", "section_progress")

# The joins are the permission: the enrolment is this person's, and the section stands in
# the course it is for. A pupil who has left the class is still believed: the fact may have
# waited on a phone for weeks.
KEEP_FACT: Final[LiteralString] = """
INSERT INTO progress_fact (id, enrolment_id, section_id, person_id, percent, at_ms, clock_quality)
SELECT ?1, e.id, s.id, e.person_id, ?5, ?6, ?7
  FROM enrolment AS e
  JOIN course_run AS r
    ON r.id = e.course_run_id
  JOIN section AS s
    ON s.id = ?4
  JOIN lesson AS l
    ON l.id = s.lesson_id
  JOIN module AS m
    ON m.id = l.module_id
   AND m.course_version_id = r.course_version_id
 WHERE e.id = ?3
   AND e.person_id = ?2
    ON CONFLICT (id) DO NOTHING
"""

FACT: Final[LiteralString] = """
SELECT enrolment_id, section_id, person_id, percent, at_ms
  FROM progress_fact
 WHERE id = ?1
"""


class KeptFact(Struct, frozen=True):
    """A fact as it is stored."""

    enrolment_id: UUID
    section_id: UUID
    person_id: UUID
    percent: int
    at_ms: int


def keep_facts(tx: Transaction, person_id: UUID, facts: Sequence[ProgressFact]) -> None:
    """Keep all of `facts`, or none. Sending them again changes nothing.

    Raises NotFound for an enrolment that is not this person's or a section that is not in
    its course; Conflict for an id that already stands for something else.
    """
    for fact in facts:
        what = (fact.enrolment_id, fact.section_id, fact.percent, fact.at_ms)
        if tx.run(KEEP_FACT, (fact.id, person_id, *what, TOLD)) == 0:
            _require_same(tx, person_id, fact)


def _require_same(tx: Transaction, person_id: UUID, fact: ProgressFact) -> None:
    kept = tx.row(KeptFact, FACT, (fact.id,))
    if kept is None or kept.person_id != person_id:
        raise NotFound(f"enrolment {fact.enrolment_id} with section {fact.section_id}")
    sent = KeptFact(fact.enrolment_id, fact.section_id, person_id, fact.percent, fact.at_ms)
    if kept != sent:
        raise Conflict(f"progress fact {fact.id} was sent before with other content")
