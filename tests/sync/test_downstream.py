"""Pages of the feed made by hand: skewed, hostile, cut. A real box, and a key for a hub."""

from uuid import UUID

import msgspec
import pytest
from nacl.signing import SigningKey

from appliance.ids import uuid7
from sync.agent.downstream import Downstream, FetchPage
from sync.agent.faults import HubUntrusted
from sync.agent.recovery import begin_epoch
from sync.agent.scopes import cursors, is_replacing
from sync.agent.sweeping import SWEEP_ROWS
from sync.core.columns import Rows, pack
from sync.core.node import Fork
from sync.protocol import (
    FeedPage,
    Gone,
    Hello,
    ScopeCursor,
    ScopeState,
    SignedFeed,
    encode,
    feed_message,
)
from sync.registry import TABLE
from tests.sync.web import NOW_MS

NODE, SCHOOL, DISTRICT, HUB = (UUID(int=number) for number in (1, 2, 3, 4))
INCARNATION, LATER_INCARNATION = UUID(int=5), UUID(int=6)
KEY = SigningKey(bytes(range(32)))

IDENTITY = """
INSERT INTO sync_identity (node_id, school_id, epoch, hub_id, hub_key, hub_url, incarnation)
VALUES (?1, ?2, ?3, ?4, ?5, 'http://hub.example', ?6)
"""
ORG_UNIT = """
INSERT INTO org_unit (id, kind, name, locale, version, updated_at_ms)
VALUES (?1, 'school', 'Shule ya Ziwa', 'sw', 1, 0)
"""
PERSON = """
INSERT INTO person (id, org_id, display_name, locale, state, version, updated_at_ms)
VALUES (?1, ?2, ?3, 'ar', 'active', 1, 0)
"""
CLASS = """
INSERT INTO class_group (id, org_id, name, version, updated_at_ms)
VALUES (?1, ?2, 'Darasa la nne', 1, 0)
"""
COURSE_RUN = """
INSERT INTO course_run (id, org_id, course_version_id, class_group_id, state, version,
                        updated_at_ms)
VALUES (?1, ?2, ?3, ?4, 'running', 1, 0)
"""
RENAME = "UPDATE person SET display_name = ?2, version = version + 1 WHERE id = ?1"
NAME_OF = "SELECT display_name FROM person WHERE id = ?1"
TITLES = "SELECT title FROM announcement ORDER BY title"
PARKED = "SELECT tbl FROM sync_parked ORDER BY tbl"
NOOR = uuid7(NOW_MS)


class Reader:
    """A box whose scopes are read to their end, and the hub that writes pages for it."""

    def __init__(self, db):
        self.db = db
        self.xid = 100
        with db.changing() as tx:
            tx.run(IDENTITY, (NODE, SCHOOL, UUID(int=7), HUB, bytes(KEY.verify_key), INCARNATION))
            tx.run(ORG_UNIT, (SCHOOL,))
            tx.run(PERSON, (NOOR, SCHOOL, "نور الهدى"))
            tx.run("DELETE FROM sync_dirty")
        self.read_all()

    def begin(self, state="behind", incarnation=INCARNATION):
        hello = Hello(
            node_id=NODE,
            epoch=UUID(int=7),
            streams=[],
            incarnation=incarnation,
            pull=False,
            exceptions=[],
            hub_time_ms=NOW_MS,
            receipt=None,
            nonce=bytes(16),
            scopes=[
                ScopeState(scope_id=DISTRICT, state="level" if state == "behind" else state),
                ScopeState(scope_id=SCHOOL, state=state),
            ],
        )
        return Downstream(self.db, hello)

    def read_all(self, state="behind", incarnation=INCARNATION, blocks=()):
        """Read both scopes; `blocks` come in the school's."""
        reading = self.begin(state, incarnation)
        while step := wanted(reading):
            rows = blocks if step.cursor.scope_id == SCHOOL else ()
            reading.take_page(self.page(rows, since=step.cursor), now_ms=NOW_MS)

    def cursor(self, scope_id=SCHOOL):
        return {cursor.scope_id: cursor for cursor in cursors(self.db)}[scope_id]

    def page(self, blocks=(), gone=(), *, since=None, sign=None, **changes):
        """The page that comes next, signed by the hub."""
        since = since or self.cursor()
        self.xid += 1
        cursor = msgspec.structs.replace(since, system="7301", timeline=1, xid=self.xid)
        page = FeedPage(
            node_id=NODE, since=since, cursor=cursor, rows=list(blocks), gone=list(gone), more=False
        )
        body = encode(msgspec.structs.replace(page, **changes))
        signature = (sign or KEY).sign(feed_message(body)).signature
        return SignedFeed(body=body, signature=signature)

    def take(self, page):
        reading = self.begin()
        assert wanted(reading) is not None
        return reading.take_page(page, now_ms=NOW_MS)

    def count(self, table):
        return self.db.value(f"SELECT count(*) FROM {table}")


