"""Files beside the rows: after them, piece by piece, and back again when a board is lost."""

import asyncio
import hashlib
import os
import shutil
from uuid import UUID

import httpx
import pytest

from appliance.attachments.queries import files_of
from appliance.room import FILES_BYTES_MIN, card_of
from appliance.submissions.commands import hand_in
from appliance.submissions.models import HandIn, Stamp
from sync.agent.blobs import Blobs, drop_orphans
from sync.agent.line import QUIET_S
from sync.agent.link import Link, Pass, open_client
from sync.agent.status import room_lines, status
from sync.agent.store import identity
from sync.core.hub import next_generation
from sync.hub.blobs.keeping import MOVE_BLOB, OPEN_BLOB, write_piece
from sync.hub.blobs.tidying import LOOKED_AT_MAX, UNKNOWN_MS, tidy_files
from sync.hub.database import SCOPE
from sync.protocol import BLOB_CHUNK_BYTES_MAX, BlobChunk, BlobState, decode, encode
from tests.cast import NOW_MS, new_id
from tests.full_disk import delete_films, fill, small_card, why_no_card
from tests.hub.cast import facts, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

WHY_NO_CARD = why_no_card()
PHOTO = os.urandom(2 * BLOB_CHUNK_BYTES_MAX + 1_000)  # three pieces
ADD_FILE = (
    "INSERT INTO attachment (id, submission_revision_id, person_id, name, mime, size_bytes,"
    " sha256, saved_at_ms) VALUES (?1, ?2, ?3, 'picha.jpg', 'image/jpeg', ?4, ?5, ?6)"
)


class Cut(httpx.AsyncBaseTransport):
    """A link that breaks at every piece of a file but the first few."""

    def __init__(self, inner, pieces):
        self.inner = inner
        self.left = pieces

    async def handle_async_request(self, request):
        if request.url.path.startswith("/sync/v1/blobs"):
            self.left -= 1
            if self.left < 0:
                raise httpx.ConnectError("cut")
        return await self.inner.handle_async_request(request)


def cut_after(box, pieces):
    inner = box.transport
    box.transport = Cut(inner, pieces)
    box.close()
    box.open()
    return inner


def mended(box, inner):
    box.transport = inner
    box.close()
    box.open()


@pytest.fixture
def photo(box):
    """Amina's work with a photo, on the box; the ids of both."""
    revision_id, school = new_id(), box.cast
    digest = hashlib.sha256(PHOTO).digest()
    with box.db.changing() as tx:
        work = HandIn(assessment_id=school.village, body="With a photo.")
        receipt = hand_in(
            tx, school.amina, revision_id, work, submission_id=new_id(), stamp=Stamp(NOW_MS, 3)
        )
        tx.run(ADD_FILE, (new_id(), revision_id, school.amina, len(PHOTO), digest, NOW_MS))
    box.settings.blobs.mkdir(exist_ok=True)
    path = box.settings.blobs / digest.hex()
    path.write_bytes(PHOTO)
    return receipt.submission_id, path


def level(box, submission_id):
    (file,) = files_of(box.db, submission_id, box.cast.amina)
    return file.custody_level


def hub_file(settings, box, path):
    return settings.data / "blobs" / str(identity(box.db).school_id) / path.name


async def test_a_file_is_at_the_district_once_its_content_was_hashed_there(box, photo, settings):
    submission_id, path = photo
    assert level(box, submission_id) == "box"
    assert await box.agent.one_try() == QUIET_S, status(box.db)
    assert level(box, submission_id) == "district"
    assert hub_file(settings, box, path).read_bytes() == PHOTO


async def test_a_cut_costs_a_piece_and_never_the_row(box, photo, settings):
    submission_id, path = photo
    inner = cut_after(box, 2)  # the question, one piece
    await box.agent.one_try()
    assert level(box, submission_id) == "box"
    assert status(box.db).waiting == 0  # the work itself is there
    assert hub_file(settings, box, path).stat().st_size == BLOB_CHUNK_BYTES_MAX
    mended(box, inner)
    box.transport = inner
    await box.agent.one_try()
    assert level(box, submission_id) == "district"


async def test_a_new_board_gets_the_file_back_in_pieces(box, photo, new_box, district):
    _, path = photo
    await box.agent.one_try()
    board = new_box("replacement")
    token = await district.token(mode="replace", school_id=str(identity(box.db).school_id))
    inner = cut_after(board, 2)
    board.wish(token)
    await board.agent.one_try()
    there = board.settings.blobs / path.name
    assert not there.exists()
    mended(board, inner)
    await board.agent.one_try()
    assert there.read_bytes() == PHOTO


