"""Releases that differ: a hub that is a year behind its boards, or ahead of them.

In these worlds `source_id` of a class is a column that the boards' newest migration has
added, and marks and readings are its newest tables. An older hub has neither; a newer one
has a column that no board sends. Rows are sorted by the real staging, with that registry.
"""

from contextlib import contextmanager

from msgspec import Struct, structs

from sync.core.columns import Rows
from sync.hub.intake import erased, staging
from sync.registry import TABLE, TABLE_NUMBERED, VERSION_COLUMNS, Column
from tests.simulation.district import Held, names
from tests.simulation.replacing import replaced

SKEWED = "class_group"
NEW_COLUMN = "source_id"
NEW_TABLES = {"grade", "health_sample"}
SINCE = 99
RELEASES = ("older", "same", "newer")


class Came(Struct, frozen=True):
    """What is known of rows that were put aside: whose they are, and who brought them."""

    school_id: object
    epoch: object


@contextmanager
def of_next_release():
    """The boards', and that of everybody who looks at them."""
    ours = TABLE[SKEWED]
    columns = tuple(
        structs.replace(column, since=SINCE) if column.name == NEW_COLUMN else column
        for column in ours.columns
    )
    TABLE[SKEWED] = TABLE_NUMBERED[ours.number] = structs.replace(ours, columns=columns)
    try:
        yield
    finally:
        TABLE[SKEWED] = TABLE_NUMBERED[ours.number] = ours


def registry_of(release):
    """The tables a hub of that release has."""
    table, last = TABLE[SKEWED], len(VERSION_COLUMNS)
    if release == "older":
        columns = tuple(column for column in table.columns if column.name != NEW_COLUMN)
        known = {name: TABLE[name] for name in TABLE if name not in NEW_TABLES}
    else:
        later = Column("room", "text", SINCE + 1)
        columns = (*table.columns[:-last], later, *table.columns[-last:])
        known = dict(TABLE)
    return known | {SKEWED: structs.replace(table, columns=columns)}


@contextmanager
def speaking(release):
    """The hub's own code, at work with the tables of its release."""
    if release == "same":
        yield
        return
    known = registry_of(release)
    with replaced(staging, "TABLE", known), replaced(erased, "TABLE", known):
        yield


def update_hub(world):
    hub = world.hub
    hub.release = RELEASES[min(RELEASES.index(hub.release) + 1, 2)]
    catch_up(hub)


def catch_up(hub):
    """As a hub does at its start: everything gets the place that it has now."""
    if hub.release == "older":
        return
    found = [school for school in hub.schools.values() if school.parked or school.extra]
    for school in found:
        replay_parked(hub, school)
        place_columns(school)
    if found:
        hub.commit()


def replay_parked(hub, school):
    for where in school.parked:
        aside = school.aside.pop(where)
        came = Came(next(at for at, each in hub.schools.items() if each is school), aside.epoch)
        with speaking(hub.release):
            school.merge(came, [Rows(where[0], aside.columns, [aside.values])], hub.issued)


def place_columns(school):
    """Only of images that are still current."""
    for key, (hashed, image) in school.extra.items():
        held = school.rows.get(key)
        if held is not None and held.hash == hashed:
            named = dict(zip(names(TABLE[key[0]]), held.values, strict=True))
            values = tuple((named | {NEW_COLUMN: image[NEW_COLUMN]}).values())
            school.rows[key] = Held(values, held.image, held.change_no)
    school.extra.clear()
