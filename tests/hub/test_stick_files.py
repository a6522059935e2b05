"""Photos of a school without a link: on the stick after every row, and harmless in any order."""

import hashlib
import os
import random
from collections import namedtuple
from uuid import UUID

import httpx
import pytest
from msgspec import structs
from nacl.signing import SigningKey

from appliance import room
from appliance.attachments.queries import files_of
from appliance.room import Card
from appliance.submissions.commands import hand_in
from appliance.submissions.models import HandIn, Stamp
from sync.agent import parcels
from sync.agent.status import status
from sync.agent.store import identity
from sync.core import parcel
from sync.core.bundle import BundleCorrupt, lock
from sync.core.parcel import (
    Label,
    back_folder,
    files_folder,
    label_message,
    packed,
    read_parcel,
    signed_label,
)
from sync.hub.sticks import files as hub_files
from sync.hub.sticks.came import words_of
from sync.protocol import BLOB_CHUNK_BYTES_MAX, encode
from sync.stick import Stick
from tests.cast import NOW_MS, new_id
from tests.hub.test_real_blobs import ADD_FILE
from tests.hub.test_sticks import Carrier, Courier
from tests.sync.test_stick import small_files

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

Photo = namedtuple("Photo", "submission_id path content")
BEGUN = "UPDATE sync_blob SET have_bytes = $1, whole_at_ms = NULL"
CLOSE = "UPDATE node SET state = $2 WHERE id = $1"


@pytest.fixture
def new_box(tmp_path, edge_template, app, watch):
    boxes = []

    def make(name):
        boxes.append(Carrier(tmp_path / name, edge_template, app, watch))
        return boxes[-1]

    yield make
    for box in boxes:
        box.close()


@pytest.fixture
def courier(app, tmp_path, district):
    return Courier(app.state.hub, tmp_path, district.id)


@pytest.fixture
async def see(as_role):
    return await as_role("postgres")


def take_photo(box, content=None):
    """Amina hands in with a photo, and nobody has told the district."""
    content = content or os.urandom(BLOB_CHUNK_BYTES_MAX + 1_000)  # two pieces
    revision_id, digest = new_id(), hashlib.sha256(content).digest()
    with box.db.changing() as tx:
        work = HandIn(assessment_id=box.cast.village, body="With a photo.")
        receipt = hand_in(
            tx, box.cast.amina, revision_id, work, submission_id=new_id(), stamp=Stamp(NOW_MS, 3)
        )
        tx.run(ADD_FILE, (new_id(), revision_id, box.cast.amina, len(content), digest, NOW_MS))
    box.settings.blobs.mkdir(exist_ok=True)
    path = box.settings.blobs / digest.hex()
    path.write_bytes(content)
    return Photo(receipt.submission_id, path, content)


@pytest.fixture
def photo(box):
    return take_photo(box)


def level(box, photo):
    (file, *_) = files_of(box.db, photo.submission_id, box.cast.amina)
    return file.custody_level


def on(folder, box, place=files_folder):
    where = folder / place(identity(box.db).node_id)
    return sorted(where.iterdir()) if where.exists() else []


def at_hub(settings, box, photo):
    return settings.data / "blobs" / str(identity(box.db).school_id) / photo.path.name


async def test_a_photo_reaches_the_district_without_a_link(box, photo, courier, settings):
    folder = courier.new_stick()
    sent = box.export(folder)
    assert (sent.loaded.files, sent.loaded.left) == (1, 0)
    assert len(on(folder, box)) == 1
    (came,) = await courier.deliver(folder)
    assert (came.files, came.files_known, came.aside, came.waits) == (1, 0, [], {})
    assert "1 files of hand-ins came, 0 were there" in words_of(came)[1]
    assert at_hub(settings, box, photo).read_bytes() == photo.content
    assert level(box, photo) == "box"
    (words,) = box.bring_back(folder)
    assert "1 files are there" in words
    assert level(box, photo) == "district"
    assert on(folder, box) == []
    assert box.export(folder).loaded.files == 0