@pytest.fixture
def on_a_card(tmp_path, new_box):
    """An empty board on a small card of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    with small_card(folder, mib=100):
        yield new_box("small")


@pytest.mark.skipif(bool(WHY_NO_CARD), reason=WHY_NO_CARD)
async def test_files_come_back_only_while_the_card_has_room_and_then_by_themselves(
    box, photo, on_a_card, district, caplog
):
    """What is left is for hand-ins; a new board that fetches a term's photos must not take it."""
    path = on_a_card.settings.blobs / photo[1].name
    await box.agent.one_try()
    on_a_card.wish(await district.token(mode="replace", school_id=str(identity(box.db).school_id)))
    inner = cut_after(on_a_card, 0)
    await on_a_card.agent.one_try()
    mended(on_a_card, inner)
    fill(path.parents[1], left=FILES_BYTES_MIN // 100 + BLOB_CHUNK_BYTES_MAX)  # 100 MiB of 10 GB
    await on_a_card.agent.one_try()
    assert not path.exists()
    assert 0 < path.with_suffix(".part").stat().st_size < len(PHOTO)
    assert "files wait for room on the card count=1" in caplog.messages
    assert "reserve" not in card_of(path.parents[1]).sheds
    assert "1 files of hand-ins wait to come back" in room_lines(on_a_card.db, path.parent)[0]
    delete_films(path.parents[1])
    await on_a_card.agent.one_try()
    assert path.read_bytes() == PHOTO
    assert room_lines(on_a_card.db, path.parent) == []


async def test_a_hub_that_was_rolled_back_is_asked_again(box, photo, as_role):
    submission_id, _ = photo
    await box.agent.one_try()
    hub = await as_role("postgres")
    await hub.execute("DELETE FROM sync_blob")
    await hub.execute("UPDATE hub_identity SET incarnation = gen_random_uuid()")
    for _ in range(2):
        await box.agent.one_try()
    assert await hub.fetchval("SELECT count(*) FROM sync_blob WHERE whole_at_ms > 0") == 1
    assert level(box, submission_id) == "district"


async def test_files_wait_while_rows_do(box, photo, as_role):
    me = identity(box.db)
    async with open_client("http://hub.test", box.transport) as client:
        link = Link(client, me, box.key, Pass(), lambda: 0.0)
        waiting = Blobs(box.db, link, box.settings.blobs, box.watch, lambda: True)
        assert await waiting.run() == 0
    assert await (await as_role("postgres")).fetchval("SELECT count(*) FROM sync_blob") == 0


async def test_a_file_that_nobody_names_any_more_goes(box, photo):
    _, path = photo
    assert drop_orphans(box.db, box.settings.blobs) == 0
    with box.db.changing() as tx:
        tx.run("UPDATE sync_identity SET applying = 1")
        tx.run("DELETE FROM attachment")
        tx.run("UPDATE sync_identity SET applying = 0")
    assert drop_orphans(box.db, box.settings.blobs) == 1
    assert not path.exists()


@pytest.fixture
def backup(box):
    return box.image()


async def test_a_file_outlives_a_restored_backup_until_its_row_is_back(box, backup, photo):
    """Its row had gone to the district, its content had not: it is on this card alone."""
    submission_id, path = photo
    inner = cut_after(box, 0)
    await box.agent.one_try()
    mended(box, inner)
    box.put_image(backup)

    class Unreached(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            if request.url.path.endswith("/pull"):
                raise httpx.ConnectError("cut")
            return await inner.handle_async_request(request)

    mended(box, Unreached())
    await box.agent.one_try()
    assert path.exists()
    mended(box, inner)
    await box.agent.one_try()
    assert path.exists()
    assert level(box, submission_id) == "district"


async def test_what_a_cut_has_left_goes_in_a_quiet_conversation(box, photo):
    _, path = photo
    left = path.with_name(hashlib.sha256(b"cut off").hexdigest())
    left.write_bytes(b"cut off")
    await box.agent.one_try()
    assert (path.exists(), left.exists()) == (True, False)


# What a box may say to the hub, by hand.


@pytest.fixture
async def school(district):
    """A box whose work names one file of ten bytes."""
    return await naming_ten_bytes(await district.school())


async def naming_ten_bytes(school):
    digest = hashlib.sha256(b"0123456789").digest()
    await school.send(rows("attachment", values("attachment", sha256=digest, size_bytes=10)))
    school.digest = digest
    return school


def chunk(sha256, data=b"", offset=0, digest=None):
    digest = hashlib.sha256(data).digest() if digest is None else digest
    return BlobChunk(sha256=sha256, offset=offset, data=data, digest=digest)


async def say(school, message):
    answer = await school.post("/sync/v1/blobs", message)
    assert answer.status_code == 200, answer.text
    return decode(answer.content, BlobState)


async def test_pieces_are_taken_in_order_and_counted_once(school):
    assert (await say(school, chunk(school.digest))).have_bytes == 0
    for _ in range(2):  # repeated
        assert (await say(school, chunk(school.digest, b"01234"))).have_bytes == 5
    assert (await say(school, chunk(school.digest, b"89", offset=8))).have_bytes == 5  # too early
    state = await say(school, chunk(school.digest, b"56789", offset=5))
    assert (state.have_bytes, state.is_whole) == (10, True)
    assert (await say(school, chunk(school.digest, b"01234"))).is_whole  # late


async def test_wrong_content_begins_from_the_beginning(school):
    state = await say(school, chunk(school.digest, b"0123456780"))
    assert (state.have_bytes, state.is_whole) == (0, False)


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (lambda box: chunk(box.digest, b"01234", digest=bytes(32)), 400),
        (lambda box: chunk(box.digest, b"0123456789A"), 400),
        (lambda box: chunk(bytes(32), b"01234"), 404),
    ],
    ids=["damaged", "longer than its row says", "named by no work"],
)
async def test_a_piece_that_does_not_fit_is_refused(school, message, status):
    answer = await school.post("/sync/v1/blobs", message(school))
    assert answer.status_code == status, answer.text


