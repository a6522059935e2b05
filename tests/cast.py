"""The people of every test: who owns, who is on the team, who must see nothing."""

from uuid import UUID

from msgspec import Struct

from appliance.ids import uuid7

NOW_MS = 1_764_000_000_000  # a Monday in November 2025
HOUR_MS = 3_600_000


class School(Struct, frozen=True, kw_only=True):
    """Ids of one school with two classes; West must never see anything of East."""

    school_id: UUID
    east: UUID
    west: UUID
    east_run: UUID
    west_run: UUID
    mr_otieno: UUID
    ms_wanjiru: UUID
    amina: UUID
    jose: UUID
    noor: UUID
    anh: UUID
    baraka: UUID  # teaches West
    jomo: UUID  # learns in West
    keeper: UUID
    village: UUID  # a task of East, due in an hour, one attempt, ten points
    river: UUID  # a task of East without a due time, three attempts
    desert: UUID  # a task of West


def new_id() -> UUID:
    """An id as a phone would mint it."""
    return uuid7(NOW_MS)


def a_school(tx) -> School:
    """Write the school and everybody in it."""
    school = School(**{name: new_id() for name in School.__struct_fields__})
    tx.run(
        "INSERT INTO sync_identity (node_id, school_id, epoch) VALUES (?1, ?2, ?3)",
        (new_id(), school.school_id, new_id()),
    )
    tx.run(
        "INSERT INTO org_unit (id, kind, name, locale, version, updated_at_ms)"
        " VALUES (?1, 'school', 'Shule ya Mfano', 'en', 1, 0)",
        (school.school_id,),
    )
    _people(tx, school)
    _classes(tx, school)
    _tasks(tx, school)
    return school


def _people(tx, school):
    for person_id, name in (
        (school.mr_otieno, "Otieno wa Kamau"),
        (school.ms_wanjiru, "Wanjirũ Njeri"),
        (school.amina, "Amina Otieno"),
        (school.jose, "José Álvarez-Núñez"),
        (school.noor, "نور الهدى"),
        (school.anh, "Nguyễn Thị Ánh"),
        (school.baraka, "Baraka Mushi"),
        (school.jomo, "Jomo Þórsson"),
        (school.keeper, "Fatou Diop"),
    ):
        tx.run(
            "INSERT INTO person (id, org_id, display_name, locale, state, version, updated_at_ms)"
            " VALUES (?1, ?2, ?3, 'en', 'active', 1, 0)",
            (person_id, school.school_id, name),
        )
    org, group = "org", "class_group"
    for person_id, role, kind, scope in (
        (school.mr_otieno, "teacher", org, school.school_id),
        (school.mr_otieno, "teacher", group, school.east),
        (school.ms_wanjiru, "teacher", group, school.east),
        (school.baraka, "teacher", group, school.west),
        (school.keeper, "school_admin", org, school.school_id),
        (school.amina, "learner", org, school.school_id),
        (school.jose, "learner", org, school.school_id),
        (school.noor, "learner", org, school.school_id),
        (school.anh, "learner", org, school.school_id),
        (school.jomo, "learner", org, school.school_id),
    ):
        tx.run(
            "INSERT INTO role_assignment (id, person_id, role, scope_kind, scope_id, version,"
            " updated_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, 1, 0)",
            (new_id(), person_id, role, kind, scope),
        )


def _classes(tx, school):
    course, content = new_id(), new_id()
    tx.run(
        "INSERT INTO course (id, org_id, code, title, language, version, updated_at_ms)"
        " VALUES (?1, ?2, 'water', 'Water', 'en', 1, 0)",
        (course, school.school_id),
    )
    tx.run(
        "INSERT INTO course_version (id, course_id, number, state, content_hash, version,"
        " updated_at_ms) VALUES (?1, ?2, 1, 'published', zeroblob(32), 1, 0)",
        (content, course),
    )
    for class_id, run_id, name, pupils in (
        (
            school.east,
            school.east_run,
            "6 East",
            [school.amina, school.jose, school.noor, school.anh],
        ),
        (school.west, school.west_run, "6 West", [school.jomo]),
    ):
        tx.run(
            "INSERT INTO class_group (id, org_id, name, version, updated_at_ms)"
            " VALUES (?1, ?2, ?3, 1, 0)",
            (class_id, school.school_id, name),
        )
        tx.run(
            "INSERT INTO course_run (id, org_id, course_version_id, class_group_id, state, version,"
            " updated_at_ms) VALUES (?1, ?2, ?3, ?4, 'running', 1, 0)",
            (run_id, school.school_id, content, class_id),
        )
        for pupil in pupils:
            tx.run(
                "INSERT INTO class_member (id, class_group_id, person_id, version, updated_at_ms)"
                " VALUES (?1, ?2, ?3, 1, 0)",
                (new_id(), class_id, pupil),
            )
            tx.run(
                "INSERT INTO enrolment (id, course_run_id, person_id, state, version,"
                " updated_at_ms) VALUES (?1, ?2, ?3, 'active', 1, 0)",
                (new_id(), run_id, pupil),
            )


def _tasks(tx, school):
    for task_id, run_id, title, due, attempts in (
        (school.village, school.east_run, "My village", NOW_MS + HOUR_MS, 1),
        (school.river, school.east_run, "The river", None, 3),
        (school.desert, school.west_run, "The desert", NOW_MS + HOUR_MS, 1),
    ):
        tx.run(
            "INSERT INTO assessment (id, course_run_id, kind, title, instructions, due_at_ms,"
            " points_max_mp, attempts_max, version, updated_at_ms)"
            " VALUES (?1, ?2, 'assignment', ?3, 'Write ten sentences.', ?4, 10000, ?5, 1, 0)",
            (task_id, run_id, title, due, attempts),
        )
