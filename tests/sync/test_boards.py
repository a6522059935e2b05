"""Which board a card is in, and a node of one's own for one of two."""

import asyncio
import os
from contextlib import closing
from uuid import UUID

import pytest

from appliance.database.agent import AgentDatabase
from appliance.ids import uuid7
from sync.agent import arriving, enrolment
from sync.agent.boards import fingerprint, new_node_id, notice_board, settle_identity
from sync.agent.keys import IDENTITY_KEY, make_next_key, make_node_key, read_node_key
from sync.agent.recovery import enter_epoch
from sync.agent.sealing import Stamp
from sync.agent.store import identity
from sync.protocol import EnrolAnswer
from tests.drills.small_school import NOW_MS, make_small_school

ONE, OTHER = b"1" * 32, b"2" * 32
STAMP = Stamp(now_ms=NOW_MS, clock_quality=1, schema_version=5, app_version="0.2.0")
JOIN = "UPDATE sync_identity SET hub_id = ?1, hub_key = ?2, hub_url = ?3, incarnation = ?1"
HUB = UUID(int=5)
CHANGED = "SELECT board_changed_at_ms FROM sync_identity"


@pytest.fixture
def db(tmp_path):
    make_small_school(tmp_path / "school.db", pupils=1)
    with closing(AgentDatabase(tmp_path / "school.db")) as opened:
        yield opened


@pytest.fixture
def joined(db):
    with db.changing() as tx:
        tx.run(JOIN, (HUB, bytes(32), "http://hub.test"))
        enter_epoch(tx, uuid7(NOW_MS), HUB)
    return db


def new_epoch():
    return uuid7(NOW_MS)


def a_machine(root, data_dir, *, serial=b"", card=b""):
    """The files by which a board and its card say who they are."""
    board = root / "firmware/devicetree/base"
    board.mkdir(parents=True)
    (board / "serial-number").write_bytes(serial + b"\0")
    disk = root / "devices/platform/mmc/mmcblk0"
    (disk / "mmcblk0p2").mkdir(parents=True)
    (disk / "device").mkdir()
    (disk / "device/cid").write_bytes(card + b"\n")
    number = data_dir.stat().st_dev
    (root / "dev/block").mkdir(parents=True)
    place = root / f"dev/block/{os.major(number)}:{os.minor(number)}"
    place.symlink_to(disk / "mmcblk0p2")
    return fingerprint(data_dir, root)


def test_board_and_card_are_both_looked_at(tmp_path):
    marks = [(b"b1", b"c1"), (b"b1", b"c2"), (b"b2", b"c1"), (b"", b"c1"), (b"b1", b"")]
    found = [
        a_machine(tmp_path / str(at), tmp_path, serial=serial, card=card)
        for at, (serial, card) in enumerate(marks)
    ]
    assert len(set(found)) == len(marks)
    assert all(len(each) == 32 for each in found)


def test_a_machine_that_names_neither_is_never_judged(tmp_path, joined):
    assert a_machine(tmp_path / "sys", tmp_path) == b""
    assert fingerprint(tmp_path, tmp_path / "nothing") == b""
    before = identity(joined)
    assert not notice_board(joined, b"", new_epoch, now_ms=NOW_MS)
    assert identity(joined) == before


@pytest.mark.parametrize(
    ("boards", "epochs", "changed"),
    [
        ([ONE, ONE], 1, False),
        ([ONE, b"", ONE], 1, False),
        ([ONE, OTHER], 2, True),
        ([ONE, OTHER, OTHER, ONE], 3, True),
    ],
)
def test_another_board_begins_a_lineage_of_its_own(joined, boards, epochs, changed):
    seen = {identity(joined).epoch}
    for number, board in enumerate(boards):
        notice_board(joined, board, new_epoch, now_ms=NOW_MS + number)
        seen.add(identity(joined).epoch)
    assert len(seen) == epochs
    assert (joined.value(CHANGED) is not None) is changed
    assert identity(joined).recovery_due  # what it sends next waits for what it may have lost


def test_a_box_in_no_district_only_notes_its_board(db):
    before = identity(db)
    for board in (ONE, OTHER):
        notice_board(db, board, new_epoch, now_ms=NOW_MS)
    assert identity(db) == before


def test_a_new_identity_is_a_node_with_a_key_of_its_own_and_sends_everything(joined, tmp_path):
    keys = tmp_path / "keys"
    old_key, before = make_node_key(keys), identity(joined)
    with joined.changing() as tx:
        assert tx.run(enrolment.WRITE_IDENTITY_WISH, ("token", NOW_MS)) == 1
    asked = enrolment.wish(joined)
    key = make_next_key(keys, IDENTITY_KEY)
    request = enrolment.request_for(joined, asked, key, STAMP, "board")
    assert (request.mode, request.school_id) == ("adopt", before.school_id)
    assert request.node_id == new_node_id(key.verify_key.encode()) != before.node_id
    answer = EnrolAnswer(
        hub_id=HUB,
        hub_key=bytes(32),
        incarnation=HUB,
        mode="adopt",
        school_id=before.school_id,
        district_id=UUID(int=6),
    )
    settle_identity(keys, before)
    assert read_node_key(keys) == old_key  # nothing is taken before the district says yes
    enrolment.join(joined, asked, request, answer, new_epoch)
    now = identity(joined)
    assert (now.node_id, now.school_id) == (request.node_id, before.school_id)
    assert now.epoch != before.epoch
    assert now.remark_tbl is not None
    for _ in range(2):  # the power may go before the key is moved, or after
        settle_identity(keys, now)
        assert read_node_key(keys) == key


def test_a_box_in_no_district_can_ask_for_no_identity(db):
    with db.changing() as tx:
        assert tx.run(enrolment.WRITE_IDENTITY_WISH, ("token", NOW_MS)) == 0


def test_an_empty_board_makes_its_keys_once(tmp_path):
    keys = tmp_path / "keys"
    code = arriving.make_keys(keys)
    assert len(code.split("-")) == 6
    assert arriving.make_keys(keys) is None
    assert read_node_key(keys)


def test_the_console_says_how_much_of_the_school_has_come(joined):
    said = []
    with joined.changing() as tx:
        tx.run("UPDATE sync_identity SET self_cursor = 512, recovery_due = 0")
    assert asyncio.run(arriving.follow(joined, said.append))
    assert said[0] == "512 of the school's changes have come"
    assert "PIN cards" in said[-1]
