"""Making a school from nothing, over the same addresses a keeper and a teacher use."""

import secrets
from pathlib import Path
from typing import Final
from uuid import UUID

from msgspec import Struct

from appliance.accounts.models import Claimed, NamedPerson, NewPin
from appliance.assignments.models import Task
from appliance.classes.models import ClassGroup
from appliance.clock import system_clock
from appliance.courses.models import ImportReport
from appliance.enrolments.models import Run
from appliance.ids import uuid7
from demo.material import Material
from demo.phone import Phone

LESSON_DAY_MS: Final = 6 * 3_600_000
POINTS_MAX_MP: Final = 20_000


class Staff(Struct, frozen=True):
    """Somebody who signs in with a password. Drawn by chance: no secret is ever shipped."""

    name: str
    sign_in_name: str
    password: str


class Pupil(Struct, frozen=True):
    """A pupil with the PIN from the printed card."""

    person_id: UUID
    name: str
    pin: str


class School(Struct, frozen=True, kw_only=True):
    """A school that is ready for its first lesson."""

    name: str
    port: int
    data_dir: Path
    school_id: UUID
    keeper: Staff
    teacher: Staff
    class_id: UUID
    run_id: UUID
    task_id: UUID
    sections: int
    pupils: list[Pupil]

    @property
    def database(self) -> Path:
        """The box's database file, for those who compare it afterwards."""
        return self.data_dir / "school.db"


def new_staff(name: str, sign_in_name: str) -> Staff:
    """Draw a password."""
    return Staff(name, sign_in_name, secrets.token_urlsafe(9))


async def open_school(material: Material, port: int, data_dir: Path) -> School:
    """Claim the box, fill it and set the first task."""
    keeper = new_staff("Grace Wambui", "grace")
    async with Phone(port) as phone:
        claimed = await claim(phone, material.school_name, data_dir, keeper)
        teacher = await add_teacher(phone, "Peter Otieno", "peter")
        group = await phone.post("/api/v1/classes", {"name": "Form 1"}, ClassGroup)
        await _let_teach(phone, group.id, teacher[1])
        await add_pupils(phone, material.names, group.id)
        pins = await phone.post(f"/api/v1/classes/{group.id}/pins", None, list[NewPin])
        course = await import_course(phone, material)
        run = await phone.post(
            "/api/v1/course-runs",
            {"class_group_id": group.id, "course_version_id": course.course_version_id},
            Run,
        )
        task = await set_task(phone, run.id)
    return School(
        name=material.school_name,
        port=port,
        data_dir=data_dir,
        school_id=claimed.school_id,
        keeper=keeper,
        teacher=teacher[0],
        class_id=group.id,
        run_id=run.id,
        task_id=task.id,
        sections=course.sections,
        pupils=[Pupil(new.person_id, new.display_name, new.pin) for new in pins],
    )


async def claim(phone: Phone, school_name: str, data_dir: Path, keeper: Staff) -> Claimed:
    """Type the code the console shows; the keeper is signed in afterwards."""
    body = {
        "code": (data_dir / "claim-code").read_text().strip(),
        "school_name": school_name,
        "admin_name": keeper.name,
        "sign_in_name": keeper.sign_in_name,
        "password": keeper.password,
    }
    claimed = await phone.post("/api/v1/claim", body, Claimed)
    await sign_in_staff(phone, keeper)
    return claimed


async def sign_in_staff(phone: Phone, staff: Staff) -> None:
    """Sign in by name and password."""
    body = {"sign_in_name": staff.sign_in_name, "password": staff.password}
    (await phone.send_patiently("POST", "/api/v1/sessions", body)).must(201)


async def add_teacher(phone: Phone, name: str, sign_in_name: str) -> tuple[Staff, UUID]:
    """Add a colleague who signs in by password."""
    staff = new_staff(name, sign_in_name)
    body = {
        "display_name": name,
        "roles": ["teacher"],
        "sign_in_name": sign_in_name,
        "password": staff.password,
    }
    person = await phone.post("/api/v1/people", body, NamedPerson)
    return staff, person.id


async def _let_teach(phone: Phone, class_id: UUID, person_id: UUID) -> None:
    answer = await phone.send_patiently(
        "POST", f"/api/v1/classes/{class_id}/teachers", {"person_id": person_id}
    )
    answer.must(204)


async def add_pupils(phone: Phone, names: list[str], class_id: UUID) -> None:
    """Paste the roster into the class, as a plain list."""
    body = {"text": "\n".join(names) + "\n", "class_group_id": class_id}
    (await phone.send_patiently("POST", "/api/v1/people/import", body)).must()


async def import_course(phone: Phone, material: Material) -> ImportReport:
    """Import the folder as JSON."""
    files = [{"path": path, "text": text} for path, text in material.course.items()]
    body = {"name": material.course_title, "files": files}
    return await phone.post("/api/v1/courses/import", body, ImportReport)


async def set_task(phone: Phone, run_id: UUID) -> Task:
    """Ask for something to be written and handed in today."""
    now_ms = system_clock()
    body = {
        "id": uuid7(now_ms),
        "course_run_id": run_id,
        "title": "What did you find out?",
        "instructions": "Write a few sentences about what you read today, and give reasons.",
        "due_at_ms": now_ms + LESSON_DAY_MS,
        "points_max_mp": POINTS_MAX_MP,
        "attempts_max": 2,
    }
    return await phone.post("/api/v1/assessments", body, Task)
