"""The box's side of a stick: what it writes, what it believes, and what a bad stick leaves."""

import fcntl
import shutil
from pathlib import PurePosixPath
from random import Random
from uuid import UUID

import pytest
from msgspec import structs
from nacl.signing import SigningKey

from sync.agent.__main__ import AGENT_LOCK, NOTHING_NEW, run
from sync.agent.keys import read_node_key
from sync.agent.sealing import Share, Stamp, seal_rows
from sync.agent.status import status
from sync.agent.store import identity, streams
from sync.agent.turn import turn
from sync.core.bundle import (
    MANIFEST,
    Answer,
    BundleCorrupt,
    answer_message,
    check_manifest,
    lock_answer,
    read_answer,
    read_id,
    read_manifest,
    receipt_place,
    segment_place,
    stream_folder,
    unlock,
)
from sync.core.segment import read_segment
from sync.protocol import (
    Hello,
    Receipt,
    SignedReceipt,
    StreamPosition,
    encode,
    genesis,
    receipt_message,
)
from sync.stick import Stick, StickFailed, in_words
from tests.full_disk import small_files
from tests.sync.web import NOW_MS, add_group, claim, wish

pytestmark = pytest.mark.anyio

PLACE = PurePosixPath("darasa", "a.bin")
STAMP = Stamp(now_ms=NOW_MS, clock_quality=1, schema_version=2, app_version="0.2.0")


@pytest.fixture
async def joined(agent, web, box, monkeypatch, settings):
    """A box that joined over the net and has none since; three classes wait."""
    claim(box)
    wish(box)
    await agent.one_try()
    for number in range(3):
        add_group(box, 10 + number)
    monkeypatch.setenv("DARASA_DATA_DIR", str(settings.data_dir))
    return settings


@pytest.fixture
def stick(tmp_path):
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


def files(folder):
    return sorted(each for each in folder.rglob("*") if each.is_file())


def segments_on(folder, me, web):
    found = (folder / stream_folder(me.node_id, me.epoch) / "0").glob("*.seg.box")
    private = web.hub.key.to_curve25519_private_key()
    return {
        int(each.name.split(".")[0]): read_segment(unlock(each.read_bytes(), private))
        for each in found
    }


async def test_an_export_begins_behind_what_was_acknowledged(joined, db, web, stick, capsys):
    assert run(["export", str(stick)]) == 0
    said = capsys.readouterr().out
    assert "3 changes in 1 files are on the stick, locked." in said
    assert "on the box's own card" in said
    me = identity(db)
    found = segments_on(stick, me, web)
    assert {n: (each.header.n, each.header.rows) for n, each in found.items()} == {2: (2, 3)}
    content = (stick / stream_folder(me.node_id, me.epoch) / MANIFEST).read_bytes()
    manifest, signed = read_manifest(content)
    check_manifest(signed, read_node_key(joined.keys).verify_key.encode())
    (lane,) = manifest.lanes
    assert (lane.lane, lane.first_n, lane.last_n, manifest.rows) == (0, 2, 2, 3)


async def test_exporting_again_brings_the_same_numbers_and_what_is_new(joined, db, box, web, stick):
    run(["export", str(stick)])
    before = segments_on(stick, identity(db), web)
    add_group(box, 20)
    run(["export", str(stick)])
    after = segments_on(stick, identity(db), web)
    assert sorted(after) == [2, 3]
    assert after[2].hash == before[2].hash
    assert status(db).waiting == 4  # nothing is acknowledged by lying on a stick


async def test_nothing_waits_and_still_the_stick_asks(joined, agent, db, stick, capsys):
    await agent.one_try()
    run(["export", str(stick)])
    assert "only asks" in capsys.readouterr().out
    assert [each.name for each in files(stick)] == [MANIFEST]


