"""What a repair may have lost, as a teacher calls it; which rows, its report says."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from appliance.database.salvage import TableLoss

CALLED: Final = {  # in the order of how much somebody would miss it
    "submission": "hand-ins",
    "submission_revision": "hand-ins",
    "grade": "marks",
    "attachment": "files of hand-ins",
    "submission_draft": "work that was not handed in yet",
    "progress_fact": "how far pupils have read",
    "section_progress": "how far pupils have read",
    "assessment": "tasks",
    "course": "courses and lessons",
    "course_version": "courses and lessons",
    "module": "courses and lessons",
    "lesson": "courses and lessons",
    "section": "courses and lessons",
    "course_run": "who takes which course",
    "enrolment": "who takes which course",
    "class_group": "classes and who is in them",
    "class_member": "classes and who is in them",
    "person": "names of people",
    "role_assignment": "who is a teacher",
    "org_unit": "the name of the school",
    "credential": "PINs and passwords",
    "announcement": "announcements",
    "sync_conflict": "second versions that were kept",
    "setting": "settings of the district",
    "proposal": "requests to the district",
    "proposal_decision": "requests to the district",
    "command": "orders of the district",
    "command_result": "orders of the district",
    "erasure": "who is to be forgotten",
    "erasure_answer": "who is to be forgotten",
    "sync_parked": "what the district has sent for a later release",
}
# The box's own notes: they are made anew, and nobody in the school would miss one.
NOT_MISSED: Final = frozenset(
    {"session", "job_run", "health_sample", "hub_enrolment", "conflict_look", "schema_migration"}
    | {"sync_identity", "sync_stream", "sync_dirty", "sync_chain", "sync_segment", "sync_custody"}
    | {"sync_exception", "sync_blob", "sync_scope", "sync_seen", "sync_budget", "sync_pruned"}
    | {"sync_forgotten", "sync_check"}
)
LATER: Final = "something of a later release"

LAST_MINUTES: Final = "the last minutes before the box stopped"
SINCE_COPY: Final = "what was written after the copy that took its place"


def what_is_gone(losses: Sequence[TableLoss]) -> list[str]:
    """What is missing or may be, `hand-ins (3)` where anything names it, the worst loss first."""
    counted: Counter[str] = Counter()
    for loss in losses:
        if loss.table not in NOT_MISSED and (loss.missing or loss.may_miss_more):
            counted[CALLED.get(loss.table, LATER)] += len(loss.missing)
    known = [words for words in dict.fromkeys((*CALLED.values(), LATER)) if words in counted]
    return [f"{words} ({counted[words]})" if counted[words] else words for words in known]
