"""A folder of Markdown on this machine, for the box keeper at the console."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from appliance.archives import read_zip
from appliance.courses.commands import import_course
from appliance.courses.faults import EmptyCourse
from appliance.courses.folder import Course, read_folder
from appliance.courses.models import ImportReport
from appliance.courses.uploads import FILES_MAX, UNPACKED_BYTES_MAX
from appliance.database.writer import Writer
from appliance.errors import TooLarge
from appliance.room import require_room_for_course


def course_on_disk(path: Path, *, language: str) -> Course:
    """Read a folder or a zip file. Raises EmptyCourse, Invalid, TooLarge."""
    files = _files_of_zip(path) if path.is_file() else _files_below(path)
    return read_folder(files, name="", language=language)


def import_from_disk(
    database: Path, school_id: UUID, course: Course, *, now_ms: int
) -> ImportReport:
    """Keep `course` through a writer of this process's own. Raises NoRoomForCourses."""
    require_room_for_course(database.parent, course.size_bytes)
    writer = Writer(database)
    writer.start()
    try:
        return writer.write_blocking(import_course, school_id, course, now_ms=now_ms)
    finally:
        writer.stop()


def report_lines(report: ImportReport) -> Iterator[str]:
    """Say on a console what an import did or would do."""
    for item in report.left_out:
        yield f"left out: {item.path}: {item.reason}"
    counts = f"{report.modules} modules, {report.lessons} lessons, {report.sections} sections"
    would = "would be " if report.is_dry_run else ""
    yield f"{report.title}: {counts}; {would}{report.outcome}, version {report.number}"


def _files_of_zip(path: Path) -> dict[str, bytes]:
    if path.stat().st_size > UNPACKED_BYTES_MAX:
        raise TooLarge(f"{path} is larger than {UNPACKED_BYTES_MAX} bytes")
    return read_zip(path.read_bytes(), files_max=FILES_MAX, bytes_max=UNPACKED_BYTES_MAX)


def _files_below(folder: Path) -> dict[str, bytes]:
    """Read regular files only: a link could lead to what is not the course's."""
    if not folder.is_dir():
        raise EmptyCourse(f"{folder} is neither a folder nor a zip file")
    folder = folder.absolute()
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    if len(found) > FILES_MAX:
        raise TooLarge(f"{folder} holds {len(found)} files; {FILES_MAX} are allowed")
    size = sum(path.stat().st_size for path in found)
    if size > UNPACKED_BYTES_MAX:
        raise TooLarge(f"{folder} holds {size} bytes; {UNPACKED_BYTES_MAX} are allowed")
    # Named from above the folder, as in a zip of it, so that both give the same course.
    return {path.relative_to(folder.parent).as_posix(): path.read_bytes() for path in found}
