"""Making and changing tasks."""

from typing import Final, LiteralString
from uuid import UUID

import msgspec
from msgspec import UNSET

from appliance.assignments.faults import ChangedSince, TaskIdTaken
from appliance.assignments.models import NewTask, Task, TaskChange
from appliance.assignments.queries import run_taught, task_of_school, task_taught
from appliance.database.transaction import Transaction

OWNS: Final = ("assessment",)

TASK_EXISTS: Final[LiteralString] = """
SELECT 1
  FROM assessment
 WHERE id = ?1
"""

ADD_TASK: Final[LiteralString] = """
INSERT INTO assessment (id, course_run_id, kind, title, instructions, due_at_ms, points_max_mp,
                        attempts_max, version, updated_at_ms)
VALUES (?1, ?2, 'assignment', ?3, ?4, ?5, ?6, ?7, 1, ?8)
"""

CHANGE_TASK: Final[LiteralString] = """
UPDATE assessment
   SET title         = ?2,
       instructions  = ?3,
       due_at_ms     = ?4,
       points_max_mp = ?5,
       attempts_max  = ?6,
       version       = version + 1,
       updated_at_ms = ?7
 WHERE id = ?1
"""


def create_task(
    tx: Transaction, person_id: UUID, new: NewTask, *, task_id: UUID, now_ms: int
) -> Task:
    """Give the class of a run a task. Sending the same task again changes nothing.

    Raises NotFound unless this person teaches the class, TaskIdTaken when the id already
    has other content.
    """
    run_taught(tx, new.course_run_id, person_id)
    if tx.value(TASK_EXISTS, (task_id,)) is not None:
        return _task_sent_again(tx, person_id, new, task_id)
    tx.run(ADD_TASK, (task_id, new.course_run_id, *_content(new), now_ms))
    return task_taught(tx, task_id, person_id)


def change_task(
    tx: Transaction,
    person_id: UUID,
    task_id: UUID,
    change: TaskChange,
    *,
    version: int,
    now_ms: int,
) -> Task:
    """Change a task if it still is the version the teacher looked at.

    Raises ChangedSince, also when another teacher made the very same change.
    """
    task = task_taught(tx, task_id, person_id)
    if task.version != version:
        raise ChangedSince(task_id, version=task.version)
    changed = _with(task, change)
    if changed == task:
        return task
    tx.run(CHANGE_TASK, (task_id, *_content(changed), now_ms))
    return task_taught(tx, task_id, person_id)


def set_due_date(tx: Transaction, task_id: UUID, due_at_ms: int | None, *, now_ms: int) -> None:
    """Say when a task of the school is due, whoever teaches it. Raises NotFound."""
    task = task_of_school(tx, task_id)
    if task.due_at_ms != due_at_ms:
        changed = msgspec.structs.replace(task, due_at_ms=due_at_ms)
        tx.run(CHANGE_TASK, (task_id, *_content(changed), now_ms))


def _task_sent_again(tx: Transaction, person_id: UUID, new: NewTask, task_id: UUID) -> Task:
    task = task_taught(tx, task_id, person_id)
    if task.course_run_id != new.course_run_id or _content(task) != _content(new):
        raise TaskIdTaken(task_id)
    return task


def _with(task: Task, change: TaskChange) -> Task:
    named = {
        name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET
    }
    return msgspec.structs.replace(task, **named)


def _content(task: Task | NewTask) -> tuple[str, str, int | None, int, int]:
    return (
        task.title,
        task.instructions,
        task.due_at_ms,
        task.points_max_mp,
        task.attempts_max,
    )
