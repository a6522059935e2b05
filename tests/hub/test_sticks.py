"""Sticks at the hub: by the same way in as the net, in any order, twice, broken, from strangers."""

import random
import shutil
from uuid import UUID

import asyncpg
import pytest
from nacl.signing import SigningKey

from appliance.ids import uuid7
from sync.agent import answers, stick
from sync.agent.sealing import Stamp
from sync.agent.status import status
from sync.agent.store import identity
from sync.core.bundle import MANIFEST, lock, segment_place, stream_folder
from sync.core.segment import MAGIC
from sync.hub.database import scoped
from sync.hub.faults import StickTrouble
from sync.hub.intake import holding
from sync.hub.outlet.authoring import put_row
from sync.hub.sticks.came import words_of
from sync.hub.sticks.command import import_folder
from sync.hub.sticks.importing import boards_on, import_stream
from sync.stick import Stick
from tests.cast import a_school, new_id
from tests.full_disk import small_files
from tests.hub.cast import NOW_MS, facts
from tests.hub.real_box import NAME_OF, RENAME, RealBox
from tests.hub.test_real_agent import ADD_REVISION, CUSTODY, HAND_IN, forget_last_segment

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


class Carrier(RealBox):
    """A board whose work goes on sticks."""

    def tools(self, *, is_alone=True):
        listed = self.settings.erased_people
        files = self.settings.blobs
        return stick.Tools(self.db, self.key, is_alone, listed, files, lambda _words: None)

    def export(self, folder, **how):
        now_ms = self.watch()
        stamp = Stamp(now_ms=now_ms, clock_quality=1, schema_version=2, app_version="0.2.0")
        return stick.export_stick(self.tools(**how), Stick(folder), stamp)

    def bring_back(self, folder, **how):
        found = answers.import_stick(self.tools(**how), Stick(folder), now_ms=self.watch())
        return [each.words for each in found]

    @property
    def waiting(self):
        return status(self.db).waiting

    def folder(self, root, lane=0):
        me = identity(self.db)
        return root / stream_folder(me.node_id, me.epoch) / str(lane)

    def rename(self, name):
        self.write(RENAME, self.cast.amina, name)


class Courier:
    """Whoever brings sticks to the hub."""

    def __init__(self, hub, root, district_id):
        self.hub = hub
        self.district_id = district_id
        self.root = root
        self.sticks = 0

    def new_stick(self):
        self.sticks += 1
        folder = self.root / f"stick-{self.sticks}"
        folder.mkdir()
        return folder

    async def deliver(self, folder):
        opened = Stick(folder)
        return [await import_stream(self.hub, opened, came) for came in boards_on(opened)]

    async def round(self, *boxes):
        """One stick there and back."""
        folder = self.new_stick()
        for box in boxes:
            box.export(folder)
        came = await self.deliver(folder)
        for box in boxes:
            box.bring_back(folder)
        return came


@pytest.fixture
def board():
    return Carrier


@pytest.fixture
async def box(new_box, district):
    """A school that joined once, over the net, and has had no link since."""
    return await join(new_box("first"), district)


async def join(box, district):
    with box.db.changing() as tx:
        box.cast = a_school(tx)
    box.wish(await district.token())
    await box.agent.one_try()
    assert box.waiting == 0
    return box


@pytest.fixture
def courier(app, tmp_path, district):
    return Courier(app.state.hub, tmp_path, district.id)


@pytest.fixture
async def see(dsn):
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


HELD = "SELECT n FROM sync_held WHERE raw IS NOT NULL ORDER BY n"


async def held(see):
    return [record["n"] for record in await see.fetch(HELD)]


async def agree(box):
    assert box.waiting == 0
    assert await box.hub_digests() == box.digests()


