"""Orders of the district: carried out once, or refused with a reason a person can read."""

import asyncio
import logging
from uuid import UUID

import pytest

from appliance.access.commands import PinAnswer, put_pin, sign_in_with_pin
from appliance.classes.commands import add_member
from appliance.clock import CERTAIN, SINCE_BOOT, TOLD, UNKNOWN
from appliance.database.writer import Writer
from appliance.errors import Busy
from appliance.orders import commands as orders_commands
from appliance.orders.queries import ORDERS_AT_ONCE, from_district, pins_needed
from appliance.orders.watch import Desk
from tests.cast import HOUR_MS, NOW_MS, new_id
from tests.orders.cast import STARTS, make_districts

PUPIL = "SELECT display_name FROM person WHERE id = ?1"
CLASS_OF = "SELECT class_group_id FROM class_member WHERE person_id = ?1 AND deleted_at_ms IS NULL"
DUE = "SELECT due_at_ms FROM assessment WHERE id = ?1"
SHELF = "SELECT id FROM course_version WHERE course_id = ?1 AND state = 'published'"
COUNT = {
    name: f"SELECT count(*) FROM {name}"
    for name in ("person", "class_member", "role_assignment", "command_result", "sync_dirty")
}


def classes_of(db, person_id):
    return [row[0] for row in db._connection.execute(CLASS_OF, (person_id,))]


def test_a_new_pupil_stands_in_the_class_and_needs_a_pin(db, school, order, answer, told):
    pupil = new_id()
    command = order(
        "create_person",
        {"person_id": pupil, "display_name": "Nguyễn Văn Bình", "class_group_id": school.east},
        person_id=pupil,
    )
    assert answer() == 1
    assert told(command) == ("applied", None)
    assert db.value(PUPIL, (pupil,)) == "Nguyễn Văn Bình"
    assert classes_of(db, pupil) == [school.east.bytes]
    assert [each.id for each in pins_needed(db, school.mr_otieno)] == [pupil]
    assert pins_needed(db, school.baraka) == []


def test_a_new_teacher_gets_the_class_and_no_password(db, school, order, answer, told):
    teacher = new_id()
    wanted = {
        "person_id": teacher,
        "display_name": "Ms Achieng",
        "role": "teacher",
        "class_group_id": school.west,
    }
    command = order("create_person", wanted, person_id=teacher)
    answer()
    assert told(command) == ("applied", None)
    held = db._connection.execute(
        "SELECT scope_kind FROM role_assignment WHERE person_id = ?1", (teacher,)
    ).fetchall()
    assert sorted(held) == [("class_group",), ("org",)]
    assert db.value("SELECT 1 FROM credential WHERE person_id = ?1", (teacher,)) is None
    assert pins_needed(db, school.baraka) == []


def test_after_a_reset_the_old_pin_opens_nothing_and_the_teacher_is_asked(
    db, write, school, order, answer, told
):
    write(put_pin, school.amina, b"old")
    command = order("reset_pin", {"person_id": school.amina}, person_id=school.amina)
    answer()
    assert told(command) == ("applied", None)
    opened = write(sign_in_with_pin, school.amina, b"old", b"token", now_ms=NOW_MS)
    assert opened == PinAnswer.WRONG
    assert [each.display_name for each in pins_needed(db, school.mr_otieno)] == ["Amina Otieno"]
    write(put_pin, school.amina, b"new")
    assert pins_needed(db, school.mr_otieno) == []


def test_a_pupil_moves_from_one_class_to_the_other(db, school, order, answer, told):
    wanted = {
        "person_id": school.jose,
        "from_class_id": school.east,
        "to_class_id": school.west,
    }
    first = order("move_person", wanted, person_id=school.jose)
    again = order("move_person", wanted, person_id=school.jose)
    assert answer() == 2
    assert (told(first), told(again)) == (("applied", None), ("applied", None))
    assert classes_of(db, school.jose) == [school.west.bytes]


def test_a_due_date_changes_and_can_be_taken_away(db, school, order, answer, told):
    for due in (NOW_MS + HOUR_MS, None):
        command = order("set_due_date", {"assessment_id": school.river, "due_at_ms": due})
        answer()
        assert told(command) == ("applied", None)
        assert db.value(DUE, (school.river,)) == due


def test_an_older_version_comes_back_to_the_shelf(db, write, school, order, answer, told):
    course = db.value("SELECT id FROM course")
    old = db.value(SHELF, (course,))
    newer = new_id()

    def add_version(tx):
        tx.run(
            "UPDATE course_version SET state = 'superseded', version = version + 1 WHERE id = ?1",
            (old,),
        )
        tx.run(
            "INSERT INTO course_version (id, course_id, number, state, content_hash, version,"
            " updated_at_ms) VALUES (?1, ?2, 2, 'published', zeroblob(32), 1, 0)",
            (newer, course),
        )

    write(add_version)
    command = order("publish_course_version", {"course_version_id": UUID(bytes=old)})
    answer()
    assert told(command) == ("applied", None)
    assert [row[0] for row in db._connection.execute(SHELF, (course,))] == [old]


