"""Sneakernet: sealed segments carried by hand, late, twice or shuffled; receipts brought back."""

import contextlib

from msgspec import Struct

from appliance.errors import DarasaError
from sync.agent.session import Send
from sync.core.segment import SegmentRefused
from tests.simulation.hub import Broken, Crashed, Denied

STICKS_MAX = 6
ANSWERS_MAX = 40

SEALED = """
SELECT s.epoch, s.lane, s.n, s.payload
  FROM sync_segment AS s
 ORDER BY s.epoch, s.lane, s.n
"""


class Stick(Struct, frozen=True):
    """Every payload a board still kept on the day it was exported."""

    node_id: bytes
    requests: tuple


def export_stick(world):
    board = world.dice.choice(world.boards)
    requests = tuple(
        Send(board.node_id, epoch, lane, n, payload)
        for epoch, lane, n, payload in board.db.tuples(SEALED)
    )
    if requests:
        world.sticks = [*world.sticks[-STICKS_MAX:], Stick(board.node_id, requests)]


def import_stick(world):
    """Perhaps not the newest, perhaps again, perhaps by someone who mixed up the files."""
    if not world.sticks:
        return
    stick = world.dice.choice(world.sticks)
    requests = list(stick.requests)
    if world.dice.random() < 0.3:
        world.dice.shuffle(requests)
    take_stick(world, stick, requests)


def take_stick(world, stick, requests):
    for request in requests:
        with contextlib.suppress(Broken, Denied, Crashed, SegmentRefused):
            answer = world.hub.put(stick.node_id, request.payload)
            world.receipts = [*world.receipts[-ANSWERS_MAX:], (stick.node_id, request, answer)]


def bring_receipts(world):
    """Some receipts reach some board of that node, in any order, in any later month."""
    for _ in range(min(len(world.receipts), 4)):
        node_id, request, answer = world.dice.choice(world.receipts)
        boards = [board for board in world.boards if board.node_id == node_id]
        if boards:
            board = world.dice.choice(boards)
            with contextlib.suppress(DarasaError):
                board.session.take_segment_answer(request, answer)
