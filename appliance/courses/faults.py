"""What can be wrong with a course that somebody brings."""

from appliance.errors import Invalid


class EmptyCourse(Invalid):
    """There is nothing to read in the folder."""

    code = "empty-course"
    title = "This folder has no lessons"
    hint = "Put at least one Markdown file (name.md) with text into the folder."