@pytest.mark.parametrize(
    ("kind", "payload", "words"),
    [
        ("reset_pin", {"person_id": new_id()}, "This box has no person"),
        ("set_due_date", {"assessment_id": new_id(), "due_at_ms": 5}, "This box has no task"),
        ("publish_course_version", {"course_version_id": new_id()}, "no course version"),
        ("reset_pin", {"person_id": new_id(), "pin": "1234"}, "unknown field `pin`"),
        ("reset_pin", {}, "missing required field `person_id`"),
        ("set_due_date", {"assessment_id": new_id(), "due_at_ms": -1}, "not written as this box"),
        ("create_person", {"person_id": new_id(), "display_name": " "}, "not written as this box"),
        ("create_person", "{", "not written as this box"),
        ("create_person", "[]", "not written as this box"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason_and_changes_nothing(
    db, order, answer, told, kind, payload, words
):
    command = order(kind, payload)
    before = {name: db.value(sql) for name, sql in COUNT.items()}
    answer()
    state, reason = told(command)
    assert (state, words in reason) == ("refused", True), reason
    after = {name: db.value(sql) for name, sql in COUNT.items()}
    assert after == before | {"command_result": 1, "sync_dirty": before["sync_dirty"] + 1}


def test_half_of_an_order_is_nothing_of_it(db, school, order, answer, told):
    """The person would be written before the class is found missing."""
    pupil = new_id()
    wanted = {
        "person_id": pupil,
        "display_name": "Noor",
        "role": "teacher",
        "class_group_id": new_id(),
    }
    command = order("create_person", wanted, person_id=pupil)
    answer()
    assert told(command)[0] == "refused"
    assert db.value(PUPIL, (pupil,)) is None


def test_a_pupil_of_neither_class_is_not_moved(school, order, answer, told):
    wanted = {"person_id": school.jomo, "from_class_id": school.east, "to_class_id": school.east}
    command = order("move_person", wanted, person_id=school.jomo)
    answer()
    assert told(command)[0] == "refused"
    assert "not in the class to leave" in told(command)[1]


def test_a_name_of_somebody_else_is_refused(school, order, answer, told):
    wanted = {"person_id": school.amina, "display_name": "Somebody Else"}
    command = order("create_person", wanted, person_id=school.amina)
    answer()
    assert told(command)[0] == "refused"
    assert "somebody else" in told(command)[1]


def test_a_row_of_the_districts_own_is_not_the_box_s_to_change(
    write, school, order, answer, told, db
):
    write(make_districts, "assessment", school.river)
    command = order("set_due_date", {"assessment_id": school.river, "due_at_ms": NOW_MS})
    answer()
    assert told(command) == (
        "refused",
        "The district owns this: a row of assessment is the district's.",
    )
    assert db.value(DUE, (school.river,)) is None


def test_an_answered_order_is_never_carried_out_again(db, write, school, order, answer, told):
    pupil = new_id()
    wanted = {"person_id": pupil, "display_name": "Jomo", "class_group_id": school.west}
    command = order("create_person", wanted, person_id=pupil)
    assert answer() == 1
    people = db.value(COUNT["person"])
    assert answer() == 0
    args = {"now_ms": NOW_MS, "quality": CERTAIN}
    assert write(orders_commands.carry_out, command, **args) is False
    write(orders_commands.refuse, command, "too late", now_ms=NOW_MS)
    assert told(command) == ("applied", None)
    assert db.value(COUNT["person"]) == people


def test_an_order_whose_answer_was_lost_leaves_things_as_they_are(
    db, write, school, order, answer, told
):
    """A backup from between the two; the answer is found or made anew."""
    pupil = new_id()
    wanted = {"person_id": pupil, "display_name": "Jomo", "class_group_id": school.west}
    command = order("create_person", wanted, person_id=pupil)
    answer()

    def forget(tx):
        tx.run(STARTS)
        tx.run("DELETE FROM command_result")
        tx.run("UPDATE sync_identity SET applying = 0")

    write(forget)
    before = {name: db.value(COUNT[name]) for name in ("person", "class_member", "role_assignment")}
    assert answer() == 1
    assert told(command) == ("applied", None)
    assert before == {name: db.value(COUNT[name]) for name in before}


def test_nothing_is_carried_out_while_the_box_fetches_what_it_had(write, school, order, answer):
    """Among what it fetches are the answers it has given already."""
    order("reset_pin", {"person_id": school.amina}, person_id=school.amina)
    write(lambda tx: tx.run("UPDATE sync_identity SET recovery_due = 1"))
    assert answer() == 0
    write(lambda tx: tx.run("UPDATE sync_identity SET recovery_due = 0"))
    assert answer() == 1


@pytest.mark.parametrize(
    ("quality", "expires", "state"),
    [
        (CERTAIN, None, "applied"),
        (UNKNOWN, None, "applied"),
        (CERTAIN, NOW_MS + 1, "applied"),
        (TOLD, NOW_MS + 1, "applied"),
        (TOLD, NOW_MS, "expired"),
        (CERTAIN, NOW_MS - HOUR_MS, "expired"),
        (SINCE_BOOT, NOW_MS - HOUR_MS, None),  # perhaps not late at all
        (UNKNOWN, NOW_MS + HOUR_MS, None),  # perhaps late by years
    ],
)
def test_an_order_is_late_only_by_a_clock_that_is_sure(
    school, order, answer, told, quality, expires, state
):
    command = order("reset_pin", {"person_id": school.amina}, expires_at_ms=expires)
    answer(quality=quality)
    assert (told(command) or (None,))[0] == state


def test_orders_that_wait_for_the_clock_keep_nobody_waiting(school, order, answer, told):
    for _ in range(ORDERS_AT_ONCE):
        order("reset_pin", {"person_id": school.amina}, expires_at_ms=NOW_MS + HOUR_MS)
    behind = order("reset_pin", {"person_id": school.jose}, issued_at_ms=NOW_MS + 1)
    assert answer(quality=SINCE_BOOT) == 1
    assert told(behind) == ("applied", None)


@pytest.mark.parametrize(
    "withheld",
    [
        {"deleted_at_ms": NOW_MS},  # withdrawn
        {"owner_node_id": None},  # nobody of the district wrote it
        {"org_id": new_id()},  # for another school
    ],
)
def test_what_is_no_order_to_this_box_is_left_alone(school, order, answer, told, withheld):
    command = order("reset_pin", {"person_id": school.amina}, **withheld)
    assert answer() == 0
    assert told(command) is None


def test_nobody_who_is_to_be_forgotten_is_made_again(db, school, order, answer, down):
    pupil = new_id()
    down("erasure", id=pupil, org_id=school.school_id, at_ms=NOW_MS)
    order("create_person", {"person_id": pupil, "display_name": "Jomo"}, person_id=pupil)
    assert answer() == 0
    assert db.value(PUPIL, (pupil,)) is None


def test_a_bug_of_ours_is_an_answer_too_and_stops_nobody(
    monkeypatch, caplog, school, order, answer, told
):
    def broken(tx, order, **_):
        if order.person_id == school.amina:
            raise ZeroDivisionError

    monkeypatch.setattr(orders_commands, "execute", broken)
    failing = order("reset_pin", {"person_id": school.amina}, person_id=school.amina)
    behind = order("reset_pin", {"person_id": school.jose}, person_id=school.jose)
    with caplog.at_level(logging.ERROR):
        answer()
    assert told(failing) == ("refused", "The box failed at this order (ZeroDivisionError).")
    assert told(behind) == ("applied", None)
    assert "Amina" not in caplog.text


def test_an_order_waits_while_the_box_cannot_write(writer, readers, database, school, order, told):
    command = order("reset_pin", {"person_id": school.amina})
    stopped = Writer(database)
    stopped.start()
    stopped.stop()
    with pytest.raises(Busy):
        asyncio.run(Desk(stopped, readers, lambda: NOW_MS, lambda: CERTAIN).answer_all())
    assert told(command) is None
    asyncio.run(Desk(writer, readers, lambda: NOW_MS, lambda: CERTAIN).answer_all())
    assert told(command) == ("applied", None)


async def answered(told, command):
    for _ in range(1_000):
        if told(command) is not None:
            return
        await asyncio.sleep(0.01)


def test_the_watch_notices_what_another_process_wrote(
    writer, readers, database, school, order, told
):
    async def watch_until_answered():
        desk = Desk(writer, readers, lambda: NOW_MS, lambda: CERTAIN)
        watching = asyncio.create_task(desk.watch(every_s=0.01))
        await asyncio.sleep(0)
        command = await asyncio.to_thread(order, "reset_pin", {"person_id": school.amina})
        await answered(told, command)
        watching.cancel()
        return command

    assert told(asyncio.run(watch_until_answered())) == ("applied", None)


def test_what_the_district_asked_and_set_is_there_to_read(db, school, order, answer, down):
    order("reset_pin", {"person_id": school.amina}, person_id=school.amina)
    answer()
    for after_ms, (kind, payload) in enumerate(
        (
            ("reset_pin", "no JSON"),
            ("set_due_date", {"assessment_id": school.river, "due_at_ms": None}),
        ),
        start=1,
    ):
        order(kind, payload, issued_at_ms=NOW_MS + after_ms)
    district, key = new_id(), "link_hours"
    down("setting", org_id=district, key=key, value='"mon"')
    down("setting", org_id=school.school_id, key=key, value='"fri"')
    found = from_district(db)
    assert [(each.about, each.state) for each in found.orders] == [
        ("The river", "pending"),
        (None, "pending"),
        ("Amina Otieno", "applied"),
    ]
    assert [(each.key, each.value) for each in found.settings] == [(key, '"fri"')]


def test_a_second_membership_is_not_made(db, write, school, order, answer):
    write(add_member, school.west, school.jose, now_ms=NOW_MS)
    wanted = {"person_id": school.jose, "from_class_id": school.east, "to_class_id": school.west}
    order("move_person", wanted, person_id=school.jose)
    answer()
    assert classes_of(db, school.jose) == [school.west.bytes]