async def test_a_hand_in_reaches_the_district_without_a_link(box, courier):
    submission, revision = new_id(), new_id()
    box.write(HAND_IN, submission, box.cast.village, box.cast.amina)
    box.write(ADD_REVISION, revision, submission, box.cast.amina, 1, "My village.")
    assert box.db.value(CUSTODY, (revision,)) == "box"
    (came,) = await courier.round(box)
    assert (came.taken, came.known, came.waits, came.aside) == (1, 0, {}, [])
    assert box.db.value(CUSTODY, (revision,)) == "district"
    await agree(box)


async def test_lost_repeated_and_older_sticks_change_nothing(box, courier, see):
    lost, older, newer = (courier.new_stick() for _ in range(3))
    for folder in (lost, older, newer):
        box.rename(f"Amina on {folder.name}")
        box.export(folder)
    for folder in (newer, newer, older):
        await courier.deliver(folder)
    count = await see.fetchval("SELECT count(*) FROM sync_inbox")
    (again,) = await courier.deliver(newer)
    assert (again.taken, again.known) == (0, 3)
    assert await see.fetchval("SELECT count(*) FROM sync_inbox") == count
    box.bring_back(newer)
    await agree(box)
    epoch = identity(box.db).epoch
    assert box.bring_back(older) == ["older than what this box has heard"]
    assert (box.waiting, identity(box.db).epoch) == (0, epoch)


async def three_segments(box, folder):
    for number in range(3):
        box.rename(f"Amina {number}")
        box.export(folder)
    return sorted(box.folder(folder).glob("*.seg.box"))


async def test_what_comes_before_its_turn_waits_until_the_gap_closes(box, courier, see):
    """By a stick, or over the net."""
    folder = courier.new_stick()
    first, *_ = await three_segments(box, folder)
    taken_out = first.read_bytes()
    first.unlink()
    (came,) = await courier.deliver(folder)
    assert (came.taken, came.waits) == (0, {"until segment 2 comes": 2})
    assert await held(see) == [3, 4]
    first.write_bytes(taken_out)
    for each in sorted(box.folder(folder).glob("*"))[1:]:
        each.unlink()
    (came,) = await courier.deliver(folder)
    assert came.taken == 1
    assert await held(see) == []
    box.bring_back(folder)
    await agree(box)
    folder = courier.new_stick()
    first, *_ = await three_segments(box, folder)
    first.unlink()
    await courier.deliver(folder)
    await box.agent.one_try()
    assert await held(see) == []
    assert await see.fetchval("SELECT max(received_n) FROM sync_stream") == 7
    await agree(box)


async def test_what_waits_is_bounded_and_stops_nobody(box, courier, see, monkeypatch):
    monkeypatch.setattr(holding, "HELD_MAX", 1)
    folder = courier.new_stick()
    first, *_ = await three_segments(box, folder)
    first.unlink()
    (came,) = await courier.deliver(folder)
    assert sorted(came.waits.values()) == [1, 1]
    assert await held(see) == [3]
    await courier.round(box)
    await agree(box)
    folder = courier.new_stick()
    first, *_ = await three_segments(box, folder)
    first.unlink()
    await courier.deliver(folder)
    await see.execute(
        "UPDATE sync_held SET raw = substr(raw, 1, length(raw) - 64) || $1 WHERE n = 6", bytes(64)
    )
    await box.agent.one_try()
    await agree(box)


