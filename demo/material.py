"""What a demo school is made of: names for its roster and a course to read.

Real material is read from DARASA_TEST_DATA, or from ../shared/data beside this project,
where there is any; else from the small sample school in demo/sample, our own words.
Nothing of the real material is copied.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

PROJECT: Final = Path(__file__).parent.parent
SAMPLE: Final = PROJECT / "demo" / "sample"
REAL_DATA: Final = PROJECT.parent / "shared" / "data"
DATA_VARIABLE: Final = "DARASA_TEST_DATA"
STUDENTS: Final = Path("roster", "microsoft-sds", "SDS Format", "100 Users", "Student.csv")
REAL_COURSES: Final = (
    Path("content", "carpentries-python"),
    Path("content", "african-storybook", "en"),
)
COURSE_SUFFIXES: Final = frozenset({".md", ".yaml", ".yml"})


class Material(Struct, frozen=True, kw_only=True):
    """What one school starts with."""

    school_name: str
    names: list[str]
    course_title: str
    course: dict[str, str]
    source: str


def find_material(environ: Mapping[str, str], *, pupils: int) -> list[Material]:
    """Return material for two schools of `pupils` each: the real one where it is there."""
    data = Path(environ.get(DATA_VARIABLE) or REAL_DATA)
    if (data / STUDENTS).is_file() and all((data / course).is_dir() for course in REAL_COURSES):
        return _real(data, pupils)
    return sample_material(pupils)


def _real(data: Path, pupils: int) -> list[Material]:
    """Two schools; the roster's second one is small and is filled up from the first."""
    by_school: dict[str, list[str]] = {}
    with (data / STUDENTS).open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            name = f"{row['First Name']} {row['Last Name']}"
            by_school.setdefault(row["School SIS ID"], []).append(name)
    first, second = list(by_school.values())[:2]
    rosters = [first[:pupils], (second + first[pupils:])[:pupils]]
    titles = ("Programming with Python", "Stories to read")
    return [
        Material(
            school_name=school_name,
            names=names,
            course_title=title,
            course=read_course(data / course),
            source=str(data),
        )
        for school_name, names, course, title in zip(
            ("Umoja Secondary School", "Ziwani Secondary School"),
            rosters,
            REAL_COURSES,
            titles,
            strict=True,
        )
    ]


def sample_material(pupils: int) -> list[Material]:
    """Return what the project brings itself."""
    return [
        Material(
            school_name=school_name,
            names=(SAMPLE / roster).read_text(encoding="utf-8").splitlines()[:pupils],
            course_title="Water, from the cloud to the cup",
            course=read_course(SAMPLE / "course"),
            source="the sample school in demo/sample",
        )
        for school_name, roster in (
            ("Umoja Primary School", "school-1.txt"),
            ("Ziwani Primary School", "school-2.txt"),
        )
    ]


def read_course(folder: Path) -> dict[str, str]:
    """Read a folder of Markdown as path -> text."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in COURSE_SUFFIXES
    }
