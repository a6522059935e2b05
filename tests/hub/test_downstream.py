"""What the hub writes, on its way into a real box: real SQLite, the real hub over ASGI."""

from uuid import UUID

import apsw
import pytest

from appliance.ids import uuid7
from sync.agent.downstream import Downstream, FetchPage
from sync.agent.faults import Refused
from sync.agent.keys import read_node_key
from sync.agent.line import QUIET_S
from sync.agent.link import Link, Pass, open_client
from sync.agent.scopes import cursors, is_replacing
from sync.agent.sealing import Stamp
from sync.agent.session import Chance, Fetch, Greet, Send, Session
from sync.agent.status import status
from sync.agent.store import identity
from sync.hub.database import scoped
from sync.hub.identity import change_incarnation
from sync.hub.identity import identity as hub_identity
from sync.hub.outlet.authoring import give_back, put_row, take_ownership
from sync.protocol import SignedFeed
from sync.registry import TABLE, TABLES
from tests.hub.cast import NOW_MS
from tests.hub.real_box import NAME_OF, RENAME

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

FED = [table.name for table in TABLES if table.owner != "box"]
BEGIN_COURSE = "UPDATE course_run SET course_version_id = ?2, version = version + 1 WHERE id = ?1"
TITLES = "SELECT title FROM announcement WHERE deleted_at_ms IS NULL ORDER BY title"
OWNER_OF = "SELECT owner_node_id FROM person WHERE id = ?1"
WAITING = "SELECT count(*) FROM sync_dirty"
KEPT = "SELECT tbl, pk FROM sync_conflict"
PARKED = "SELECT tbl FROM sync_parked ORDER BY tbl"


class Staff:
    """The district's staff, at the hub's own tables."""

    def __init__(self, app, district):
        self.hub = app.state.hub
        self.district = district

    def at(self, scope_id):
        return scoped(self.hub.pools.web, school_id=scope_id, district_id=self.district.id)

    async def write(self, scope_id, table, **named):
        named = {"id": uuid7(NOW_MS)} | named
        async with self.at(scope_id) as link:
            await put_row(link, scope_id, table, named, now_ms=NOW_MS)
        return named["id"]

    async def announce(self, scope_id, title, **named):
        usual = {"org_id": scope_id, "title": title, "body": "", "from_at_ms": NOW_MS}
        return await self.write(scope_id, "announcement", **(usual | named))

    async def publish(self, scope_id, code="bio"):
        """A course down to one section; returns its version's id."""
        words = {"org_id": scope_id, "code": code, "title": "Biology", "language": "en"}
        course = await self.write(scope_id, "course", **words)
        words = {"number": 1, "state": "published", "content_hash": bytes(32)}
        version = await self.write(scope_id, "course_version", course_id=course, **words)
        part = {"title": "Cells", "rank": 1}
        module = await self.write(scope_id, "module", course_version_id=version, **part)
        lesson = await self.write(scope_id, "lesson", module_id=module, **part)
        await self.write(scope_id, "section", lesson_id=lesson, body="*leaf*", **part)
        return version

    async def move(self, how, school_id, row_id):
        async with self.at(school_id) as link:
            await how(link, school_id, "person", row_id, now_ms=NOW_MS)


@pytest.fixture
def staff(app, district):
    return Staff(app, district)


class Wire:
    """One box's conversation, carried by hand so that it can be cut anywhere."""

    def __init__(self, box):
        self.box = box
        self.me = identity(box.db)
        self.key = read_node_key(box.settings.keys)

    async def hello(self):
        """Send everything, then return what the hub said where the scopes stand."""
        chance = Chance(epoch=lambda: uuid7(NOW_MS), nonce=lambda: bytes(16))
        session = Session(self.box.db, self.key, chance)
        async with self.link() as link:
            while step := session.next_request(Stamp(NOW_MS, 1, 4, "0.2.0"), 1 << 20):
                match step:
                    case Greet():
                        session.take_hello(await link.greet(step), now_ms=NOW_MS)
                    case Send():
                        session.take_segment_answer(step, await link.send(step))
                    case Fetch():
                        session.take_page(await link.fetch(step), now_ms=NOW_MS)
        return session.agreed

    async def begin(self):
        return Downstream(self.box.db, await self.hello())

    def link(self):
        return Opened(self)

    async def page(self, step, limit=100):
        async with self.link() as link:
            asked = FetchPage(step.cursor, limit)
            return await link.get(asked.path, SignedFeed)