@pytest.mark.parametrize("word", ["export", "import"])
def test_before_there_is_a_district_there_is_nobody_to_carry_to(
    box, settings, stick, monkeypatch, capsys, word
):
    claim(box)
    monkeypatch.setenv("DARASA_DATA_DIR", str(settings.data_dir))
    assert run([word, str(stick)]) == 1
    assert "has not joined a district" in capsys.readouterr().err


async def test_a_stick_that_is_not_there_is_a_plain_sentence(joined, stick, capsys):
    assert run(["export", str(stick / "nowhere")]) == 1
    assert "is the stick mounted?" in capsys.readouterr().err


async def test_an_export_works_beside_the_running_agent(joined, db, web, stick):
    with (joined.data_dir / AGENT_LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(["export", str(stick)]) == 0
    assert sorted(segments_on(stick, identity(db), web)) == [2]


async def test_while_the_agent_speaks_an_export_still_numbers_nothing_twice(
    joined, db, web, stick, monkeypatch
):
    monkeypatch.setattr("sync.agent.__main__.TURN_S_MAX", 0.0)
    with turn(joined.data_dir) as is_agents:
        assert is_agents
        assert run(["export", str(stick)]) == 0
    assert sorted(segments_on(stick, identity(db), web)) == [2]


async def test_two_who_seal_at_once_never_take_one_number(joined, db, box):
    me, key = identity(db), read_node_key(joined.keys)
    stale = streams(db, me.epoch)[0]
    assert seal_rows(db, me, stale, key, STAMP, Share()) == 3
    add_group(box, 30)
    assert seal_rows(db, me, stale, key, STAMP, Share()) == 0
    assert db.value("SELECT count(*) FROM sync_dirty") == 1
    assert seal_rows(db, me, streams(db, me.epoch)[0], key, STAMP, Share()) == 1
    assert db.tuples("SELECT n FROM sync_chain ORDER BY n") == [(1,), (2,), (3,)]


async def test_the_agent_waits_while_a_stick_is_in_hand(joined, agent, web):
    asked = len(web.asked)
    with turn(joined.data_dir) as is_ours:
        assert is_ours
        await agent._one_turn()
    assert len(web.asked) == asked
    await agent._one_turn()
    assert len(web.asked) > asked


# A stick that is full, closed, pulled or not what it seems.


async def test_a_full_stick_keeps_what_fitted_and_says_so(
    joined, db, box, web, stick, tmp_path, capsys
):
    run(["export", str(tmp_path.joinpath("sealed").mkdir() or tmp_path / "sealed")])
    box.execute(
        "INSERT INTO class_group (id, org_id, name, version, updated_at_ms)"
        " SELECT randomblob(16), org_id, hex(randomblob(45)), 1, 0"
        "   FROM class_group, (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9))"
    )
    run(["export", str(tmp_path / "sealed")])
    sizes = {each.stat().st_size for each in files(tmp_path / "sealed")}
    box.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with small_files(max(sizes) - 1):
        assert run(["export", str(stick)]) == 1
    said = capsys.readouterr().err
    assert "the stick is full: 3.seg.box did not fit; what was written before is whole" in said
    assert sorted(segments_on(stick, identity(db), web)) == [2]
    assert [each.suffix for each in files(stick)] == [".box", ".bin"]


def test_a_file_that_does_not_fit_leaves_the_one_before(stick):
    Stick(stick).write(PLACE, b"before")
    with small_files(1_000), pytest.raises(StickFailed, match="the stick is full"):
        Stick(stick).write(PLACE, bytes(5_000))
    assert [(each.name, each.read_bytes()) for each in files(stick)] == [("a.bin", b"before")]


def test_a_stick_that_is_pulled_out_is_a_plain_sentence(stick):
    opened = Stick(stick)
    opened.write(PLACE, b"before")
    shutil.rmtree(stick)
    for does in (
        lambda: opened.write(PLACE, b"after"),
        lambda: opened.read(PLACE, bytes_max=10),
        lambda: opened.names(PLACE.parent),
        lambda: opened.remove(PLACE),
    ):
        with pytest.raises(StickFailed, match="pulled out or is damaged"):
            does()
    assert "may not be written to" in in_words(PermissionError(30, "Read-only"), PLACE)


def test_what_is_no_plain_small_file_is_not_read(stick, tmp_path):
    opened = Stick(stick)
    opened.write(PLACE, b"12345")
    (stick / "darasa" / "folder").mkdir()
    (stick / "darasa" / "link").symlink_to(stick / "darasa" / "a.bin")
    (stick / "aside").symlink_to(tmp_path, target_is_directory=True)
    assert opened.read(PLACE, bytes_max=5) == b"12345"
    assert opened.read(PLACE, bytes_max=4) is None
    for name in ("darasa/folder", "darasa/link", "darasa/none", "none/a.bin", "darasa/a.bin/b"):
        assert opened.read(PurePosixPath(name), bytes_max=99) is None
    assert opened.names(PurePosixPath("aside")) == []
    with pytest.raises(StickFailed):
        opened.write(PurePosixPath("aside", "x.bin"), b"leads out")
    opened.remove(PurePosixPath("none", "x.bin"))
    opened.remove(PurePosixPath("darasa", "none"))
    opened.remove(PLACE)
    assert opened.read(PLACE, bytes_max=5) is None


# Answers.


class District:
    """The hub's side, as far as one answer needs it."""

    def __init__(self, db, web, settings):
        self.db, self.web = db, web
        self.node_key = read_node_key(settings.keys).verify_key.encode()

    def answer(self, stick, *, no=2, n=2, key=None, reader=None, asked=..., **changes):
        me = identity(self.db)
        incarnation = changes.pop("incarnation", me.incarnation)
        named = {"node_id": me.node_id, "epoch": me.epoch} | changes
        at = self.position(me, n)
        receipt = Receipt(
            hub_id=me.hub_id,
            incarnation=incarnation,
            school_id=me.school_id,
            lane=0,
            received_n=at.received_n,
            received_hash=at.received_hash,
            applied_n=n,
            no=no,
            log_hash=bytes(32),
            issued_at_ms=NOW_MS + no,
            **named,
        )
        body = encode(receipt)
        signature = self.web.hub.key.sign(receipt_message(body)).signature
        hello = Hello(
            streams=[at],
            incarnation=incarnation,
            pull=False,
            exceptions=[],
            hub_time_ms=NOW_MS,
            receipt=SignedReceipt(body=body, signature=signature),
            nonce=bytes(16),
            **named,
        )
        asked = me.incarnation if asked is ... else asked
        said = Answer(
            hub_id=me.hub_id,
            school_id=me.school_id,
            asked=asked,
            since=me.self_cursor,
            hello=hello,
            pages=[],
            feed=[],
        )
        self.put(stick, no, said, key or self.web.hub.key, reader or self.node_key)

    def put(self, stick, no, said, key, reader):
        me, body = identity(self.db), encode(said)
        content = lock_answer(body, key.sign(answer_message(body)).signature, reader)
        Stick(stick).write(receipt_place(me.node_id, me.epoch, no), content)

    def position(self, me, n):
        found = self.db.value("SELECT hash FROM sync_chain WHERE n = ?1", (n,))
        found = found or genesis(me.hub_id, me.node_id, me.epoch, 0)
        return StreamPosition(lane=0, received_n=n, received_hash=found, applied_n=n)


@pytest.fixture
async def district(joined, db, web, stick):
    run(["export", str(stick)])
    return District(db, web, joined)


async def test_an_answer_frees_what_waits_and_makes_room(district, db, web, stick, capsys):
    district.answer(stick)
    assert run(["import", str(stick)]) == 0
    assert "everything up to segment 2" in capsys.readouterr().out
    assert status(db).waiting == 0
    run(["export", str(stick)])
    assert "1 files were taken off" in capsys.readouterr().out
    assert segments_on(stick, identity(db), web) == {}


async def test_a_stick_without_an_answer_says_so(district, stick, capsys):
    assert run(["import", str(stick)]) == NOTHING_NEW
    assert "There is no answer for this box" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"key": SigningKey(bytes(32))}, "not signed by the key"),
        ({"reader": SigningKey(bytes(32)).verify_key.encode()}, "locked for somebody else"),
        ({"node_id": UUID(int=9)}, "about another box"),
        ({"epoch": UUID(int=9)}, "an earlier life"),
        ({"no": 0, "n": 0}, "older than what this box has heard"),
        ({"incarnation": UUID(int=9), "asked": UUID(int=8)}, "older than what this box has heard"),
    ],
)
async def test_what_is_not_for_this_box_now_changes_nothing(
    district, db, stick, capsys, told, words
):
    before = identity(db), status(db).waiting
    district.answer(stick, **told)
    assert run(["import", str(stick)]) == NOTHING_NEW
    assert words in capsys.readouterr().out
    assert (identity(db), status(db).waiting) == before


