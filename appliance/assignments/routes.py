"""Tasks as JSON."""

import re
from typing import Annotated, Final
from uuid import UUID

from litestar import Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody

from appliance.access.models import Actor
from appliance.assignments.commands import change_task, create_task
from appliance.assignments.faults import VersionNeeded
from appliance.assignments.models import NewTask, Task, TaskChange
from appliance.assignments.queries import task_for
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.ids import uuid7

VERSION_TAG: Final = re.compile(r'^(?:W/)?"?(?P<version>[1-9][0-9]{0,17})"?$')
IfMatch = Annotated[str | None, HeaderParameter(name="If-Match")]


@post("/api/v1/assessments", status_code=201)
async def post_assessment(
    data: JSONBody[NewTask],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Response[Task]:
    """Give a class a task. Safe to repeat with the same `id`."""
    now_ms = clock()
    task_id = data.id or uuid7(now_ms)
    task = await writer.write(create_task, actor.person_id, data, task_id=task_id, now_ms=now_ms)
    return _tagged(task, 201)


@get("/api/v1/assessments/{assessment_id:uuid}", sync_to_thread=False)
def get_assessment(
    assessment_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
) -> Response[Task]:
    """One task, for its class and its teachers."""
    return _tagged(task_for(readers.here, assessment_id, actor), 200)


@patch("/api/v1/assessments/{assessment_id:uuid}")
async def patch_assessment(
    assessment_id: FromPath[UUID],
    data: JSONBody[TaskChange],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
    if_match: IfMatch = None,
) -> Response[Task]:
    """Change a task; `If-Match` carries the version the change was made from."""
    version = _version(if_match)
    task = await writer.write(
        change_task, actor.person_id, assessment_id, data, version=version, now_ms=clock()
    )
    return _tagged(task, 200)


def _version(if_match: str | None) -> int:
    tag = VERSION_TAG.match(if_match or "")
    if tag is None:
        raise VersionNeeded(f"If-Match is {if_match or 'missing'}")
    return int(tag["version"])


def _tagged(task: Task, status: int) -> Response[Task]:
    return Response(task, status_code=status, headers={"etag": f'"{task.version}"'})


ROUTES: Final = (post_assessment, get_assessment, patch_assessment)