class Opened:
    def __init__(self, wire):
        self.wire = wire
        self.client = open_client("http://hub.test", wire.box.transport)

    async def __aenter__(self):
        client = await self.client.__aenter__()
        return Link(client, self.wire.me, self.wire.key, Pass(), lambda: 0.0)

    async def __aexit__(self, *error):
        await self.client.__aexit__(*error)


def next_fetch(reading):
    """Do local work until a page is wanted; None when there is nothing more."""
    while step := reading.next_request(now_ms=NOW_MS):
        if isinstance(step, FetchPage):
            return step
    return None


async def finish(wire, reading, limit=100):
    while step := next_fetch(reading):
        reading.take_page(await wire.page(step, limit), now_ms=NOW_MS)


def titles(box):
    return [title for (title,) in box.db.tuples(TITLES)]


def school_of(box):
    return identity(box.db).school_id


async def test_what_the_hub_writes_is_there_after_the_next_conversation(box, staff, district):
    await staff.announce(school_of(box), "Mvua kubwa: shule imefungwa")
    await staff.announce(district.id, "Mtihani wa taifa")
    await staff.publish(district.id)
    assert await box.agent.one_try() == QUIET_S
    assert titles(box) == ["Mtihani wa taifa", "Mvua kubwa: shule imefungwa"]
    assert box.db.value("SELECT body FROM section WHERE title = 'Cells'") == "*leaf*"
    assert box.db.value(WAITING) == 0
    assert not is_replacing(box.db)
    mine, there = box.digests(), await box.hub_digests()
    assert mine["announcement"][0] == there["announcement"][0] + 1  # the district's is in its scope
    assert mine["person"] == there["person"]


async def test_the_box_cannot_write_what_is_the_hub_s(box, staff, district):
    await staff.announce(district.id, "Fixed")
    await box.agent.one_try()
    with pytest.raises(apsw.ConstraintError, match="the district owns this row"):
        box.write("UPDATE announcement SET title = 'mine', version = version + 1")


async def test_a_change_and_a_deletion_follow(box, staff):
    row_id = await staff.announce(school_of(box), "First")
    await box.agent.one_try()
    await staff.announce(school_of(box), "Second", id=row_id)
    await box.agent.one_try()
    assert titles(box) == ["Second"]
    await staff.write(school_of(box), "announcement", id=row_id, deleted_at_ms=NOW_MS)
    await box.agent.one_try()
    assert titles(box) == []


async def test_a_new_board_gets_the_school_s_rows_by_pull_and_the_hub_s_by_feed(
    box, new_box, staff, district
):
    await staff.announce(school_of(box), "For the school")
    await staff.publish(district.id)
    await staff.move(take_ownership, school_of(box), box.cast.anh)
    await box.agent.one_try()
    board = new_box("replacement")
    board.wish(await district.token(mode="replace", school_id=str(school_of(box))))
    assert await board.agent.one_try() == QUIET_S, status(board.db)
    assert board.digests() == box.digests()
    assert board.db.value(OWNER_OF, (box.cast.anh,)) is not None


async def test_a_restored_box_reads_again_what_it_had_read(box, staff):
    backup = box.image()
    await staff.announce(school_of(box), "After the backup")
    await box.agent.one_try()
    box.put_image(backup)
    await box.agent.one_try()
    assert titles(box) == ["After the backup"]