async def test_an_answer_that_is_damaged_anywhere_is_refused(district, db, stick, capsys):
    district.answer(stick)
    (path,) = stick.rglob("receipt-2.bin")
    content, dice = path.read_bytes(), Random(6)
    for at in dice.sample(range(len(content)), 20):
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        assert run(["import", str(stick)]) == NOTHING_NEW
    for length in (0, 4, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        assert run(["import", str(stick)]) == NOTHING_NEW
    said = capsys.readouterr().out
    assert said.count("refused") == 24
    assert status(db).waiting == 3


async def test_an_answer_without_a_receipt_is_none(district, db, stick, capsys):
    district.answer(stick)
    (path,) = stick.rglob("receipt-2.bin")
    key = read_node_key(path_of_keys(db, stick))
    said = read_answer(path.read_bytes(), key, district.web.hub.public_key)
    bare = structs.replace(said, hello=structs.replace(said.hello, receipt=None))
    district.put(stick, 2, bare, district.web.hub.key, district.node_key)
    assert run(["import", str(stick)]) == NOTHING_NEW
    assert "holds no receipt" in capsys.readouterr().out


def path_of_keys(_db, stick):
    return stick.parent / "keys"


@pytest.mark.parametrize(
    ("told", "why"),
    [({"incarnation": UUID(int=9)}, "new-incarnation"), ({"n": 3}, "hub-ahead")],
)
async def test_a_hub_that_is_elsewhere_begins_a_repair(district, db, stick, capsys, told, why):
    epoch = identity(db).epoch
    district.answer(stick, **told)
    assert run(["import", str(stick)]) == 0
    assert f"a repair was begun ({why})" in capsys.readouterr().out
    assert identity(db).epoch != epoch
    run(["export", str(stick)])
    assert "waits for its school's rows" in capsys.readouterr().out
    assert run(["import", str(stick)]) == NOTHING_NEW  # the same answer, in the new life


async def test_a_repair_waits_while_the_agent_speaks(
    district, db, joined, stick, monkeypatch, capsys
):
    monkeypatch.setattr("sync.agent.__main__.TURN_S_MAX", 0.0)
    district.answer(stick, n=3)
    with turn(joined.data_dir):
        assert run(["import", str(stick)]) == NOTHING_NEW
    assert "speaking with the district" in capsys.readouterr().out


def test_only_names_as_we_write_them_are_ours():
    me = UUID(int=5)
    assert read_id(str(me)) == me
    assert [read_id(name) for name in (str(me).upper() + "x", f"{{{me}}}", "..", "")] == [None] * 4
    assert segment_place(me, me, 1, 7).name == "7.seg.box"


def test_a_manifest_signed_by_somebody_else_is_refused():
    with pytest.raises(BundleCorrupt):
        read_manifest(b"OSMF1" + bytes(20))
