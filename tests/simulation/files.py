"""A board's files: handed in by the real receiving, sent and fetched by the real agent.

Whatever the agent asks of its link is carried by the world like any other request, and it
may never hear an answer; then it is given up, as when the process ends.
"""

import contextlib
import hashlib
import types
from uuid import UUID

from msgspec import Struct

from appliance.attachments import receiving
from appliance.attachments.commands import ADD_FILE
from appliance.attachments.keeping import contents_in
from appliance.attachments.receiving import Incoming
from sync.agent import blobs
from sync.agent.blobs import Blobs
from sync.agent.store import identity, lane_views
from tests.simulation.folders import forgetting_folders
from tests.simulation.hub_files import Direct, done, in_memory
from tests.simulation.replacing import replaced

PIECE_BYTES = 16
AT_ONCE = 3
SHARED = ("Picha ya darasa. " * 2, "صورة الصف " * 2)  # handed in by whoever likes


class Ask(Struct, frozen=True):
    """A piece on its way up, or the wish for one."""

    path: str
    message: object = None


class Carrier:
    """A link that somebody else carries."""

    async def post(self, path, message, _shape):
        return await carried(Ask(path, message))

    async def get(self, path, _shape):
        return await carried(Ask(path))


@types.coroutine
def carried(ask):
    return (yield ask)


class Moving:
    """One conversation's files, one request at a time."""

    def __init__(self, board, now_ms):
        def is_wanted_elsewhere():
            me = identity(board.db)
            return any(lane.has_waiting for lane in lane_views(board.db, me.epoch))

        moving = Blobs(board.db, Carrier(), board.files, lambda: now_ms, is_wanted_elsewhere)
        self._running = moving.run()
        self._answer, self._refusal = None, None
        self.asked, self.moved = 0, 0
        self.has_heard = True

    def next_request(self):
        """Go on with what was heard; None at the end."""
        self.has_heard = False
        try:
            if self._refusal is None:
                request = self._running.send(self._answer)
            else:
                request = self._running.throw(self._refusal)
        except StopIteration as end:
            self.moved = end.value
            return None
        self.asked += 1
        return request

    def hear(self, answer=None, refusal=None):
        self._answer, self._refusal, self.has_heard = answer, refusal, True

    def close(self):
        self._running.close()


@contextlib.contextmanager
def in_pieces():
    """Files of a few bytes are several pieces, on both sides, and folders forget."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(in_memory(PIECE_BYTES))
        stack.enter_context(forgetting_folders())
        for module in (blobs, receiving):
            stack.enter_context(replaced(module, "asyncio", Direct))
        stack.enter_context(replaced(blobs, "BLOB_CHUNK_BYTES_MAX", PIECE_BYTES))
        stack.enter_context(replaced(blobs, "AT_ONCE_MAX", AT_ONCE))
        yield


# Handing in.


async def body(content):
    for at in range(0, len(content), PIECE_BYTES):
        yield content[at : at + PIECE_BYTES]


def hand_in_file(world, board, person, content):
    """In the order of the real route: the file, its row, and the file once more."""
    pk = world.dice.randbytes(16)
    with Incoming(board.files, UUID(bytes=pk)) as incoming:
        done(incoming.receive(body(content)))
        incoming.keep()
        about = ("picha.jpg", "image/jpeg", incoming.size_bytes, incoming.sha256)
        args = (pk, bytes(16), person, *about, world.work._moment())
        world.work.commit(board, "attachment", pk, (ADD_FILE, args))
        incoming.keep()
    world.handed_in.add((board.school_id, hashlib.sha256(content).digest()))


def contents(board):
    """What lies there whole."""
    here = contents_in(board.files, in_part=False)
    return {each for each in here if is_content(board, each)}


def is_content(board, sha256):
    path = board.files / sha256.hex()
    return path.is_file() and hashlib.sha256(path.read_bytes()).digest() == sha256


def card_files(board):
    """Everything in the folder, by its name in there."""
    found = (path for path in board.files.rglob("*") if path.is_file())
    return {path.relative_to(board.files): path.read_bytes() for path in found}


def put_card_files(board, files):
    for path in sorted(board.files.rglob("*")):
        if path.is_file():
            path.unlink()
    for name, content in files.items():
        path = board.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