def spoilt(content):
    """Every way a file comes back from a pulled or worn stick."""
    at = random.Random(4).randrange(len(content))
    return [
        content[: len(content) // 2],
        content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
        b"",
        random.Random(5).randbytes(500),
    ]


async def test_a_damaged_file_is_named_and_the_next_stick_mends_it(box, courier):
    """A segment, or the manifest: then everything is taken in and nothing answered."""
    folder = courier.new_stick()
    files = await three_segments(box, folder)
    for number, content in enumerate(spoilt(files[1].read_bytes())):
        files[1].write_bytes(content)
        (came,) = await courier.deliver(folder)
        assert came.aside[0].startswith("left on the stick: 0/3.seg.box: ")
        assert came.waits == {"until segment 3 comes": 1}
        assert (came.taken, came.known) == ((1, 0) if number == 0 else (0, 1))
    box.bring_back(folder)
    await courier.round(box)
    await agree(box)
    folder = courier.new_stick()
    box.rename("Amina")
    box.export(folder)
    manifest = box.folder(folder).parent / MANIFEST
    for content in spoilt(manifest.read_bytes()):
        manifest.write_bytes(content)
        (came,) = await courier.deliver(folder)
        assert (came.taken + came.known, came.answer_no) == (1, None)
        assert "no answer can be given" in came.aside[0]
    assert box.bring_back(folder) == []
    await courier.round(box)
    await agree(box)


async def test_another_districts_stick_is_left_as_it_is(box, courier, see):
    """Made for a hub with another key: neither read nor answered."""
    stranger = bytes(SigningKey.generate().verify_key)
    box.write("UPDATE sync_identity SET hub_key = ?1, hub_id = ?2", stranger, uuid7(NOW_MS))
    box.rename("Amina")
    folder = courier.new_stick()
    box.export(folder)
    before = await see.fetchval("SELECT count(*) FROM sync_inbox")
    (came,) = await courier.deliver(folder)
    assert (came.taken, came.answer_no) == (0, None)
    assert "for another district" in came.aside[0]
    assert "locked for somebody else" in came.aside[1]
    assert await see.fetchval("SELECT count(*) FROM sync_inbox") == before


async def test_a_stranger_can_lock_for_the_hub_and_is_not_believed(box, courier, district, see):
    """The hub's key is public to whoever enrolled: only a node's signature opens the door."""
    school = await district.school("Riverside School")
    folder = courier.new_stick()
    forged = {
        "another key": school.seal(facts(1), key=SigningKey.generate()),
        "unknown node": school.seal(facts(1), node_id=UUID(int=9)),
        "another school": school.seal(facts(1), school_id=identity(box.db).school_id),
    }
    for n, sealed in enumerate(forged.values(), 1):
        node_id = UUID(int=9) if n == 2 else school.node_id
        place = folder / segment_place(node_id, school.epoch, 0, n)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(lock(sealed.payload, courier.hub.key.public))
    found = await courier.deliver(folder)
    assert sum(came.taken for came in found) == 0
    assert len([each for came in found for each in came.aside if "seg.box" in each]) == 3
    assert await held(see) == []


async def test_names_and_folders_and_links_are_not_believed(box, courier, tmp_path):
    box.rename("Amina")
    folder = courier.new_stick()
    box.export(folder)
    me, elsewhere = identity(box.db), folder / segment_place(UUID(int=3), UUID(int=4), 0, 2)
    elsewhere.parent.mkdir(parents=True)
    shutil.move(folder / segment_place(me.node_id, me.epoch, 0, 2), elsewhere)
    found = {came.node_id: came for came in await courier.deliver(folder)}
    assert sum(came.taken for came in found.values()) == 0
    assert "another box's folder" in found[UUID(int=3)].aside[1]
    shutil.move(folder / stream_folder(me.node_id, me.epoch), elsewhere.parent / "moved")
    manifest = elsewhere.parent.parent / MANIFEST
    shutil.move(elsewhere.parent / "moved" / MANIFEST, manifest)
    (came,) = await courier.deliver(folder)
    assert "manifest.bin: it is about another box" in came.aside[0]
    folder = courier.new_stick()
    box.export(folder)
    elsewhere = tmp_path / "elsewhere"
    shutil.move(box.folder(folder), elsewhere)
    box.folder(folder).symlink_to(elsewhere, target_is_directory=True)
    (came,) = await courier.deliver(folder)
    assert came.taken == 0


async def test_the_command_says_what_came_and_what_waits(box, courier, settings, watch, tmp_path):
    said = []
    await import_folder(settings, courier.new_stick(), watch, said.append)
    assert said.pop().startswith("There is nothing from a school in ")
    with pytest.raises(StickTrouble, match="is the stick mounted"):
        await import_folder(settings, tmp_path / "nowhere", watch, said.append)
    folder = courier.new_stick()
    first, *_ = await three_segments(box, folder)
    first.unlink()
    await import_folder(settings, folder, watch, said.append)
    node_id = identity(box.db).node_id
    assert said[0].endswith(f"box {node_id}: 0 segments came, 0 were there already")
    assert said[1] == "  2 wait until segment 2 comes"
    assert said[-1].endswith("carry it back")
    box.export(folder)
    with small_files(100):
        (came,) = await courier.deliver(folder)
    assert (came.taken, came.answer_no) == (1, None)
    assert "could not be written: the stick is full" in came.aside[0]
    came.aside = [str(number) for number in range(25)]
    assert words_of(came)[-1] == "  and 5 more like these"


async def test_nothing_readable_is_on_a_stick_there_or_back(box, courier):
    names = ["Amina Otieno Mwangi", "José Álvarez-Núñez", "نور الهدى", "Nguyễn Thị Ánh"]
    folder = courier.new_stick()
    for name in names:
        box.rename(name)
    box.export(folder)
    await courier.deliver(folder)
    found = b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file())
    found += " ".join(str(each.relative_to(folder)) for each in folder.rglob("*")).encode()
    told = (
        "SELECT display_name FROM person",
        "SELECT name FROM org_unit",
        "SELECT name FROM class_group",
        "SELECT title FROM course",
    )
    known = {str(text) for sql in told for (text,) in box.db.tuples(sql)} | set(names)
    assert len(known) > 8
    parts = {part for each in known for part in each.split() if len(part) > 3}
    assert [part for part in parts if part.encode() in found] == []
    assert MAGIC not in found  # compressed words show no letters, and are no secret


