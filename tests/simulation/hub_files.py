"""The hub's side of files: the real keeping and tidying, in a real folder.

What PostgreSQL would answer to their statements comes from the dictionaries of a school,
statement by statement; a transaction that fails leaves them as they were.
"""

import contextlib
import time
from pathlib import Path
from types import SimpleNamespace

from msgspec import Struct

from appliance.errors import DarasaError
from sync.agent.faults import Refused
from sync.hub import identity as identities
from sync.hub.blobs import keeping, tidying
from sync.hub.intake import nodes
from sync.hub.intake.nodes import NodeClaim
from sync.registry import TABLE
from tests.simulation.district import names
from tests.simulation.replacing import replaced

ROW = names(TABLE["attachment"])
SHA256, SIZE = ROW.index("sha256"), ROW.index("size_bytes")
MONTH_MS = 31 * 86_400_000


class Kept(Struct, frozen=True):
    """A line of the hub's sync_blob."""

    size_bytes: int
    have_bytes: int
    whole_at_ms: int | None


class Direct:
    """Stands where asyncio does: one thread, and nothing waits."""

    @staticmethod
    async def to_thread(work, *args):
        return work(*args)


def done(coroutine):
    """Drive what never waits to its end."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for somebody")


class Keeper:
    """What the real functions take as their hub."""

    def __init__(self, hub, clock):
        self.settings = SimpleNamespace(data=hub.folder)
        self.pools = SimpleNamespace(ingest=hub)
        self.clock = clock


def keeper(hub):
    return Keeper(hub, lambda: hub.now_ms)


class Tables:
    """One transaction of one school."""

    def __init__(self, hub, school_id):
        self.hub, self.school_id = hub, school_id
        self.school = hub.schools[school_id]

    async def fetch(self, sql, *args):
        return ANSWERS[sql](self, *args)

    async def fetchrow(self, sql, *args):
        return next(iter(ANSWERS[sql](self, *args)), None)

    async def fetchval(self, sql, *args):
        found = await self.fetchrow(sql, *args)
        return None if found is None else next(iter(found.values()))

    async def execute(self, sql, *args):
        ANSWERS[sql](self, *args)

    # What each statement says.

    def named(self, _school_id, sha256):
        sizes = named_at(self.school)
        return [{"size_bytes": sizes[sha256]}] if sha256 in sizes else []

    def open_blob(self, _school_id, sha256, size_bytes):
        if sha256 not in self.school.files:
            self.school.files[sha256] = Kept(size_bytes, 0, None)
        return []

    def lock_blob(self, _school_id, sha256):
        kept = self.school.files.get(sha256)
        if kept is None:
            return []
        is_whole = kept.whole_at_ms is not None
        return [
            {"size_bytes": kept.size_bytes, "have_bytes": kept.have_bytes, "is_whole": is_whole}
        ]

    def whole(self, _school_id, asked):
        files = self.school.files
        whole = [each for each in asked if each in files and files[each].whole_at_ms is not None]
        return [{"sha256": each, "size_bytes": files[each].size_bytes} for each in whole]

    def move_blob(self, _school_id, sha256, have_bytes, whole_at_ms):
        size_bytes = self.school.files[sha256].size_bytes
        self.school.files[sha256] = Kept(size_bytes, have_bytes, whole_at_ms)
        return []

    def forget(self):
        gone = sorted(self.school.files.keys() - named_at(self.school).keys())
        for sha256 in gone:
            del self.school.files[sha256]
        return [{"sha256": sha256} for sha256 in gone]

    def counted(self, _school_id):
        return self.whole(_school_id, self.school.files)

    def schools(self, district_id):
        return [{"school_id": each} for each in self.hub.schools if each != district_id]

    def change_incarnation(self, before, _incarnation, _generation):
        if self.hub.incarnation == before:
            self.hub.change_incarnation()
        return []

    def node(self, school_id, node_id):
        where, keys = self.hub.node_keys[node_id]
        state = "revoked" if node_id in self.hub.revoked else "active"
        found = {"school_id": where, "id": node_id, "node_key": keys[0], "state": state}
        return [found] if where == school_id else []

    def identity(self):
        hub = self.hub
        return [
            {
                "hub_id": hub.hub_id,
                "hub_key": hub.public_key,
                "incarnation": hub.incarnation,
                "district_id": hub.district_id,
                "generation": hub.generation,
                "owner_counter": hub.owner_counter,
            }
        ]


ANSWERS = {
    keeping.NAMED: Tables.named,
    keeping.OPEN_BLOB: Tables.open_blob,
    keeping.LOCK_BLOB: Tables.lock_blob,
    keeping.WHOLE: Tables.whole,
    keeping.MOVE_BLOB: Tables.move_blob,
    keeping.FORGET: Tables.forget,
    tidying.COUNTED: Tables.counted,
    tidying.SCHOOLS: Tables.schools,
    nodes.NODE: Tables.node,
    identities.IDENTITY: Tables.identity,
    identities.CHANGE_INCARNATION: Tables.change_incarnation,
}


def named_at(school):
    """Content to size, of every row that names a file."""
    return {
        row.values[SHA256]: row.values[SIZE]
        for (name, _), row in school.rows.items()
        if name == "attachment"
    }


@contextlib.asynccontextmanager
async def scoped(hub, *, school_id=None, district_id=None):
    school_id = school_id or hub.district_id
    school = hub.schools[school_id]
    before = dict(school.files)
    try:
        yield Tables(hub, school_id)
    except BaseException:
        school.files = before
        raise
    if school.files != before:
        hub.commit()


@contextlib.contextmanager
def in_memory(piece_bytes):
    """The hub's files, kept by the real functions; a file of a few bytes is several pieces."""
    with contextlib.ExitStack() as stack:
        for module in (keeping, tidying):
            stack.enter_context(replaced(module, "asyncio", Direct))
            stack.enter_context(replaced(module, "scoped", scoped))
        stack.enter_context(replaced(keeping, "BLOB_CHUNK_BYTES_MAX", piece_bytes))
        yield


