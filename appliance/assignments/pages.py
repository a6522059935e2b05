"""The form in which a teacher writes a task, new or again."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Meta, Struct

from appliance.access.models import Actor
from appliance.assignments.commands import change_task, create_task
from appliance.assignments.faults import ChangedSince
from appliance.assignments.models import NewTask, Task, TaskChange, TaskRun
from appliance.assignments.queries import run_taught, task_taught
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.errors import FieldError, Invalid
from appliance.ids import uuid7
from appliance.problems import field_error

FORM: Final = "assignments/templates/task_form.html"
TYPED_LENGTH_MAX: Final = 40_000  # twice the longest instructions, as a form counts line ends twice
Typed = Annotated[str, Meta(max_length=TYPED_LENGTH_MAX)]
ShortTyped = Annotated[str, Meta(max_length=1_000)]


class TaskForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The form as typed; what cannot be read is shown again beside its reason."""

    id: UUID
    version: int = 1
    title: ShortTyped = ""
    instructions: Typed = ""
    due: ShortTyped = ""
    points: ShortTyped = ""
    attempts: ShortTyped = ""


@get("/teach/runs/{run_id:uuid}/tasks/new", sync_to_thread=False)
def new_task_page(
    run_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    clock: NamedDependency[Clock],
) -> Template:
    """Show the empty form, with the id that makes sending it twice harmless."""
    run = run_taught(readers.here, run_id, actor.person_id)
    return _page(TaskForm(id=uuid7(clock()), points="10", attempts="1"), run)


@post("/teach/runs/{run_id:uuid}/tasks/new", status_code=303)
async def give_task(
    run_id: FromPath[UUID],
    data: URLEncodedBody[TaskForm],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Redirect | Template:
    """Give the class the task and show its collect board."""
    run = run_taught(readers.here, run_id, actor.person_id)
    try:
        new = msgspec.convert(_read(data) | {"course_run_id": run_id, "id": data.id}, NewTask)
    except (Invalid, msgspec.ValidationError) as refused:
        return _page(data, run, refused)
    await writer.write(create_task, actor.person_id, new, task_id=data.id, now_ms=clock())
    return Redirect(f"/teach/tasks/{data.id}", status_code=303)


@get("/teach/tasks/{assessment_id:uuid}/edit", sync_to_thread=False)
def edit_task_page(
    assessment_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
) -> Template:
    """Show the task as it stands."""
    task = task_taught(readers.here, assessment_id, actor.person_id)
    run = run_taught(readers.here, task.course_run_id, actor.person_id)
    return _page(_typed(task), run, task=task)


@post("/teach/tasks/{assessment_id:uuid}/edit", status_code=303)
async def edit_task(
    assessment_id: FromPath[UUID],
    data: URLEncodedBody[TaskForm],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Redirect | Template:
    """Keep the change; whoever was second sees what the first one wrote."""
    task = task_taught(readers.here, assessment_id, actor.person_id)
    try:
        change = msgspec.convert(_read(data), TaskChange)
        await writer.write(
            change_task, actor.person_id, task.id, change, version=data.version, now_ms=clock()
        )
    except (Invalid, ChangedSince, msgspec.ValidationError) as refused:
        run = run_taught(readers.here, task.course_run_id, actor.person_id)
        return _page(data, run, refused, task=task)
    return Redirect(f"/teach/tasks/{task.id}", status_code=303)


def _page(
    form: TaskForm,
    run: TaskRun,
    refused: Invalid | ChangedSince | msgspec.ValidationError | None = None,
    *,
    task: Task | None = None,
) -> Template:
    errors = {}
    if isinstance(refused, Invalid):
        errors = {error.field: error.message for error in refused.errors}
    elif isinstance(refused, msgspec.ValidationError):
        wrong = field_error(str(refused))
        errors = {FIELD_NAMES.get(wrong.field, wrong.field): _plain(wrong)}
    status = 200 if refused is None else getattr(refused, "status", 400)
    is_stale = isinstance(refused, ChangedSince)
    context = {"form": form, "run": run, "task": task, "errors": errors, "is_stale": is_stale}
    return Template(FORM, context=context, status_code=status)


FIELD_NAMES: Final = {
    "points_max_mp": "points",
    "attempts_max": "attempts",
    "due_at_ms": "due",
}
PLAIN_WORDS: Final = {
    "title": "Write a title of at most 300 letters.",
    "instructions": "Write at most 20,000 letters.",
    "points_max_mp": "Give a number from 0 to 1000, such as 10.",
    "attempts_max": "Give a whole number from 1 to 100.",
    "due_at_ms": "Choose a day and a time.",
}


def _plain(wrong: FieldError) -> str:
    return PLAIN_WORDS.get(wrong.field, wrong.message)


def _read(form: TaskForm) -> dict[str, Any]:
    """Read what was typed into the fields of a task. Raises Invalid with every field at fault."""
    read: dict[str, Any] = {
        "title": form.title.strip(),
        "instructions": form.instructions.replace("\r\n", "\n"),
        "due_at_ms": _instant_ms(form.due),
        "points_max_mp": _points_mp(form.points),
        "attempts_max": int(form.attempts) if form.attempts.isdecimal() else None,
    }
    unread = [name for name in ("points_max_mp", "attempts_max") if read[name] is None]
    unread += ["due_at_ms"] if form.due and read["due_at_ms"] is None else []
    if unread:
        errors = [FieldError(FIELD_NAMES[name], PLAIN_WORDS[name]) for name in unread]
        raise Invalid("the form has fields that could not be read", errors)
    return read


def _points_mp(text: str) -> int | None:
    try:
        points = Decimal(text.strip().replace(",", ".")) * 1000
        return int(points) if points == points.to_integral_value() else None
    except ArithmeticError:
        return None


def _instant_ms(text: str) -> int | None:
    """Read the value of a datetime-local field in the box's own time zone."""
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None


def _typed(task: Task) -> TaskForm:
    due = ""
    if task.due_at_ms is not None:
        local = datetime.fromtimestamp(task.due_at_ms / 1000).astimezone()
        due = f"{local:%Y-%m-%dT%H:%M}"
    return TaskForm(
        id=task.id,
        version=task.version,
        title=task.title,
        instructions=task.instructions,
        due=due,
        points=f"{Decimal(task.points_max_mp) / 1000:f}",
        attempts=str(task.attempts_max),
    )


ROUTES: Final = (new_task_page, give_task, edit_task_page, edit_task)
