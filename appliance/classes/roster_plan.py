"""Comparing a register with the school: who is new, who changed, who may be there twice.

A person is found by the register's id, else by name within the same class, and each
person of the school is found once: two pupils called Amina Otieno in the list and two in
the class are those two. Names compare without accents and case. What the register does
not say stays as it is, and nobody is ever taken out of a class.
"""

from collections import defaultdict
from typing import Literal
from uuid import UUID

from msgspec import Struct, field, structs

from appliance.accounts.commands import PersonRecord
from appliance.accounts.names import name_key
from appliance.accounts.roster import Roster, RosterClass, RosterPerson, RosterRole
from appliance.classes.roster_known import Known, KnownClass, KnownPerson, Place
from appliance.ids import uuid7

Action = Literal["create", "update", "unchanged"]


class PersonStep(Struct, frozen=True):
    """What happens to one person; `like` names those who may be the same person."""

    person: RosterPerson
    person_id: UUID
    action: Action
    record: PersonRecord
    is_role_new: bool
    like: list[str]


class ClassStep(Struct, frozen=True):
    """What happens to one class."""

    group: RosterClass
    class_group_id: UUID
    action: Action
    name: str
    grade_level: str | None
    source_id: str | None


class PlaceStep(Struct, frozen=True):
    """That somebody will be in a class, or teach it."""

    place: Place
    role: RosterRole
    is_new: bool


class Plan(Struct):
    """Everything an import does, in this order."""

    classes: list[ClassStep] = field(default_factory=list)
    people: list[PersonStep] = field(default_factory=list)
    places: list[PlaceStep] = field(default_factory=list)


def plan_import(roster: Roster, known: Known, chosen: UUID | None, *, now_ms: int) -> Plan:
    """Compare; pure but for the ids of what is new. `chosen` takes in who has no class."""
    plan = Plan([_class_step(group, known, now_ms) for group in roster.classes])
    class_ids = {step.group.key: step.class_group_id for step in plan.classes}
    wanted: defaultdict[str, set[tuple[UUID, RosterRole]]] = defaultdict(set)
    for member in roster.members:
        wanted[member.person_key].add((class_ids[member.class_key], member.role))
    search = _Search(known, chosen)
    for person in roster.people:
        if chosen is not None and person.key not in wanted:
            wanted[person.key].add((chosen, person.role))
        step = _person_step(person, {place for place, _ in wanted[person.key]}, search, now_ms)
        plan.people.append(step)
        plan.places += [
            _place_step(Place(class_id, step.person_id), role, known)
            for class_id, role in sorted(wanted[person.key])
        ]
    return plan


class _Search:
    """Finds each person of the school at most once."""

    def __init__(self, known: Known, chosen: UUID | None) -> None:
        self._known = known
        self._chosen = chosen
        self._taken: set[UUID] = set()
        self._made: defaultdict[str, list[str]] = defaultdict(list)

    def find(self, person: RosterPerson, class_ids: set[UUID]) -> KnownPerson | None:
        """By the register's id, else by name among those it can only mean."""
        found = self._known.people_by_source.get(person.source_id or "")
        if found is None:
            found = next(
                (each for each in self._namesakes(person) if self._fits(each, person, class_ids)),
                None,
            )
        if found is not None:
            self._taken.add(found.id)
        return found

    def like(self, person: RosterPerson) -> list[str]:
        """Others of that name, in the school or further up in the list."""
        key = name_key(person.display_name)
        there = [self._told(each) for each in self._namesakes(person)]
        there += self._made[key]
        self._made[key].append(f"{person.display_name} ({person.place})")
        return there

    def _namesakes(self, person: RosterPerson) -> list[KnownPerson]:
        return self._known.people_by_name.get(name_key(person.display_name), [])

    def _fits(self, each: KnownPerson, person: RosterPerson, class_ids: set[UUID]) -> bool:
        if each.id in self._taken or (person.source_id and each.source_id):
            return False
        if person.role not in each.role_set:
            return False
        places = self._known.classes_of.get(each.id, [])
        return not class_ids or not class_ids.isdisjoint(places) or person.role == "teacher"

    def _told(self, each: KnownPerson) -> str:
        names = [
            self._known.classes[place].name for place in self._known.classes_of.get(each.id, [])
        ]
        return f"{each.display_name} ({', '.join(sorted(names)) or 'no class'})"


def _person_step(
    person: RosterPerson, class_ids: set[UUID], search: _Search, now_ms: int
) -> PersonStep:
    found = search.find(person, class_ids)
    said = PersonRecord(
        display_name=person.display_name,
        given_name=person.given_name,
        family_name=person.family_name,
        grade_level=person.grade_level,
        student_no=person.student_no,
        source_id=person.source_id,
    )
    if found is None:
        return PersonStep(
            person, uuid7(now_ms), "create", said, is_role_new=True, like=search.like(person)
        )
    record = _overlaid(found, said, is_name_known=person.is_name_known)
    is_role_new = person.role not in found.role_set
    changed = is_role_new or record != _record_of(found)
    action: Action = "update" if changed else "unchanged"
    return PersonStep(person, found.id, action, record, is_role_new, [])


def _record_of(found: KnownPerson) -> PersonRecord:
    return PersonRecord(
        display_name=found.display_name,
        given_name=found.given_name,
        family_name=found.family_name,
        grade_level=found.grade_level,
        student_no=found.student_no,
        source_id=found.source_id,
    )


def _overlaid(found: KnownPerson, said: PersonRecord, *, is_name_known: bool) -> PersonRecord:
    """Let the register's words win where it has any."""
    news = {name: value for name, value in structs.asdict(said).items() if value is not None}
    if news.get("source_id") == str(found.id):
        del news["source_id"]  # our own export names people by our ids
    if not is_name_known or name_key(said.display_name) == name_key(found.display_name):
        news["display_name"] = found.display_name  # "jose" must not take José's accent away
    return structs.replace(_record_of(found), **news)


def _class_step(group: RosterClass, known: Known, now_ms: int) -> ClassStep:
    found = _class_found(group, known)
    if found is None:
        return ClassStep(
            group, uuid7(now_ms), "create", group.name, group.grade_level, group.source_id
        )
    is_ours = group.source_id == str(found.id)
    source_id = found.source_id if is_ours else group.source_id or found.source_id
    is_same_name = name_key(group.name) == name_key(found.name)
    name = found.name if is_same_name else group.name
    grade_level = group.grade_level or found.grade_level
    changed = (name, grade_level, source_id) != (found.name, found.grade_level, found.source_id)
    action: Action = "update" if changed else "unchanged"
    return ClassStep(group, found.id, action, name, grade_level, source_id)


def _class_found(group: RosterClass, known: Known) -> KnownClass | None:
    if group.source_id is None:
        return known.classes_by_name.get(name_key(group.name))
    found = known.classes_by_source.get(group.source_id)
    if found is None:
        by_name = known.classes_by_name.get(name_key(group.name))
        found = by_name if by_name is not None and by_name.source_id is None else None
    return found


def _place_step(place: Place, role: RosterRole, known: Known) -> PlaceStep:
    there = known.learners if role == "learner" else known.teachers
    return PlaceStep(place, role, place not in there)
