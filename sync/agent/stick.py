"""Carrying the school's work on a stick: out as sealed segments, back as receipts.

The same segments as over the net, sealed under the same rule: nothing is on the stick that
is not on the box's card for good. An export begins at the first segment that the district
has not acknowledged, so any stick may be lost. The agent may run meanwhile: a number is
taken by compare-and-swap in the database, whoever seals.
"""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final, LiteralString

from msgspec import Struct, structs
from nacl.signing import SigningKey

from appliance.database.agent import AgentDatabase
from appliance.ids import uuid7
from sync.agent import store
from sync.agent.faults import NotJoined
from sync.agent.parcels import (
    Loaded,
    load_files,
    missing_files,
    unload_files,
    unsent_files,
)
from sync.agent.recovery import begin_epoch, mark_next
from sync.agent.sealing import Share, Stamp, seal_rows
from sync.agent.session import Chance, Session
from sync.agent.store import Identity
from sync.core.bundle import (
    MANIFEST,
    SEGMENT_NAME,
    LaneRange,
    Manifest,
    lock,
    numbered,
    segment_place,
    stream_folder,
    write_manifest,
)
from sync.core.node import Fork, Heard, MarkRows, SealRows, Step, View, next_step
from sync.core.segment import is_intact, signed_again
from sync.stick import Stick, StickFull

Say = Callable[[str], None]

NONCE_BYTES: Final = 16
OWED: Final = (
    "This box waits for its school's rows before it can send its own. Carry the stick to the"
    " district and back, import, and export again."
)
DAMAGED: Final = (
    "Part of what waited could not be read from the card any more. Its rows are sent again."
)
SAY_EVERY: Final = 20  # segments; about a second of a slow stick

READ_UNACKNOWLEDGED: Final[LiteralString] = """
SELECT c.lane, c.n, c.rows
  FROM sync_stream AS s
  JOIN sync_chain AS c
    ON c.lane = s.lane AND c.epoch = s.epoch AND c.n > s.received_n
 WHERE s.epoch = ?1
 ORDER BY c.lane, c.n
"""


class Waiting(Struct, frozen=True):
    """A sealed segment that the district has not acknowledged."""

    lane: int
    n: int
    rows: int


class Exported(Struct, frozen=True):
    """What an export put on the stick."""

    segments: int
    rows: int
    size_bytes: int
    removed: int
    is_owed: bool  # the school's rows have to come back first
    loaded: Loaded


class Tools(Struct, frozen=True):
    """What exports and imports work with. `is_alone`: the agent is not speaking just now."""

    db: AgentDatabase
    key: SigningKey
    is_alone: bool
    erased_people: Path  # the list of whom to forget
    files: Path  # of hand-ins
    say: Say


def open_stick(folder: Path, data_dir: Path, say: Say) -> Stick:
    """Open the folder; one on the box's own card is a mistake more often than not."""
    stick = Stick(folder)
    if stick.device == data_dir.stat().st_dev:
        say(f"{folder} is on the box's own card. Is the stick mounted?")
    return stick


def words_of(sent: Exported) -> list[str]:
    """Say what an export did, to whoever holds the stick."""
    lines = [f"{sent.rows} changes in {sent.segments} files are on the stick, locked."]
    if not sent.segments:
        lines = ["Nothing waits for the district; the stick only asks for its answer."]
    if sent.removed:
        lines.append(f"{sent.removed} files were taken off: the district has them.")
    if sent.is_owed:
        lines.append(OWED)
    if sent.loaded.files:
        lines.append(f"{sent.loaded.files} photos and files of hand-ins go with them.")
    if sent.loaded.left:
        lines.append(f"{sent.loaded.left} did not fit and wait for the next stick.")
    return [*lines, "It may be pulled out now."]


def system_chance(now_ms: int) -> Chance:
    """Real ids and nonces."""
    return Chance(epoch=lambda: uuid7(now_ms), nonce=lambda: secrets.token_bytes(NONCE_BYTES))


def joined(db: AgentDatabase) -> Identity:
    """Return who this box is. Raises NotJoined before it has a district."""
    me = store.identity(db)
    if me is None or me.hub_id is None:
        raise NotJoined("this box has not been told whose district it is in")
    return me


def export_stick(tools: Tools, stick: Stick, stamp: Stamp) -> Exported:
    """Seal what waits and put everything unacknowledged on the stick. Raises StickFailed."""
    leave_damaged(tools, stamp)
    seal_waiting(tools, stamp)
    me = joined(tools.db)
    waiting = tools.db.rows(Waiting, READ_UNACKNOWLEDGED, (me.epoch,))
    _write_manifest(tools, stick, me, waiting, stamp)
    size = _write_rows(tools, stick, me, waiting)
    removed = remove_acknowledged(tools.db, stick, me)
    loaded = load_files(tools.db, tools.files, stick, me, tools.key)
    rows = sum(each.rows for each in waiting)
    return Exported(len(waiting), rows, size, removed, me.recovery_due, loaded)


