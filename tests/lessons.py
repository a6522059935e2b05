"""A small course about rain, as a folder, and a box whose classes read it."""

from msgspec import Struct

from appliance.courses.commands import import_course
from appliance.courses.folder import read_folder
from appliance.courses.queries import course_outline
from appliance.database.writer import Writer
from appliance.enrolments.commands import start_run
from appliance.enrolments.models import NewRun
from appliance.enrolments.queries import own_enrolment
from tests.cast import NOW_MS

RAIN = {
    "config.yaml": b"title: Rain\nlang: en\nlessons:\n- measuring.md\n- clouds.md\n",
    "index.md": b"# Rain\n\nWelcome. Start with [measuring](lessons/measuring.md#gauge).\n",
    "lessons/clouds.md": b"# Clouds\n\nClouds are water.\n\n## Shapes\n\nSheep and towers.\n",
    "lessons/measuring.md": (
        b"# Measuring rain\n\n## A gauge\n\nCut a bottle.\n\n"
        b"## Every day\n\nWrite it down at eight.\n\n## A year\n\nAdd it up.\n"
    ),
}


class Reading(Struct, frozen=True, kw_only=True):
    """East reads about rain; ids in reading order."""

    course_id: object
    course_version_id: object
    run_id: object
    lessons: list
    sections: list
    amina: object  # Amina's enrolment
    jose: object


def reads_rain(writer: Writer, school, files=None):
    """Import the course and give it to East."""
    course = read_folder(files or RAIN, name="", language="en")
    report = writer.write_blocking(import_course, school.school_id, course, now_ms=NOW_MS)
    wanted = NewRun(class_group_id=school.east, course_version_id=report.course_version_id)
    run = writer.write_blocking(
        start_run, school.school_id, school.mr_otieno, wanted, now_ms=NOW_MS
    )

    def look(tx):
        lessons = [
            lesson
            for module in course_outline(tx, report.course_id).modules
            for lesson in module.lessons
        ]
        return Reading(
            course_id=report.course_id,
            course_version_id=report.course_version_id,
            run_id=run.id,
            lessons=[lesson.id for lesson in lessons],
            sections=[section.id for lesson in lessons for section in lesson.sections],
            amina=own_enrolment(tx, run.id, school.amina),
            jose=own_enrolment(tx, run.id, school.jose),
        )

    return writer.write_blocking(look)