async def test_a_school_sees_its_own_files_only(school, district):
    await say(school, chunk(school.digest, b"0123456789"))
    path = f"/sync/v1/blobs/{school.digest.hex()}?offset=0"
    assert (await school.client.get(path, headers=school.headers)).status_code == 200
    other = await district.school("Desert School")
    await other.send(facts(1))
    assert (await other.client.get(path, headers=other.headers)).status_code == 404
    assert (await other.post("/sync/v1/blobs", chunk(school.digest))).status_code == 404
    assert (await other.client.get(path)).status_code == 401
    bad = "/sync/v1/blobs/not-hexadecimal?offset=0"
    assert (await school.client.get(bad, headers=school.headers)).status_code == 400


async def test_a_body_larger_than_a_piece_is_refused_unread(school):
    large = encode({"sha256": school.digest, "offset": 0, "data": bytes(BLOB_CHUNK_BYTES_MAX * 2)})
    answer = await school.client.post("/sync/v1/blobs", content=large, headers=school.headers)
    assert answer.status_code == 413


async def test_a_person_who_is_forgotten_takes_the_files_along(school, district, settings, app):
    await say(school, chunk(school.digest, b"0123456789"))
    path = settings.data / "blobs" / str(school.school_id) / school.digest.hex()
    assert path.exists()
    amina = values("person", school.school_id, display_name="Amina Otieno")
    photo = hashlib.sha256(b"amina").digest()
    mine = values("attachment", person_id=amina[0], sha256=photo, size_bytes=5)
    await school.send(rows("person", amina), rows("attachment", mine))
    await say(school, chunk(photo, b"amina"))
    wish = {"person_id": str(UUID(bytes=amina[0])), "name": "Amina Otieno", "reason": "asked for"}
    answer = await district.client.post(f"/api/v1/schools/{school.school_id}/erasures", json=wish)
    assert answer.is_success, answer.text
    assert path.exists()
    assert not path.with_name(photo.hex()).exists()


# What a cut leaves at the hub.


def kept(settings, school):
    folder = settings.data / "blobs" / str(school.school_id)
    return {path.name for path in folder.glob("*")}


async def test_a_file_that_was_written_and_not_counted_is_counted_later(
    school, settings, app, see, watch
):
    """The power went between the disk and the COMMIT; or the database was put back."""
    await say(school, chunk(school.digest, b"0123456789"))
    await see.execute("DELETE FROM sync_blob")
    assert await tidy_files(app.state.hub) == 1
    assert await tidy_files(app.state.hub) == 0
    assert (await say(school, chunk(school.digest))).is_whole


async def test_a_file_that_was_counted_and_is_gone_is_owned_up_to_and_comes_again(
    box, photo, settings, app, see
):
    """The folder is of yesterday, the database of today, and nobody followed the runbook."""
    submission_id, path = photo
    await box.agent.one_try()
    there = hub_file(settings, box, path)
    shutil.rmtree(there.parent)
    assert await tidy_files(app.state.hub) == 1
    assert await tidy_files(app.state.hub) == 0
    assert await see.fetchval("SELECT count(*) FROM sync_blob WHERE whole_at_ms > 0") == 0
    for _ in range(2):
        await box.agent.one_try()
    assert there.read_bytes() == PHOTO
    assert level(box, submission_id) == "district"