def leave_damaged(tools: Tools, stamp: Stamp) -> None:
    """Begin the log anew when the card has lost bits of what waits; a running agent does it."""
    me = joined(tools.db)
    if tools.is_alone and not all(
        is_kept(tools.db, me, each)
        for each in tools.db.rows(Waiting, READ_UNACKNOWLEDGED, (me.epoch,))
    ):
        assert me.incarnation is not None
        begin_epoch(
            tools.db,
            epoch=uuid7(stamp.now_ms),
            incarnation=me.incarnation,
            why=Fork.PAYLOAD_DAMAGED,
            now_ms=stamp.now_ms,
        )
        tools.say(DAMAGED)


def is_kept(db: AgentDatabase, me: Identity, each: Waiting) -> bool:
    """Whether the card still has what was sealed."""
    link = store.own_hash(db, me, each.lane, each.n)
    return link is not None and is_intact(store.payload(db, me.epoch, each.lane, each.n), link)


def seal_waiting(tools: Tools, stamp: Stamp) -> None:
    """Do whatever can be done without the hub: mark, then seal every lane to its end."""
    while True:
        me = joined(tools.db)
        match next_local_step(tools.db, me):
            case MarkRows():
                if not tools.is_alone:
                    return  # the running agent is at it
                mark_next(tools.db, me, now_ms=stamp.now_ms)
            case SealRows(lane=lane):
                stream = store.streams(tools.db, me.epoch)[lane]
                seal_rows(tools.db, me, stream, tools.key, stamp, Share())
            case _:
                return


def next_local_step(db: AgentDatabase, me: Identity) -> Step:
    """Ask the core as if everything sealed had been delivered."""
    lanes = [
        structs.replace(lane, received_n=lane.cur_n) for lane in store.lane_views(db, me.epoch)
    ]
    nothing_heard = Heard(fork=None, pull=False)
    return next_step(View(nothing_heard, me.remark_tbl is not None, me.recovery_due, lanes))


def _write_manifest(
    tools: Tools, stick: Stick, me: Identity, waiting: list[Waiting], stamp: Stamp
) -> None:
    """First of all: a stick that is pulled out says by it what is missing."""
    assert me.hub_id is not None
    session = Session(tools.db, tools.key, system_chance(stamp.now_ms))
    manifest = Manifest(
        hub_id=me.hub_id,
        school_id=me.school_id,
        hello=session.question(stamp),
        recovery_due=me.recovery_due,
        lanes=ranges(waiting),
        rows=sum(each.rows for each in waiting),
        made_at_ms=stamp.now_ms,
        files=[each.sha256 for each in unsent_files(tools.db)],
        missing=missing_files(tools.db, tools.files),
    )
    place = stream_folder(me.node_id, me.epoch) / MANIFEST
    stick.write(place, write_manifest(manifest, tools.key))


def ranges(waiting: list[Waiting]) -> list[LaneRange]:
    """Say of each lane from where to where; numbers have no gaps."""
    return [
        LaneRange(lane=lane, first_n=min(numbers), last_n=max(numbers))
        for lane in sorted({each.lane for each in waiting})
        if (numbers := [each.n for each in waiting if each.lane == lane])
    ]


def _write_rows(tools: Tools, stick: Stick, me: Identity, waiting: list[Waiting]) -> int:
    """Files make way for rows."""
    try:
        return _write_segments(tools, stick, me, waiting)
    except StickFull:
        if not unload_files(stick, me):
            raise
        return _write_segments(tools, stick, me, waiting)


def _write_segments(tools: Tools, stick: Stick, me: Identity, waiting: list[Waiting]) -> int:
    assert me.hub_key is not None
    size = 0
    for done, each in enumerate(waiting, 1):
        if not is_kept(tools.db, me, each):
            continue  # the running agent brought it to the district meanwhile, or begins anew
        payload = store.payload(tools.db, me.epoch, each.lane, each.n)
        content = lock(signed_again(payload, tools.key), me.hub_key)
        stick.write(segment_place(me.node_id, me.epoch, each.lane, each.n), content)
        size += len(content)
        if done % SAY_EVERY == 0 or done == len(waiting):
            tools.say(f"written {done} of {len(waiting)} files, {size / 1e6:.1f} MB")
    return size


def remove_acknowledged(db: AgentDatabase, stick: Stick, me: Identity) -> int:
    """Make room: take this box's own files away that the district has acknowledged."""
    removed = 0
    for stream in store.streams(db, me.epoch):
        folder = stream_folder(me.node_id, me.epoch) / str(stream.lane)
        for n, name in numbered(stick.names(folder), SEGMENT_NAME):
            if n <= stream.applied_n:
                stick.remove(folder / name)
                removed += 1
    return removed