async def test_two_schools_share_a_stick(box, new_box, district, courier):
    other = await join(new_box("other"), district)
    box.rename("Amina of the first")
    other.rename("Amina of the other")
    found = await courier.round(box, other)
    assert sorted(came.taken for came in found) == [1, 1]
    await agree(box)
    await agree(other)


async def test_a_stick_of_a_life_that_is_over_is_still_taken_in(box, courier):
    """The stick was on its way while the box was restored and began anew over the net."""
    backup = box.image()
    box.rename("only on the stick")
    late = courier.new_stick()
    box.export(late)
    await box.agent.one_try()
    box.put_image(backup)
    await box.agent.one_try()
    (came,) = await courier.deliver(late)
    assert came.known == 1
    (words,) = box.bring_back(late)
    assert "earlier life" in words
    await box.agent.one_try()
    await agree(box)
    assert box.db.value(NAME_OF, (box.cast.amina,)) == "only on the stick"


async def test_a_restored_box_is_repaired_by_sticks_alone(box, courier):
    """Two histories of the same numbers, and never a link."""
    backup = box.image()
    box.rename("told to the district")
    await courier.round(box)
    box.put_image(backup)
    box.write(RENAME, box.cast.jose, "typed after the restore")
    first = courier.new_stick()
    box.export(first)
    (came,) = await courier.deliver(first)
    assert "another history" in came.aside[0]
    epoch = identity(box.db).epoch
    (words,) = box.bring_back(first, is_alone=False)
    assert "speaking with the district" in words
    assert identity(box.db).epoch == epoch
    (words,) = box.bring_back(first)
    assert "a repair was begun" in words
    second = courier.new_stick()
    assert box.export(second).is_owed
    await courier.deliver(second)
    (words,) = box.bring_back(second)
    assert "rows of this school came back" in words
    assert box.db.value(NAME_OF, (box.cast.amina,)) == "told to the district"
    await courier.round(box)
    await agree(box)
    assert box.db.value(NAME_OF, (box.cast.jose,)) == "typed after the restore"


