"""Forgetting a person, as the district does it: the list first, then every row.

What sync/hub/erasure and its SQL do to PostgreSQL is done to dictionaries here. Which rows
of a segment are about somebody on the list is said by the real intake (district.py), and
the boxes forget by the real sync/agent/erasing.py.
"""

from sync.registry import TABLE
from tests.simulation.board import BORN_MS
from tests.simulation.district import names
from tests.simulation.hub_files import forget_files
from tests.simulation.outlet import put_row, take_ownership

NAMELESS = {"display_name": "-", "state": "erased"}
NAMELESS |= dict.fromkeys(("given_name", "family_name", "grade_level", "student_no", "source_id"))


def erase(hub, school_id, person_id):
    """The line in the file is for good, whatever becomes of the database."""
    hub.listed[school_id, person_id] = True
    purge(hub, school_id, person_id)
    hub.commit()


def erase_again(hub):
    """As a hub does at its start: forget whom the database does not know to be forgotten."""
    back = [
        (school_id, person_id)
        for school_id, person_id in hub.listed
        if ("erasure", person_id) not in hub.schools[school_id].rows
    ]
    for school_id, person_id in back:
        purge(hub, school_id, person_id)
    if back:
        hub.commit()


def purge(hub, school_id, person_id):
    school = hub.schools[school_id]
    if ("erasure", person_id) not in school.rows:
        told = {"id": person_id, "org_id": school_id.bytes, "at_ms": BORN_MS}
        put_row(hub, school_id, "erasure", told)
    if is_named(school, person_id):
        take_ownership(hub, school_id, "person", person_id)
        put_row(hub, school_id, "person", {"id": person_id} | NAMELESS)
    remove_rows(school, person_id)
    for beside in (school.conflicts, school.aside):
        for where, found in list(beside.items()):
            values = found if isinstance(found, tuple) else found.values
            if where[0] in TABLE and is_about(where[0], values, person_id):
                del beside[where]
    forget_files(hub, school_id)


def remove_rows(school, person_id):
    """All but the row that has lost its name; a line of the feed says what is gone."""
    for key, held in list(school.rows.items()):
        if is_about(key[0], held.values, person_id) and not is_nameless(key[0], held.values):
            del school.rows[key]
            if key in school.feed:
                school.written.append(key)


def is_named(school, person_id):
    """Whether marks that others hold name this person: then a row without a name stays."""
    by = names(TABLE["grade"]).index("by_person_id")
    marks = (held.values[by] for (name, _), held in school.rows.items() if name == "grade")
    return ("person", person_id) in school.rows and person_id in marks


def is_about(name, values, person_id):
    subject = TABLE[name].subject
    return subject is not None and values[names(TABLE[name]).index(subject)] == person_id


def is_nameless(name, values):
    """The row that is about nobody any more, at the hub or on a box."""
    return name == "person" and values[names(TABLE[name]).index("state")] == "erased"