def wanted(reading):
    """Do local work until a page is wanted; None when there is nothing more."""
    while step := reading.next_request(now_ms=NOW_MS):
        if isinstance(step, FetchPage):
            return step
    return None


@pytest.fixture
def reader(db):
    return Reader(db)


def row_of(table, **given):
    """A row as the hub would send it; columns may be added."""
    usual = {
        "id": uuid7(NOW_MS).bytes,
        "org_id": SCHOOL.bytes,
        "kind": "create_person",
        "state": "active",
        "version": 1,
        "owner_epoch": 0,
        "owner_node_id": HUB.bytes,
        "deleted_at_ms": None,
    }
    filled = {"id": bytes(16), "int": 1, "text": "words", "blob": bytes(32)}
    named = {column.name: filled[column.type] for column in TABLE[table].columns}
    return named | {name: usual[name] for name in usual if name in named} | given


def block_of(table, *named):
    return pack(Rows(table, tuple(named[0]), [tuple(each.values()) for each in named]))


def test_a_table_of_a_later_release_is_parked_and_replayed_after_its_migration(reader):
    badge = {"id": uuid7(NOW_MS).bytes, "owner_node_id": HUB.bytes, "name": "Star"}
    blocks = [block_of("badge", badge), block_of("announcement", row_of("announcement"))]
    assert reader.take(reader.page(blocks)) == 2
    assert reader.db.tuples(TITLES) == [("words",)]
    assert reader.db.tuples(PARKED) == [("badge",)]
    wanted(reader.begin())
    assert reader.db.tuples(PARKED) == [("badge",)]  # still no place for it
    # The next release has a table for it.
    known = encode(row_of("announcement", id=badge["id"], title="replayed"))
    with reader.db.changing() as tx:
        tx.run("UPDATE sync_parked SET tbl = 'announcement', image = ?1", (known,))
    wanted(reader.begin())
    assert reader.db.tuples(TITLES) == [("replayed",), ("words",)]
    assert reader.db.tuples(PARKED) == []


@pytest.mark.parametrize(
    ("table", "given", "lands"),
    [
        ("announcement", {"colour": "red"}, True),  # a column of a later release
        ("command", {"kind": "teleport"}, False),  # a kind of a later release
        ("announcement", {"title": ""}, False),  # refused by a CHECK
        ("announcement", {"from_at_ms": "soon"}, False),  # refused by its type
    ],
)
def test_a_row_without_a_place_is_parked_and_holds_up_nothing(reader, table, given, lands):
    odd = row_of(table, **given)
    blocks = [block_of(table, odd), block_of("setting", row_of("setting"))]
    assert reader.take(reader.page(blocks)) == 2
    assert (reader.count("setting"), reader.count(table)) == (1, lands)
    assert reader.db.tuples(PARKED) == [(table,)]
    gone = [Gone(t=table, pk=odd["id"]), Gone(t="badge", pk=bytes(16))]
    assert reader.take(reader.page(gone=gone)) == 0
    assert (reader.count("setting"), reader.count(table)) == (1, 0)
    assert reader.db.tuples(PARKED) == []


def test_a_later_image_that_has_its_place_is_not_parked_any_more(reader):
    odd = row_of("announcement", colour="red")
    reader.take(reader.page([block_of("announcement", odd)]))
    plain = row_of("announcement", id=odd["id"], title="without colour", version=2)
    reader.take(reader.page([block_of("announcement", plain)]))
    assert reader.db.tuples(PARKED) == []
    assert reader.db.tuples(TITLES) == [("without colour",)]


def test_a_column_an_older_hub_does_not_know_keeps_its_value(reader):
    first = row_of("announcement", until_at_ms=NOW_MS)
    reader.take(reader.page([block_of("announcement", first)]))
    second = first | {"title": "Second", "version": 2}
    del second["until_at_ms"]
    reader.take(reader.page([block_of("announcement", second)]))
    found = reader.db.tuples("SELECT title, until_at_ms FROM announcement")
    assert found == [("Second", NOW_MS)]