async def test_two_boards_with_one_card_both_keep_their_weeks(box, new_box, courier):
    """Neither has ever had a link; each is told by its own stick."""
    twin = new_box("twin")
    (twin.settings.keys / "node.key").write_bytes(box.key.encode())
    twin.put_image(box.image())
    twin.cast, twin.key = box.cast, box.key
    box.rename("a week on the first board")
    twin.write(RENAME, box.cast.jose, "a week on the second board")
    for _ in range(5):  # told, repaired, sent, fetched by the other, sent again as its own
        await courier.round(box)
        await courier.round(twin)
    await agree(box)
    await agree(twin)
    assert box.db.value(NAME_OF, (box.cast.jose,)) == "a week on the second board"
    assert twin.db.value(NAME_OF, (box.cast.amina,)) == "a week on the first board"


async def test_a_late_stick_reaches_a_hub_that_went_back_in_time(box, courier, as_role):
    box.rename("first")
    late = courier.new_stick()
    box.export(late)
    await courier.deliver(late)
    box.bring_back(late)
    past = await as_role("postgres")
    await forget_last_segment(past, identity(box.db).school_id)
    box.rename("second")
    incarnation = identity(box.db).incarnation
    for _ in range(3):
        await courier.round(box)
    assert identity(box.db).incarnation != incarnation
    await agree(box)
    (came,) = await courier.deliver(late)
    assert (came.taken, came.aside) == (1, [])
    await courier.round(box)
    await agree(box)


async def test_what_the_district_writes_comes_down_on_the_stick(box, courier, app):
    me = identity(box.db)
    scope = {"id": uuid7(NOW_MS), "org_id": me.school_id, "title": "Mkutano wa wazazi", "body": ""}
    pools, announced = app.state.hub.pools, scope | {"from_at_ms": NOW_MS, "until_at_ms": None}
    async with scoped(pools.web, school_id=me.school_id, district_id=courier.district_id) as link:
        await put_row(link, me.school_id, "announcement", announced, now_ms=NOW_MS)
    folder = courier.new_stick()
    box.export(folder)
    await courier.deliver(folder)
    assert "rows came from the district" in box.bring_back(folder)[0]
    assert box.db.tuples("SELECT title FROM announcement") == [("Mkutano wa wazazi",)]
    found = b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file())
    assert b"Mkutano" not in found
    await agree(box)


async def test_who_is_forgotten_is_forgotten_by_sticks_too(box, courier, district, see):
    """Also in what waits for its turn, and on a stick that arrives afterwards."""
    known, late = box.db.value(NAME_OF, (box.cast.amina,)), courier.new_stick()
    first, *_ = await three_segments(box, late)
    shutil.copytree(late, late.with_name("copy"))
    first.unlink()
    await courier.deliver(late)
    assert await held(see) == [3, 4]
    path = f"/api/v1/schools/{identity(box.db).school_id}/erasures"
    wish = {"person_id": str(box.cast.amina), "name": known, "reason": "A parent asked."}
    assert (await district.client.post(path, json=wish)).is_success
    assert await held(see) == []
    (came,) = await courier.deliver(late)  # once more, and the gap is still there
    assert await held(see) == []
    assert sum(came.waits.values()) == 2
    await courier.deliver(late.with_name("copy"))
    for _ in range(2):
        await courier.round(box)
    assert box.db.value(NAME_OF, (box.cast.amina,)) is None
    assert await see.fetchval("SELECT count(*) FROM person WHERE id = $1", box.cast.amina) == 0
    assert await see.fetchval("SELECT count(*) FROM erasure_answer") == 1
    await agree(box)


CLOSE = "UPDATE node SET state = $2 WHERE id = $1"


async def test_the_work_of_a_closed_box_is_kept_aside_and_it_gets_no_answer(box, courier, see):
    box.rename("Amina")
    folder = courier.new_stick()
    box.export(folder)
    await see.execute(CLOSE, identity(box.db).node_id, "revoked")
    (came,) = await courier.deliver(folder)
    assert (came.taken, came.answer_no) == (1, None)
    assert "closed by the district" in came.aside[0]
    assert await see.fetchval("SELECT count(*) FROM sync_quarantine") == 1
