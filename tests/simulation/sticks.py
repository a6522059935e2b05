"""Sneakernet: sealed segments carried by hand, late, twice or shuffled; receipts brought back.

Files of hand-ins go with them. What came of those is told on the spot or never: a board takes
no answer that is older than what it knows.
"""

import contextlib

from msgspec import Struct

from appliance.errors import DarasaError
from sync.agent.blobs import keep_whole
from sync.agent.parcels import missing_files, note_arrived, unsent_files
from sync.agent.session import Send
from sync.agent.store import identity
from sync.core.segment import SegmentRefused
from tests.simulation import hub_files
from tests.simulation.files import contents
from tests.simulation.hub import Broken, Crashed, Denied

STICKS_MAX = 6
ANSWERS_MAX = 40

SEALED = """
SELECT s.epoch, s.lane, s.n, s.payload
  FROM sync_segment AS s
 ORDER BY s.epoch, s.lane, s.n
"""


class Stick(Struct, frozen=True):
    """Every payload a board still kept on the day it was exported, and unsent files."""

    node_id: bytes
    requests: tuple
    files: dict


def export_stick(world):
    board = world.dice.choice(world.boards)
    requests = tuple(
        Send(board.node_id, epoch, lane, n, payload)
        for epoch, lane, n, payload in board.db.tuples(SEALED)
    )
    here = contents(board)
    unsent = [each.sha256 for each in unsent_files(board.db) if each.sha256 in here]
    files = {sha256: (board.files / sha256.hex()).read_bytes() for sha256 in unsent}
    if requests or files:
        world.sticks = [*world.sticks[-STICKS_MAX:], Stick(board.node_id, requests, files)]


def import_stick(world):
    """Perhaps not the newest, perhaps again, perhaps by someone who mixed up the files."""
    if not world.sticks:
        return
    stick = world.dice.choice(world.sticks)
    requests = list(stick.requests)
    if world.dice.random() < 0.3:
        world.dice.shuffle(requests)
    take_stick(world, stick, requests)
    if world.dice.random() < 0.5:
        tell_of_files(world, stick)


def take_stick(world, stick, requests):
    for request in requests:
        with contextlib.suppress(Broken, Denied, Crashed, SegmentRefused):
            answer = world.hub.put(stick.node_id, request.payload)
            world.receipts = [*world.receipts[-ANSWERS_MAX:], (stick.node_id, request, answer)]
    for sha256, content in stick.files.items():
        with contextlib.suppress(DarasaError, Denied, Crashed):
            hub_files.take_whole(world.hub, stick.node_id, sha256, content)
            world.counts["files by stick"] += 1


def tell_of_files(world, stick):
    """To a board of that node: which are there, and those it lacks."""
    boards = [board for board in world.boards if board.node_id == stick.node_id]
    if not boards:
        return
    board = world.dice.choice(boards)
    if identity(board.db).incarnation != world.hub.incarnation:
        return  # the answer says so first
    asked = [each.sha256 for each in unsent_files(board.db)]
    word = Word(hub_files.whole_files(world.hub, board.school_id, asked), world.hub)
    note_arrived(board.db, word, now_ms=world.now_ms)
    missing = missing_files(board.db, board.files)
    for sha256 in hub_files.whole_files(world.hub, board.school_id, missing):
        path = hub_files.folder_of(world.hub, board.school_id) / sha256.hex()
        keep_whole(board.files, sha256, path.read_bytes())


class Word(Struct, frozen=True):
    """What an answer says of files, and who says hello with it."""

    files: list
    hello: object


def bring_receipts(world):
    """Some receipts reach some board of that node, in any order, in any later month."""
    for _ in range(min(len(world.receipts), 4)):
        node_id, request, answer = world.dice.choice(world.receipts)
        boards = [board for board in world.boards if board.node_id == node_id]
        if boards:
            board = world.dice.choice(boards)
            with contextlib.suppress(DarasaError):
                board.session.take_segment_answer(request, answer)