async def test_lost_late_and_repeated_sticks_change_nothing(box, photo, courier, settings, see):
    lost, late, newer = (courier.new_stick() for _ in range(3))
    for folder in (lost, late, newer):
        box.export(folder)
    await courier.deliver(newer)
    for folder in (newer, late, late):
        (came,) = await courier.deliver(folder)
        assert (came.files, came.files_known, came.aside) == (0, 1, [])
    box.bring_back(late)
    assert level(box, photo) == "district"
    box.bring_back(newer)
    assert level(box, photo) == "district"
    assert await see.fetchval("SELECT count(*) FROM sync_blob") == 1


async def test_an_answer_that_was_lost_is_given_again_without_the_file(box, photo, courier):
    folder = courier.new_stick()
    box.export(folder)
    await courier.deliver(folder)
    other = courier.new_stick()
    box.export(other)
    on(other, box)[0].unlink()
    await courier.deliver(other)
    box.bring_back(other)
    assert level(box, photo) == "district"


def spoilt(content):
    at = random.Random(4).randrange(100, len(content))
    return [
        content[: len(content) // 2],
        content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
        b"",
        random.Random(5).randbytes(500),
    ]


async def test_a_file_the_hub_s_folder_has_lost_is_asked_for_again(box, photo, courier, settings):
    """Put back from a backup older than the database; the answer says what is there."""
    folder = courier.new_stick()
    box.export(folder)
    await courier.deliver(folder)
    at_hub(settings, box, photo).unlink()
    again = courier.new_stick()
    sent = box.export(again)
    for each in on(again, box):
        each.unlink()
    await courier.deliver(again)
    box.bring_back(again)
    assert sent.loaded.files == 1
    assert level(box, photo) == "box"
    last = courier.new_stick()
    assert box.export(last).loaded.files == 1
    await courier.deliver(last)
    box.bring_back(last)
    assert at_hub(settings, box, photo).read_bytes() == photo.content
    assert level(box, photo) == "district"


async def test_a_damaged_file_is_named_and_packed_anew(box, photo, courier, settings):
    folder = courier.new_stick()
    box.export(folder)
    (there,) = on(folder, box)
    for content in spoilt(there.read_bytes()):
        there.write_bytes(content)
        (came,) = await courier.deliver(folder)
        assert came.files == 0
        assert came.aside[0].startswith(f"left on the stick: files/{there.name}: ")
        assert not at_hub(settings, box, photo).exists()
    assert came.answer_no is not None  # the rows are answered for
    box.bring_back(folder)
    assert status(box.db).waiting == 0
    assert level(box, photo) == "box"
    box.export(folder)
    (came,) = await courier.deliver(folder)
    assert came.files == 1


async def test_what_the_net_has_begun_the_stick_ends(box, photo, courier, settings, see):
    """Also where the beginning is wrong: that shows at the end."""
    await box.agent.one_try()
    path = at_hub(settings, box, photo)
    for beginning in (photo.content, os.urandom(BLOB_CHUNK_BYTES_MAX)):
        path.write_bytes(beginning[:BLOB_CHUNK_BYTES_MAX])
        await see.execute(BEGUN, BLOB_CHUNK_BYTES_MAX)
        box.write("DELETE FROM sync_blob")
        folder = courier.new_stick()
        box.export(folder)
        (came,) = await courier.deliver(folder)
        assert (came.files, came.aside) == (1, [])
        assert path.read_bytes() == photo.content
        box.bring_back(folder)


class Rows(httpx.AsyncBaseTransport):
    """A link over which no file comes."""

    def __init__(self, inner):
        self.inner = inner

    async def handle_async_request(self, request):
        if request.url.path.startswith("/sync/v1/blobs"):
            raise httpx.ConnectError("cut")
        return await self.inner.handle_async_request(request)


async def test_rows_go_first_and_files_make_way(box, photo, courier, monkeypatch):
    folder = courier.new_stick()
    box.export(folder)
    assert len(on(folder, box)) == 1
    monkeypatch.setattr(parcels, "ROOM_KEPT_BYTES", 1 << 60)
    other = courier.new_stick()
    sent = box.export(other)
    assert (sent.segments, sent.loaded.files, sent.loaded.left) == (1, 0, 1)
    monkeypatch.undo()
    with small_files(100_000):
        third = courier.new_stick()
        sent = box.export(third)
    assert (sent.segments, sent.loaded.files, sent.loaded.left) == (1, 0, 1)
    assert box.export(third).loaded.files == 1


async def test_a_stick_full_of_files_is_emptied_for_rows(box, photo, courier, monkeypatch):
    folder = courier.new_stick()
    box.export(folder)
    box.rename("Amina")
    writes, write = [], Stick.write

    def full_once(stick, place, content):
        writes.append(place)
        if len(writes) == 2 and on(folder, box):
            raise parcels.StickFull("the stick is full")
        return write(stick, place, content)

    monkeypatch.setattr(Stick, "write", full_once)
    sent = box.export(folder)
    assert (sent.segments, sent.loaded.files) == (2, 1)


async def test_a_file_waits_on_the_stick_for_the_row_that_names_it(box, photo, courier, settings):
    folder = courier.new_stick()
    box.export(folder)
    segments = sorted(box.folder(folder).glob("*.seg.box"))
    kept = [(each, each.read_bytes()) for each in segments]
    for each in segments:
        each.unlink()
    (came,) = await courier.deliver(folder)
    assert (came.files, came.waits) == (0, {hub_files.NO_ROW_YET: 1})
    for each, content in kept:
        each.write_bytes(content)
    (came,) = await courier.deliver(folder)
    assert came.files == 1


async def test_a_late_stick_brings_nobody_s_photo_back(box, photo, courier, district, settings):
    """Amina was forgotten while it lay in a drawer."""
    late = courier.new_stick()
    box.export(late)
    await box.agent.one_try()
    path = f"/api/v1/schools/{identity(box.db).school_id}/erasures"
    wish = {"person_id": str(box.cast.amina), "name": "Amina Otieno", "reason": "asked for"}
    assert (await district.client.post(path, json=wish)).is_success
    (came,) = await courier.deliver(late)
    assert came.files == 0
    assert not at_hub(settings, box, photo).exists()
    await box.agent.one_try()
    assert not photo.path.exists()
    box.export(late)
    assert on(late, box) == []


async def test_strangers_closed_boxes_and_moved_files_are_refused(
    box, photo, courier, district, see, settings
):
    me = identity(box.db)
    folder = courier.new_stick()
    box.export(folder)
    (good,) = on(folder, box)
    label = Label(
        hub_id=me.hub_id,
        school_id=me.school_id,
        node_id=me.node_id,
        sha256=hashlib.sha256(photo.content).digest(),
        size_bytes=len(photo.content),
    )
    stranger = SigningKey.generate()
    public = courier.hub.key.public
    forged = packed(label, photo.content, signed_label(label, stranger), public)
    other = packed(label, b"other content", signed_label(label, box.key), public)
    nothing = lock(encode(["no label", bytes(64), b""]), public)
    for name, content in (("1", forged), ("2", other), ("3", nothing)):
        good.with_name(f"{name}.file.box").write_bytes(content)
    genuine = good.read_bytes()
    good.unlink()
    (came,) = await courier.deliver(folder)
    assert came.files == 0
    told = " ".join(came.aside)
    assert "another key has signed this file" in told
    assert "not what its label names" in told
    assert "not readable as a file" in told
    elsewhere = folder / files_folder(UUID(int=7)) / good.name
    elsewhere.parent.mkdir(parents=True)
    (elsewhere.parent.parent / str(UUID(int=8))).mkdir()
    elsewhere.write_bytes(genuine)
    found = {each.node_id: each for each in await courier.deliver(folder)}
    assert "another box's folder" in " ".join(found[UUID(int=7)].aside)
    good.write_bytes(genuine)
    await see.execute(CLOSE, me.node_id, "revoked")
    (came,) = [each for each in await courier.deliver(folder) if each.node_id == me.node_id]
    assert came.files == 0
    assert "closed by the district" in " ".join(came.aside)
    assert not at_hub(settings, box, photo).exists()


async def test_a_key_that_was_changed_still_counts_for_a_month(box, photo, courier, see, watch):
    folder = courier.new_stick()
    box.export(folder)
    me = identity(box.db)
    await see.execute(
        "INSERT INTO former_key (school_id, node_id, node_key, good_until_ms)"
        " SELECT school_id, id, node_key, $2 FROM node WHERE id = $1",
        me.node_id,
        watch() + 1_000,
    )
    new_key = bytes(SigningKey.generate().verify_key)
    await see.execute("UPDATE node SET node_key = $2 WHERE id = $1", me.node_id, new_key)
    (came,) = await courier.deliver(folder)
    assert came.files == 1
    await see.execute("UPDATE former_key SET good_until_ms = 1")
    (came,) = await courier.deliver(folder)
    assert came.files_known == 0
    assert "files/" in " ".join(came.aside)


async def test_a_new_board_gets_the_photos_by_stick(box, photo, new_box, courier, district):
    await courier.round(box)
    board = new_box("replacement")
    token = await district.token(mode="replace", school_id=str(identity(box.db).school_id))
    board.transport = Rows(board.transport)
    board.close()
    board.open()
    board.wish(token)
    await board.agent.one_try()
    board.cast = box.cast
    path = board.settings.blobs / photo.path.name
    assert not path.exists()
    folder = courier.new_stick()
    assert board.export(folder).loaded.left == 0  # what is not here yet waits for no stick
    (came,) = await courier.deliver(folder)
    words = board.bring_back(folder)
    assert path.read_bytes() == photo.content
    assert came.given_back == 1
    assert "1 files of hand-ins came back" in words
    assert on(folder, board, back_folder) == []


async def test_photos_stay_on_the_stick_while_the_card_is_almost_full(
    box, photo, courier, monkeypatch
):
    await courier.round(box)
    photo.path.unlink()
    folder = courier.new_stick()
    box.export(folder)
    await courier.deliver(folder)
    almost_full = Card(total_bytes=32 << 30, free_bytes=199 << 20)
    monkeypatch.setattr(room, "card_of", lambda _folder: almost_full)
    assert "1 stay on the stick: the card is almost full" in box.bring_back(folder)[-1]
    assert not photo.path.exists()
    assert len(on(folder, box, back_folder)) == 1
    monkeypatch.undo()
    box.bring_back(folder)
    assert photo.path.read_bytes() == photo.content


async def test_a_file_back_that_is_damaged_or_not_ours_is_asked_for_again(
    box, photo, courier, settings, monkeypatch
):
    await courier.round(box)
    photo.path.unlink()
    folder = courier.new_stick()
    monkeypatch.setattr(hub_files, "ROOM_KEPT_BYTES", 1 << 60)
    box.export(folder)
    (came,) = await courier.deliver(folder)
    assert came.given_back == 0
    monkeypatch.undo()
    await courier.deliver(folder)
    (back,) = on(folder, box, back_folder)
    content = back.read_bytes()
    for bad in [*spoilt(content), *forged_backs(box, photo, courier.hub)]:
        back.write_bytes(bad)
        box.bring_back(folder)
        assert not photo.path.exists()
    back.write_bytes(content)
    box.bring_back(folder)
    assert photo.path.read_bytes() == photo.content


def forged_backs(box, photo, hub):
    """The right content from a stranger, and from the hub for another box."""
    me = identity(box.db)
    label = Label(
        hub_id=me.hub_id,
        school_id=me.school_id,
        node_id=me.node_id,
        sha256=hashlib.sha256(photo.content).digest(),
        size_bytes=len(photo.content),
    )
    public, stranger = bytes(box.key.verify_key), SigningKey.generate()
    yield packed(label, photo.content, signed_label(label, stranger), public)
    other = structs.replace(label, node_id=new_id())
    yield packed(other, photo.content, hub.key.sign(label_message(other)), public)


def test_a_parcel_is_bounded(monkeypatch):
    label = Label(
        hub_id=new_id(), school_id=new_id(), node_id=new_id(), sha256=bytes(32), size_bytes=9
    )
    body = encode(parcel.Parcel(encode(label), bytes(64), bytes(parcel.CONTENT_BYTES_MAX + 1)))
    with pytest.raises(BundleCorrupt, match="not readable"):
        read_parcel(body)


async def test_no_name_of_a_photo_is_readable_on_the_stick(box, courier):
    photo = take_photo(box, b"Amina Otieno Mwangi in front of her house, Kijiji" * 30)
    folder = courier.new_stick()
    box.export(folder)
    await courier.deliver(folder)
    found = b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file())
    found += " ".join(str(each.relative_to(folder)) for each in folder.rglob("*")).encode()
    for word in (b"Amina", b"Kijiji", b"picha", photo.path.name.encode()):
        assert word not in found
