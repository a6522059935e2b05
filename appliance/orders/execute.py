"""Each kind of order as the ordinary commands of the features below.

An order may be carried out again after a restore: every one of them leaves things as they
are when they are already as it asks.
"""

from appliance.access.commands import drop_pin
from appliance.access.models import Actor
from appliance.accounts.commands import add_person, give_role
from appliance.accounts.models import NewPerson
from appliance.accounts.queries import active_learner
from appliance.assignments.commands import set_due_date
from appliance.classes.commands import add_member, add_pupil, give_class, remove_member
from appliance.classes.queries import class_group, is_member
from appliance.courses.commands import publish_version
from appliance.database.transaction import Transaction
from appliance.orders.faults import OrderRefused
from appliance.orders.models import Order
from appliance.orders.payloads import (
    CreatePerson,
    MovePerson,
    PublishCourseVersion,
    ResetPin,
    SetDueDate,
    read_payload,
)


def execute(tx: Transaction, order: Order, *, now_ms: int) -> None:
    """Do it. Raises DarasaError or msgspec.DecodeError with the reason why not."""
    match read_payload(order.kind, order.payload):
        case CreatePerson() as wanted:
            _create(tx, _district(order), wanted, now_ms=now_ms)
        case ResetPin(person_id=person_id):
            active_learner(tx, person_id)
            # Drawn when the teacher asks for it: until then it would lie here to be read.
            drop_pin(tx, person_id)
        case MovePerson() as wanted:
            _move(tx, _district(order), wanted, now_ms=now_ms)
        case PublishCourseVersion(course_version_id=version_id):
            publish_version(tx, version_id, now_ms=now_ms)
        case SetDueDate(assessment_id=task_id, due_at_ms=due_at_ms):
            set_due_date(tx, task_id, due_at_ms, now_ms=now_ms)


def _create(tx: Transaction, district: Actor, wanted: CreatePerson, *, now_ms: int) -> None:
    if wanted.role == "learner":
        new = NewPerson(
            id=wanted.person_id,
            display_name=wanted.display_name,
            class_group_id=wanted.class_group_id,
        )
        add_pupil(tx, district, new, now_ms=now_ms)
        return
    add_person(tx, wanted.person_id, district, wanted.display_name, now_ms=now_ms)
    give_role(tx, wanted.person_id, "teacher", "org", district.school_id, now_ms=now_ms)
    if wanted.class_group_id is not None:
        class_group(tx, wanted.class_group_id)
        give_class(tx, wanted.person_id, wanted.class_group_id, now_ms=now_ms)


def _move(tx: Transaction, district: Actor, wanted: MovePerson, *, now_ms: int) -> None:
    active_learner(tx, wanted.person_id)
    class_group(tx, wanted.to_class_id)
    if is_member(tx, wanted.from_class_id, wanted.person_id):
        remove_member(tx, district, wanted.from_class_id, wanted.person_id, now_ms=now_ms)
    elif not is_member(tx, wanted.to_class_id, wanted.person_id):
        raise OrderRefused("the pupil is not in the class to leave")
    add_member(tx, wanted.to_class_id, wanted.person_id, now_ms=now_ms)


def _district(order: Order) -> Actor:
    """Whoever at the district gave the order may do what an administrator here may."""
    roles = frozenset({"school_admin"})
    return Actor(order.by_person_id, "", order.school_id, order.locale, roles)
