"""The school as OneRoster 1.1 files: what other systems read, and what we read back.

Ids are the register's own where it gave any, else ours. One column of ours,
`metadata.displayName`, keeps names that are not "given family".
"""

import csv
import zipfile
from collections.abc import Iterable, Sequence
from io import BytesIO, StringIO
from typing import Final

from appliance.accounts.queries import School
from appliance.classes.roster_known import Known, KnownPerson

VERSION: Final = "1.1"
STAMP: Final = (2020, 1, 1, 0, 0, 0)  # the same school gives the same bytes
ABSENT: Final = (
    "academicSessions", "categories", "classResources", "courses", "courseResources",
    "demographics", "lineItems", "resources", "results",
)  # fmt: skip
PRESENT: Final = ("orgs", "users", "classes", "enrollments")

Rows = Iterable[Sequence[str]]


def oneroster_zip(school: School, known: Known) -> bytes:
    """Pack the files."""
    files = {
        "manifest.csv": _manifest(),
        "orgs.csv": _orgs(school),
        "users.csv": _users(school, known),
        "classes.csv": _classes(school, known),
        "enrollments.csv": _enrollments(school, known),
    }
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in files.items():
            archive.writestr(zipfile.ZipInfo(name, STAMP), _csv(rows), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _manifest() -> Rows:
    yield "propertyName", "value"
    yield "manifest.version", "1.0"
    yield "oneroster.version", VERSION
    yield from ((f"file.{name}", "absent") for name in ABSENT)
    yield from ((f"file.{name}", "bulk") for name in PRESENT)
    yield "source.systemName", "Darasa"
    yield "source.systemCode", "darasa"


def _orgs(school: School) -> Rows:
    yield "sourcedId", "status", "dateLastModified", "name", "type", "identifier", "parentSourcedId"
    yield str(school.id), "", "", school.name, "school", "", ""


def _users(school: School, known: Known) -> Rows:
    yield (
        "sourcedId", "status", "dateLastModified", "enabledUser", "orgSourcedIds", "role",
        "username", "userIds", "givenName", "familyName", "middleName", "identifier", "email",
        "sms", "phone", "agentSourcedIds", "grades", "password", "metadata.displayName",
    )  # fmt: skip
    for person in known.people.values():
        given, family = person.given_name or person.display_name, person.family_name or ""
        yield (
            person_key(person), "", "", "true", str(school.id), _role(person), "", "", given,
            family, "", person.student_no or "", "", "", "", "", person.grade_level or "", "",
            person.display_name,
        )  # fmt: skip


def _classes(school: School, known: Known) -> Rows:
    yield (
        "sourcedId", "status", "dateLastModified", "title", "grades", "courseSourcedId",
        "classCode", "classType", "location", "schoolSourcedId", "termSourcedIds", "subjects",
        "subjectCodes", "periods",
    )  # fmt: skip
    for group in known.classes.values():
        yield (
            group.source_id or str(group.id), "", "", group.name, group.grade_level or "", "", "",
            "homeroom", "", str(school.id), "", "", "", "",
        )  # fmt: skip


def _enrollments(school: School, known: Known) -> Rows:
    yield (
        "sourcedId", "status", "dateLastModified", "classSourcedId", "schoolSourcedId",
        "userSourcedId", "role", "primary", "beginDate", "endDate",
    )  # fmt: skip
    places = [(place, "student") for place in known.learners]
    places += [(place, "teacher") for place in known.teachers]
    for place, role in sorted(places, key=lambda each: (each[0].class_group_id, each[0].person_id)):
        person, group = known.people.get(place.person_id), known.classes[place.class_group_id]
        if person is None:
            continue  # a place of somebody who was deleted
        class_key = group.source_id or str(group.id)
        yield (
            f"{class_key}-{person_key(person)}-{role}", "", "", class_key, str(school.id),
            person_key(person), role, "", "", "",
        )  # fmt: skip


def person_key(person: KnownPerson) -> str:
    """The register's id, else ours."""
    return person.source_id or str(person.id)


def _role(person: KnownPerson) -> str:
    roles = person.role_set
    if "teacher" in roles:
        return "teacher"
    return "student" if "learner" in roles else "administrator"


def _csv(rows: Rows) -> str:
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