async def test_a_conversation_may_be_cut_between_any_two_pages(box, staff):
    for number in range(4):
        await staff.announce(school_of(box), f"No. {number}")
    wire = Wire(box)
    for _ in range(6):
        reading = await wire.begin()
        step = next_fetch(reading)
        if step is not None:
            reading.take_page(await wire.page(step, limit=1), now_ms=NOW_MS)
    assert titles(box) == ["No. 0", "No. 1", "No. 2", "No. 3"]
    await finish(wire, await wire.begin())
    assert next_fetch(await wire.begin()) is None


async def test_a_page_repeated_or_out_of_order_changes_nothing(box, staff):
    row_id = await staff.announce(school_of(box), "Old words")
    wire = Wire(box)
    reading = await wire.begin()
    early = []
    while step := next_fetch(reading):
        early.append(await wire.page(step))
        reading.take_page(early[-1], now_ms=NOW_MS)
    await staff.announce(school_of(box), "New words", id=row_id)
    await box.agent.one_try()
    before = cursors(box.db)
    for page in early:
        late = await wire.begin()
        assert late.take_page(page, now_ms=NOW_MS) == 0
        assert next_fetch(late) is None  # the next hello tells where both stand
    assert (titles(box), cursors(box.db)) == (["New words"], before)


async def keep_backup(as_role):
    """What the hub wrote until now, as a backup has it."""
    owner = await as_role("postgres")
    await owner.execute("DROP SCHEMA IF EXISTS backup CASCADE; CREATE SCHEMA backup")
    for table in FED:
        await owner.execute(f"CREATE TABLE backup.{table} AS SELECT * FROM {table}")


async def roll_back(staff, as_role):
    """Put the backup back as the runbook says, which changes the incarnation."""
    owner = await as_role("postgres")
    for table in FED:
        await owner.execute(f"DELETE FROM {table} WHERE owner_node_id IS NOT NULL")
        await owner.execute(
            f"INSERT INTO {table} SELECT * FROM backup.{table} WHERE owner_node_id IS NOT NULL"
        )
        await owner.execute(
            f"DELETE FROM sync_feed WHERE tbl = {TABLE[table].number}"
            f" AND pk NOT IN (SELECT id FROM {table})"
        )
    async with scoped(staff.hub.pools.ingest) as link:
        before = await hub_identity(link)
        await change_incarnation(link, before.incarnation, now_ms=NOW_MS)


async def test_a_rolled_back_hub_s_scopes_are_replaced(box, staff, as_role):
    await staff.announce(school_of(box), "Kept")
    changed = await staff.announce(school_of(box), "As it was")
    await keep_backup(as_role)
    await staff.announce(school_of(box), "Written after the backup")
    await staff.announce(school_of(box), "Changed after the backup", id=changed)
    await box.agent.one_try()
    assert len(titles(box)) == 3
    await roll_back(staff, as_role)
    assert await box.agent.one_try() == QUIET_S
    assert titles(box) == ["As it was", "Kept"]
    assert await box.hub_digests() == box.digests()
    assert not is_replacing(box.db)
    assert box.db.value("SELECT count(*) FROM sync_seen") == 0


async def test_a_replacement_that_is_cut_removes_nothing_until_it_has_read_everything(
    box, staff, as_role, district
):
    await staff.announce(district.id, "District")
    for number in range(3):
        await staff.announce(school_of(box), f"No. {number}")
    await keep_backup(as_role)
    await staff.announce(school_of(box), "Lost at the hub")
    await box.agent.one_try()
    await roll_back(staff, as_role)
    wire, wanted = Wire(box), 5
    await wire.hello()
    while is_replacing(box.db) or wanted == 5:
        reading = await wire.begin()
        for _ in range(3):
            step = next_fetch(reading)
            if step is None:
                break
            assert len(titles(box)) == wanted
            reading.take_page(await wire.page(step, limit=1), now_ms=NOW_MS)
        wanted = len(titles(box)) if not is_replacing(box.db) else 5
    assert titles(box) == ["District", "No. 0", "No. 1", "No. 2"]


