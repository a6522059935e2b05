"""A real board's files, beside the rows: after them, piece by piece, and back on a new board."""

import hashlib
import os
import shutil

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
from sync.hub.blobs.tidying import tidy_files
from sync.protocol import BLOB_CHUNK_BYTES_MAX
from tests.cast import NOW_MS, new_id
from tests.full_disk import delete_films, fill, small_card, why_no_card

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
    assert "wait to come back: 1." in room_lines(on_a_card.db, path.parent)[0]
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
