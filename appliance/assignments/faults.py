"""What can go wrong with a task.

Conflict: TaskIdTaken      the id belongs to a task with other content
          ChangedSince     somebody edited the task first
Invalid:  VersionNeeded    the edit does not say which version it was made from
"""

from uuid import UUID

from appliance.errors import Conflict, Invalid


class TaskIdTaken(Conflict):
    """The same id was sent before with other content, or the task was edited since."""

    code = "task-id-taken"
    hint = "Load the task and edit that one, or send this one under a new id."

    def __init__(self, task_id: UUID) -> None:
        super().__init__(f"task {task_id} exists with other content")


class ChangedSince(Conflict):
    """The edit was made from an older version; nothing was overwritten."""

    code = "changed-since"
    status = 412

    def __init__(self, task_id: UUID, *, version: int) -> None:
        super().__init__(f"task {task_id} is at version {version} by now")
        self.version = version


class VersionNeeded(Invalid):
    """An edit without If-Match could overwrite what somebody else just wrote."""

    code = "version-needed"
    hint = 'Send the version the edit was made from as If-Match, such as "3".'