@pytest.mark.parametrize(
    ("table", "claims"),
    [
        ("person", {"org_id": UUID(int=99).bytes}),  # another school's
        ("org_unit", {"id": UUID(int=99).bytes}),
        ("person", {"owner_node_id": UUID(int=98).bytes}),  # not the hub's
        ("person", {"owner_node_id": NODE.bytes}),
        ("person", {"id": b"short"}),
        ("person", {"id": None}),
        ("badge", {"owner_node_id": UUID(int=98).bytes}),
        ("progress_fact", {}),  # facts are written by schools
        ("grade", {}),
    ],
)
def test_a_page_with_a_row_no_hub_of_ours_writes_is_refused_whole(reader, table, claims):
    bad = {"id": bytes(16), **claims} if table == "badge" else row_of(table, **claims)
    page = reader.page([block_of("setting", row_of("setting")), block_of(table, bad)])
    before = cursors(reader.db)
    with pytest.raises(HubUntrusted):
        reader.take(page)
    assert (reader.count("setting"), cursors(reader.db)) == (0, before)


FOREIGN = ScopeCursor(scope_id=UUID(int=97), incarnation=INCARNATION)


@pytest.mark.parametrize(
    "changes",
    [
        {"sign": SigningKey(bytes(32))},
        {"node_id": UUID(int=97)},
        {"since": FOREIGN},
        {"cursor": FOREIGN},
        {"rows": [msgspec.structs.replace(block_of("setting", row_of("setting")), c=[])]},
    ],
)
def test_a_page_that_is_not_the_hub_s_word_to_this_box_is_refused(reader, changes):
    page = reader.page([block_of("setting", row_of("setting"))], **changes)
    with pytest.raises(HubUntrusted):
        reader.take(page)
    assert reader.count("setting") == 0


def test_bytes_that_are_signed_and_no_page_are_refused(reader):
    page = SignedFeed(body=b"\xc1", signature=KEY.sign(feed_message(b"\xc1")).signature)
    with pytest.raises(HubUntrusted):
        reader.take(page)


def test_a_signature_over_other_words_of_the_hub_does_not_pass_for_a_page(reader):
    page = reader.page([block_of("setting", row_of("setting"))])
    with pytest.raises(HubUntrusted):
        reader.take(SignedFeed(body=page.body, signature=KEY.sign(page.body).signature))


def test_a_page_takes_no_row_from_the_school_without_a_higher_number(reader):
    thief = row_of("person", id=NOOR.bytes)
    reader.take(reader.page([block_of("person", thief)]))
    reader.take(reader.page(gone=[Gone(t="person", pk=NOOR.bytes)]))
    assert reader.db.value(NAME_OF, (NOOR,)) == "نور الهدى"
    taken = thief | {"owner_epoch": 1 << 32, "version": 2, "display_name": "of the district"}
    reader.take(reader.page([block_of("person", taken)]))
    assert reader.db.value(NAME_OF, (NOOR,)) == "of the district"
    assert reader.count("sync_conflict") == 0  # the school had sent what it had


def test_an_unsent_image_that_gives_way_is_kept_and_not_sent(reader):
    with reader.db.changing() as tx:
        tx.run(RENAME, (NOOR, "typed meanwhile"))
    taken = row_of("person", id=NOOR.bytes, owner_epoch=1 << 32, version=2)
    reader.take(reader.page([block_of("person", taken)]))
    assert (reader.count("sync_conflict"), reader.count("sync_dirty")) == (1, 0)


def test_a_row_given_to_the_school_is_the_school_s_and_goes_up_again(reader):
    given = row_of("person", id=NOOR.bytes, owner_epoch=1 << 32, version=2, owner_node_id=None)
    reader.take(reader.page([block_of("person", given)]))
    assert reader.count("sync_dirty") == 1
    with reader.db.changing() as tx:
        tx.run(RENAME, (NOOR, "written here again"))
    reader.read_all("replace", LATER_INCARNATION, [block_of("person", given)])
    assert reader.db.value(NAME_OF, (NOOR,)) == "written here again"


def test_a_replacement_sweeps_more_rows_than_one_step_takes(reader):
    many = [row_of("announcement", title=f"{n:03}") for n in range(2 * SWEEP_ROWS + 50)]
    stays, leaves = many[:10], many[10:]
    reader.take(reader.page([block_of("announcement", *many)]))
    gone = [row_of("erasure"), row_of("setting")]
    reader.take(reader.page([block_of("erasure", gone[0]), block_of("setting", gone[1])]))
    reader.read_all("replace", LATER_INCARNATION, [block_of("announcement", *stays)])
    assert reader.count("announcement") == len(many) - len(leaves)
    assert (reader.count("erasure"), reader.count("setting")) == (1, 0)
    assert (is_replacing(reader.db), reader.count("sync_seen")) == (False, 0)


