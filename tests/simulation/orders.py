"""What the district does to its schools, and how their boxes answer.

Announcements, orders, and rows that change hands: taken from a school, and given back.
"""

import contextlib

from tests.simulation.forgetting import erase, is_nameless
from tests.simulation.hub import Crashed
from tests.simulation.outlet import give_back, put_row, take_ownership

# As the box asks: while it fetches what it had before, nobody knows what it has answered.
WAITING = """
SELECT c.id
  FROM sync_identity AS i
  JOIN command AS c
    ON c.org_id = i.school_id AND c.deleted_at_ms IS NULL
 WHERE i.recovery_due = 0
   AND NOT EXISTS (SELECT 1
                     FROM command_result AS r
                    WHERE r.command_id = c.id)
 ORDER BY c.issued_at_ms, c.id
"""
ANSWER = """
INSERT INTO command_result (id, command_id, person_id, state, at_ms)
SELECT ?1, c.id, c.person_id, 'applied', ?3
  FROM command AS c
 WHERE c.id = ?2
"""


def district_writes(world):
    act = world.dice.choice((announce, announce, order, take_over, take_over, return_one))
    try:
        act(world)
        world.hub.commit()
    except Crashed:
        world.accident()


def district_dawdles(world):
    """A transaction of the district stays open: others overtake it, then it commits."""
    if world.hub.open_xid is None:
        world.hub.begin_long()
    else:
        end_long_transaction(world)


def end_long_transaction(world):
    if world.hub.open_xid is not None:
        announce(world)
        world.hub.commit_late()


def announce(world):
    """Something new, another word, or a word taken back; for one school or for all."""
    hub = world.hub
    scope_id = world.dice.choice((hub.district_id, world.any_board().school_id))
    known = sorted(pk for name, pk in hub.schools[scope_id].rows if name == "announcement")
    told = {"id": world.dice.randbytes(16), "org_id": scope_id.bytes}
    told |= {"title": world.work._text(), "body": "", "from_at_ms": world.work._moment()}
    if known and world.dice.random() < 0.5:
        told["id"] = world.dice.choice(known)
        told["deleted_at_ms"] = world.dice.choice((None, world.work._moment()))
    put_row(hub, scope_id, "announcement", told)


def order(world):
    school_id = world.any_board().school_id
    told = {"id": world.dice.randbytes(16), "org_id": school_id.bytes, "kind": "set_due_date"}
    told |= {"payload": "{}", "by_person_id": bytes(16), "issued_at_ms": world.work._moment()}
    told["person_id"] = world.dice.choice([None, *people_of(world.hub.schools[school_id])])
    world.oracle.subjects["command", told["id"]] = told["person_id"]
    put_row(world.hub, school_id, "command", told)


def people_of(school):
    """Whom the district may choose."""
    return sorted(
        pk
        for (name, pk), held in school.rows.items()
        if name == "person" and not is_nameless(name, held.values)
    )


def district_erases(world):
    """Somebody is to be forgotten, wherever they are by now."""
    school_id = world.any_board().school_id
    people = people_of(world.hub.schools[school_id])
    if people:
        person_id = world.dice.choice(people)
        world.oracle.forgotten.add(person_id)
        with contextlib.suppress(Crashed):  # the line in the file stands: done again at the start
            erase(world.hub, school_id, person_id)


def take_over(world):
    move(world, take_ownership, is_hub_s=False)


def return_one(world):
    move(world, give_back, is_hub_s=True)


def move(world, act, *, is_hub_s):
    """A class changes hands; the hub's image is written over the one that was current."""
    school_id = world.any_board().school_id
    rows = world.hub.schools[school_id].rows
    found = sorted(
        key
        for key, held in rows.items()
        if key[0] == "class_group" and (held.values[-3] is not None) is is_hub_s
    )
    if found:
        name, pk = world.dice.choice(found)
        parent = (name, pk, rows[name, pk].hash)
        key = act(world.hub, school_id, name, pk)
        world.oracle.tried(key, parent)
        world.oracle.acknowledged(key)
        world.oracle.undoable.add(key)


def carry_out_orders(world, board):
    """The box does what waits and answers, in one transaction each; whether it did anything."""
    waiting = board.connection.execute(WAITING).fetchall()
    for (command_id,) in waiting:
        pk = world.dice.randbytes(16)
        args = (pk, command_id, world.work._moment())
        world.work.commit(board, "command_result", pk, (ANSWER, args))
    return bool(waiting)