async def test_two_schools_that_lost_files_make_one_new_incarnation(
    school, district, settings, app, see, watch
):
    for each in (school, await naming_ten_bytes(await district.school())):
        await say(each, chunk(each.digest, b"0123456789"))
        (settings.data / "blobs" / str(each.school_id) / each.digest.hex()).write_bytes(b"01234")
    before = await see.fetchval("SELECT generation FROM hub_identity")
    assert await tidy_files(app.state.hub) == 2
    now = await see.fetchval("SELECT generation FROM hub_identity")
    assert now == next_generation(before, 0, now_ms=watch())
    assert (await say(school, chunk(school.digest))).have_bytes == 0


async def test_a_piece_that_comes_while_its_file_is_looked_at_is_not_taken_for_the_whole(
    school, settings, app, see, as_role
):
    """The box begins anew while the hub finds the old file whole: what is counted is what lies."""
    await say(school, chunk(school.digest, b"0123456789"))
    await see.execute("DELETE FROM sync_blob")
    path = settings.data / "blobs" / str(school.school_id) / school.digest.hex()
    taking = await as_role("darasa_ingest")
    async with taking.transaction():
        await taking.fetchval(SCOPE, str(school.school_id), "")
        await taking.execute(OPEN_BLOB, school.school_id, school.digest, 10)
        tidying = asyncio.create_task(tidy_files(app.state.hub))
        async with asyncio.timeout(10):
            while not await see.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 -- a lock has no event
                await asyncio.sleep(0.01)
        write_piece(path, 0, b"01234")
        await taking.execute(MOVE_BLOB, school.school_id, school.digest, 5, None)
    assert await tidying == 0
    assert (await say(school, chunk(school.digest))).have_bytes == 5


async def test_a_half_written_file_that_nobody_counted_waits_for_its_box(
    school, settings, app, see
):
    await say(school, chunk(school.digest, b"01234"))
    await see.execute("DELETE FROM sync_blob")
    assert await tidy_files(app.state.hub) == 0
    assert (await say(school, chunk(school.digest))).have_bytes == 0
    assert (await say(school, chunk(school.digest, b"0123456789"))).is_whole


async def test_a_whole_file_of_which_a_lagging_replica_knows_the_beginning_is_counted(
    school, see, app
):
    """The box was told that it is there, and does not send it again."""
    await say(school, chunk(school.digest, b"0123456789"))
    await see.execute("UPDATE sync_blob SET have_bytes = 5, whole_at_ms = NULL")
    assert await tidy_files(app.state.hub) == 1
    assert (await say(school, chunk(school.digest))).is_whole


async def test_a_file_that_no_work_names_goes(school, settings, app, see, watch):
    """Counted: at once, somebody was erased while it came. Not counted: after a month."""
    await say(school, chunk(school.digest, b"0123456789"))
    await see.execute("ALTER TABLE attachment DISABLE TRIGGER USER")
    await see.execute("DELETE FROM attachment")
    assert await tidy_files(app.state.hub) == 1
    assert kept(settings, school) == set()
    path = settings.data / "blobs" / str(school.school_id) / school.digest.hex()
    path.write_bytes(b"0123456789")
    os.utime(path, (NOW_MS / 1_000, NOW_MS / 1_000))
    (path.parent.parent / "not-a-school-at-all-x").mkdir()
    assert await tidy_files(app.state.hub) == 0
    watch.now_ms = NOW_MS + UNKNOWN_MS + 1_000
    assert await tidy_files(app.state.hub) == 1
    assert kept(settings, school) == set()


async def test_a_folder_with_more_than_a_day_s_strangers_is_looked_through_in_turn(
    school, settings, app, see, watch
):
    await say(school, chunk(school.digest, b"0123456789"))
    await see.execute("DELETE FROM sync_blob")
    folder = settings.data / "blobs" / str(school.school_id)
    for number in range(LOOKED_AT_MAX):  # whose names come first, and which stay for a month
        (folder / f"{number:064x}").write_bytes(b"x")
    counted = 0
    for _ in range(2):
        counted += await tidy_files(app.state.hub)
        watch.now_ms += 86_400_000
    assert counted == 1


@pytest.mark.parametrize("left", [None, b"01234"])
async def test_a_file_the_folder_has_lost_is_taken_in_again(school, settings, left):
    """The folder is backed up apart from the database, perhaps while the file came."""
    await say(school, chunk(school.digest, b"0123456789"))
    lost = settings.data / "blobs" / str(school.school_id) / school.digest.hex()
    lost.unlink() if left is None else lost.write_bytes(left)
    path = f"/sync/v1/blobs/{school.digest.hex()}?offset=0"
    assert (await school.client.get(path, headers=school.headers)).status_code == 404
    assert (await say(school, chunk(school.digest))).have_bytes == 0
    assert (await say(school, chunk(school.digest, b"0123456789"))).is_whole
    assert (await school.client.get(path, headers=school.headers)).status_code == 200