async def test_a_machine_that_was_put_back_with_all_its_names_is_noticed(box, staff):
    """A snapshot of a virtual machine keeps incarnation, system and timeline."""
    await staff.announce(school_of(box), "Written")
    await box.agent.one_try()
    box.write("UPDATE sync_scope SET xid = xid + 1000000 WHERE scope_id = ?1", school_of(box))
    states = {state.state for state in (await Wire(box).hello()).scopes}
    assert states == {"level", "replace"}
    await box.agent.one_try()
    assert titles(box) == ["Written"]
    assert {state.state for state in (await Wire(box).hello()).scopes} == {"level"}


async def test_what_a_school_rests_on_outlives_a_hub_that_lost_it(box, staff, as_role):
    """A published course with a class in it, a pupil taken over, the list of the forgotten."""
    await keep_backup(as_role)
    version = await staff.publish(school_of(box))
    await staff.publish(school_of(box), code="nobody's")
    await staff.move(take_ownership, school_of(box), box.cast.noor)
    await staff.write(school_of(box), "erasure", org_id=school_of(box), at_ms=NOW_MS)
    await box.agent.one_try()
    run = UUID(bytes=box.db.value("SELECT id FROM course_run LIMIT 1"))
    box.write(BEGIN_COURSE, run, version)
    await roll_back(staff, as_role)
    for _ in range(2):
        assert await box.agent.one_try() == QUIET_S, status(box.db)
    codes = [code for (code,) in box.db.tuples("SELECT code FROM course")]
    assert ("bio" in codes, "nobody's" in codes) == (True, False)
    assert box.db.value("SELECT count(*) FROM section WHERE body = '*leaf*'") == 1
    assert box.db.value(NAME_OF, (box.cast.noor,)) == "نور الهدى"
    assert box.db.value(OWNER_OF, (box.cast.noor,)) is None
    assert box.db.value("SELECT count(*) FROM erasure") == 1
    mine, there = box.digests(), await box.hub_digests()
    assert {name for name in mine if mine[name] != there[name]} <= {"erasure"}


async def test_an_unsent_edit_of_a_row_the_hub_took_over_is_kept_beside(box, staff):
    await staff.move(take_ownership, school_of(box), box.cast.amina)
    wire = Wire(box)
    reading = await wire.begin()
    box.write(RENAME, box.cast.amina, "typed meanwhile")
    await finish(wire, reading)
    assert box.db.value(NAME_OF, (box.cast.amina,)) == "Amina Otieno"
    assert box.db.value(OWNER_OF, (box.cast.amina,)) == identity(box.db).hub_id.bytes
    assert box.db.tuples(KEPT) == [(TABLE["person"].number, box.cast.amina.bytes)]
    assert box.db.value(WAITING) == 0
    await box.agent.one_try()
    assert status(box.db).contact.put_aside == 0


async def test_a_row_given_back_is_the_school_s_to_write_again(box, staff):
    for how in (take_ownership, give_back):
        await staff.move(how, school_of(box), box.cast.jose)
        await box.agent.one_try()
    await box.agent.one_try()
    assert box.db.value(OWNER_OF, (box.cast.jose,)) is None
    box.write(RENAME, box.cast.jose, "José Álvarez")
    await box.agent.one_try()
    assert await box.hub_digests() == box.digests()
    assert status(box.db).contact.put_aside == 0


async def test_a_box_that_slept_through_both_moves_ends_with_the_hub_s_words(box, staff):
    for how in (take_ownership, give_back):
        await staff.move(how, school_of(box), box.cast.jose)
    box.write(RENAME, box.cast.jose, "typed while asleep")
    await box.agent.one_try()
    await box.agent.one_try()
    assert await box.hub_digests() == box.digests()


async def test_a_hub_rolled_back_between_hello_and_page_is_asked_again(box, staff, as_role):
    await staff.announce(school_of(box), "There")
    wire = Wire(box)
    reading = await wire.begin()
    step = next_fetch(reading)
    await keep_backup(as_role)
    await roll_back(staff, as_role)
    with pytest.raises(Refused) as refused:
        await wire.page(step)
    assert refused.value.reason == "cursor-unknown"
    assert await box.agent.one_try() == QUIET_S
    assert titles(box) == ["There"]