def ask_file(hub, node_id, asked):
    """Take in a piece or give one back. Raises Denied, Refused."""
    school_id, _ = hub.admit(node_id)
    claim = NodeClaim(node_id, school_id, 0)
    try:
        if asked.message is not None:
            return done(keeping.take_chunk(keeper(hub), claim, asked.message))
        sha256, _, offset = Path(asked.path).name.partition("?offset=")
        return done(keeping.read_part(keeper(hub), claim, bytes.fromhex(sha256), int(offset)))
    except DarasaError as error:
        raise Refused(error.detail, reason=error.code, http_status=error.status) from error


def take_whole(hub, node_id, sha256, content):
    """A file from a stick, whose label was looked at. Raises Denied, DarasaError."""
    school_id, _ = hub.admit(node_id)
    claim = NodeClaim(node_id, school_id, 0)
    return done(keeping.take_whole(keeper(hub), claim, sha256, content))


def whole_files(hub, school_id, asked):
    """Those that are here, as an answer on a stick says."""
    return done(keeping.whole_files(keeper(hub), Tables(hub, school_id), school_id, asked))


def forget_files(hub, school_id):
    done(keeping.forget_unnamed(keeper(hub), Tables(hub, school_id), school_id))


def tidy(hub):
    """As a hub does at its start and every day; return how many files were counted or removed."""
    return done(tidying.tidy_files(keeper(hub)))


def tidy_much_later(hub):
    """What it does not know it keeps for a month, by the clock of the folder."""
    done(tidying.tidy_files(Keeper(hub, lambda: time.time_ns() // 1_000_000 + MONTH_MS)))


def folder_of(hub, school_id):
    return hub.folder / "blobs" / str(school_id)


def is_whole(hub, school_id, sha256):
    """Whether the bytes are there and are what their name says."""
    return keeping.is_content(folder_of(hub, school_id) / sha256.hex(), sha256)


def photograph(hub):
    """Every file, for a folder that is put back."""
    top = hub.folder / "blobs"
    return {path: path.read_bytes() for path in top.rglob("*") if path.is_file()}


def put_back(hub, photographed):
    for path in photograph(hub).keys() - photographed.keys():
        path.unlink()
    for path, content in photographed.items():
        path.write_bytes(content)