def test_a_course_that_a_class_is_in_the_middle_of_becomes_the_school_s(reader):
    """A hub that lost it cannot give it again; the class goes on, and the hub gets it back."""
    course = row_of("course")
    version = row_of("course_version", course_id=course["id"], state="published")
    module = row_of("module", course_version_id=version["id"])
    lessons = [row_of("lesson", module_id=module["id"], title=title) for title in "ab"]
    sections = [row_of("section", lesson_id=lesson["id"]) for lesson in lessons]
    unused = row_of("course", code="nobody's")
    blocks = [
        block_of("course", course, unused),
        block_of("course_version", version),
        block_of("module", module),
        block_of("lesson", *lessons),
        block_of("section", *sections),
    ]
    reader.take(reader.page(blocks))
    with reader.db.changing() as tx:
        tx.run(CLASS, (UUID(int=50), SCHOOL))
        tx.run(COURSE_RUN, (UUID(int=51), SCHOOL, version["id"], UUID(int=50)))
        tx.run("DELETE FROM sync_dirty")
    reader.read_all("replace", LATER_INCARNATION)
    left = ("course", "course_version", "module", "lesson", "section")
    assert [reader.count(table) for table in left] == [1, 1, 1, 2, 2]
    for table in left:
        found = reader.db.tuples(f"SELECT DISTINCT owner_node_id, version FROM {table}")
        assert found == [(None, 2)]
    assert reader.count("sync_dirty") == 7


def test_what_a_hub_has_forgotten_to_have_taken_over_is_the_school_s_again(reader):
    taken = row_of("person", id=NOOR.bytes, owner_epoch=1 << 32, version=2)
    reader.take(reader.page([block_of("person", taken)]))
    reader.read_all("replace", LATER_INCARNATION)
    found = reader.db.tuples("SELECT owner_node_id, owner_epoch, version FROM person")
    assert found == [(None, 1 << 32, 3)]
    assert reader.count("sync_dirty") == 1


def test_a_page_of_the_reading_before_does_not_continue_the_new_one(reader):
    """Both begin at the beginning; the incarnation tells them apart."""
    reading = reader.begin("replace")
    first = wanted(reading).cursor
    old = reader.page([block_of("setting", row_of("setting"))], since=first)
    again = reader.begin("replace", LATER_INCARNATION)
    assert wanted(again).cursor.incarnation == LATER_INCARNATION
    assert again.take_page(old, now_ms=NOW_MS) == 0
    assert (reader.count("setting"), wanted(again)) == (0, None)


def test_giving_up_removes_nothing(reader):
    reader.take(reader.page([block_of("setting", row_of("setting"))]))
    reading = reader.begin("replace", LATER_INCARNATION)
    assert wanted(reading) is not None
    reading.give_up()
    assert wanted(reading) is None
    assert (reader.count("setting"), is_replacing(reader.db)) == (1, True)


def test_under_another_name_of_the_hub_no_cursor_counts_not_even_after_it_is_dropped_again(reader):
    """A hub rolled back twice: X, then Y, then X again, and not the X that was read."""
    begin_epoch(
        reader.db,
        epoch=UUID(int=8),
        incarnation=INCARNATION,
        why=Fork.HUB_AHEAD,
        now_ms=NOW_MS,
    )
    assert {cursor.incarnation for cursor in cursors(reader.db)} == {INCARNATION}
    for incarnation in (LATER_INCARNATION, INCARNATION):
        begin_epoch(
            reader.db,
            epoch=uuid7(NOW_MS),
            incarnation=incarnation,
            why=Fork.NEW_INCARNATION,
            now_ms=NOW_MS,
        )
        assert {cursor.incarnation for cursor in cursors(reader.db)} == {None}


def test_words_that_only_a_hub_of_before_took_over_are_kept_beside(reader):
    """Rolled back to before it had them, the hub takes the same row over once more."""
    taken = row_of("person", id=NOOR.bytes, owner_epoch=(1 << 32) + 1, version=9)
    reader.take(reader.page([block_of("person", taken)]))
    again = taken | {"owner_epoch": (2 << 32) + 1, "version": 2, "display_name": "of before"}
    reader.read_all("replace", LATER_INCARNATION, [block_of("person", again)])
    assert reader.db.value(NAME_OF, (NOOR,)) == "of before"
    assert reader.count("sync_conflict") == 1


def test_what_is_left_of_a_forgotten_person_is_not_kept_beside(reader):
    """A hub put back forgets again under a later number; both rows are about nobody."""
    left = {"id": NOOR.bytes, "display_name": "-", "state": "erased"}
    before = row_of("person", **left, owner_epoch=1, version=3)
    reader.take(reader.page([block_of("person", before)]))
    again = before | {"owner_epoch": (1 << 32) + 1}
    reader.read_all("replace", LATER_INCARNATION, [block_of("person", again)])
    assert (reader.db.value(NAME_OF, (NOOR,)), reader.count("sync_conflict")) == ("-", 0)
