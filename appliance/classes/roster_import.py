"""Importing a register: look first, then all of it in one transaction, or nothing."""

from uuid import UUID

from appliance.access.models import Actor
from appliance.accounts.commands import (
    give_role,
    insert_person,
    update_person,
)
from appliance.accounts.roster import Roster
from appliance.accounts.roster_reading import read_files, read_text
from appliance.classes.commands import (
    ClassContent,
    add_member,
    give_class,
    insert_class,
    update_class,
)
from appliance.classes.queries import class_looked_after
from appliance.classes.roster_known import known_school
from appliance.classes.roster_models import (
    Counts,
    ImportReport,
    Line,
    OnlyAdminsImport,
    ProblemsLeft,
    RosterUpload,
    Twin,
)
from appliance.classes.roster_plan import Action, Plan, plan_import
from appliance.database.reader import Reader
from appliance.database.transaction import Transaction


def read_upload(upload: RosterUpload) -> Roster:
    """Read what came in, without looking at the school. Raises RosterRefused."""
    chosen = upload.class_group_id is not None
    if upload.text is not None:
        return read_text(upload.text, class_is_chosen=chosen)
    files = {file.name: file.content for file in upload.files}
    return read_files(files, class_is_chosen=chosen)


def foresee_import(
    db: Reader, actor: Actor, roster: Roster, chosen: UUID | None, *, now_ms: int
) -> ImportReport:
    """Say what an import would change; change nothing. Raises NotFound, OnlyAdminsImport."""
    return _report(roster, _plan(db, actor, roster, chosen, now_ms), is_applied=False)


def import_roster(
    tx: Transaction,
    actor: Actor,
    roster: Roster,
    chosen: UUID | None,
    *,
    skip_problems: bool,
    now_ms: int,
) -> ImportReport:
    """Do it. Idempotent: the same register again changes nothing.

    Raises ProblemsLeft unless lines that make no sense may be left out.
    """
    if roster.problems and not skip_problems:
        raise ProblemsLeft(f"{len(roster.problems)} lines, the first is {roster.problems[0].place}")
    plan = _plan(tx, actor, roster, chosen, now_ms)
    _write_classes(tx, actor, plan, now_ms)
    _write_people(tx, actor, plan, now_ms)
    _write_places(tx, plan, now_ms)
    return _report(roster, plan, is_applied=True)


def _plan(db: Reader, actor: Actor, roster: Roster, chosen: UUID | None, now_ms: int) -> Plan:
    if chosen is not None:
        class_looked_after(db, actor, chosen)
    if not actor.is_school_admin:
        _require_class_list(roster, chosen)
    return plan_import(roster, known_school(db, actor.school_id), chosen, now_ms=now_ms)


def _require_class_list(roster: Roster, chosen: UUID | None) -> None:
    """A teacher brings new names into one class and changes nobody else.

    Without an id or another class in the list, people are found within the class only.
    """
    has_ids = any(person.source_id for person in roster.people)
    has_staff = any(person.role != "learner" for person in roster.people)
    if chosen is None or roster.classes or has_ids or has_staff:
        raise OnlyAdminsImport("the list is more than the names of one class")


def _write_classes(tx: Transaction, actor: Actor, plan: Plan, now_ms: int) -> None:
    for step in plan.classes:
        content = ClassContent(actor.school_id, step.name, step.grade_level)
        if step.action == "create":
            insert_class(tx, step.class_group_id, content, source_id=step.source_id, now_ms=now_ms)
        elif step.action == "update":
            update_class(tx, step.class_group_id, content, source_id=step.source_id, now_ms=now_ms)


def _write_people(tx: Transaction, actor: Actor, plan: Plan, now_ms: int) -> None:
    school_id = actor.school_id
    for step in plan.people:
        if step.action == "create":
            insert_person(
                tx, step.person_id, school_id, step.record, locale=actor.locale, now_ms=now_ms
            )
        elif step.action == "update":
            update_person(tx, step.person_id, step.record, now_ms=now_ms)
        if step.is_role_new:
            give_role(tx, step.person_id, step.person.role, "org", school_id, now_ms=now_ms)


def _write_places(tx: Transaction, plan: Plan, now_ms: int) -> None:
    for step in plan.places:
        class_group_id, person_id = step.place.class_group_id, step.place.person_id
        if step.is_new and step.role == "learner":
            add_member(tx, class_group_id, person_id, now_ms=now_ms)
        elif step.is_new:
            give_class(tx, person_id, class_group_id, now_ms=now_ms)


def _report(roster: Roster, plan: Plan, *, is_applied: bool) -> ImportReport:
    people, classes, places = Counts(), Counts(), Counts()
    for step in plan.people:
        _count(people, step.action)
    for group in plan.classes:
        _count(classes, group.action)
    for place in plan.places:
        _count(places, "create" if place.is_new else "unchanged")
    return ImportReport(
        is_applied=is_applied,
        people=people,
        classes=classes,
        places=places,
        created=[each.record.display_name for each in plan.people if each.action == "create"],
        updated=[each.record.display_name for each in plan.people if each.action == "update"],
        possible_duplicates=[
            Twin(str(each.person.place), each.record.display_name, each.like)
            for each in plan.people
            if each.like
        ],
        problems=[Line(str(each.place), each.message) for each in roster.problems],
        notes=roster.notes,
    )


def _count(counts: Counts, action: Action) -> None:
    match action:
        case "create":
            counts.created += 1
        case "update":
            counts.updated += 1
        case "unchanged":
            counts.unchanged += 1
