"""Taking a stick in: each segment by the same way as over the net, in whatever order it lies.

A stick is a letter from a stranger until a signature on it fits: nothing of its names and
folders is believed. What cannot be taken in is said and left on the stick.
"""

from pathlib import PurePosixPath
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.errors import DarasaError
from sync.core.bundle import (
    LOCKED_SEGMENT_BYTES_MAX,
    MANIFEST,
    MANIFEST_BYTES_MAX,
    SEGMENT_NAME,
    TOP,
    BundleCorrupt,
    Manifest,
    check_manifest,
    lanes_in,
    numbered,
    read_id,
    read_manifest,
    segment_place,
    stream_folder,
)
from sync.core.segment import Segment, SegmentRefused, open_body, read_segment
from sync.hub.database import scoped
from sync.hub.faults import ChainBroken
from sync.hub.identity import identity
from sync.hub.intake.accepting import Address, accept_segment, go_on, position
from sync.hub.intake.erased import erased_people, is_any_about
from sync.hub.intake.hello import stand
from sync.hub.intake.holding import Stream, hold, next_held
from sync.hub.intake.nodes import Node, NodeClaim, node_named, require_open
from sync.hub.intake.receipts import lock_school
from sync.hub.running import Hub
from sync.hub.sticks.answering import write_answer
from sync.hub.sticks.came import Came, error_words
from sync.hub.sticks.files import give_back, import_files
from sync.protocol import StreamPosition
from sync.stick import Stick, StickFailed

OTHER_HISTORY: Final = "another history has this number here; the answer tells the box"

SCHOOL_NAME: Final[LiteralString] = """
SELECT s.name
  FROM school AS s
 WHERE s.school_id = $1
"""


class Arrived(Struct, frozen=True):
    """A segment from a stick, and who it says it is from."""

    segment: Segment
    payload: bytes
    claim: NodeClaim
    address: Address


def boards_on(stick: Stick) -> list[Came]:
    """Find whose folders lie there."""
    top = PurePosixPath(TOP)
    return [
        Came(node_id, epoch)
        for node_id in map(read_id, stick.names(top))
        if node_id is not None
        for epoch in map(read_id, stick.names(top / str(node_id)))
        if epoch is not None
    ]


async def import_stream(hub: Hub, stick: Stick, came: Came) -> Came:
    """Take in one board's files of one epoch."""
    asked = await _read_manifest(hub, stick, came)
    folder = stream_folder(came.node_id, came.epoch)
    for lane in lanes_in(stick.names(folder)):
        for n, _ in numbered(stick.names(folder / str(lane)), SEGMENT_NAME):
            await _import_file(hub, stick, came, lane, n)
        if asked is not None:
            await take_waiting(hub, Stream(asked[0].school_id, came.node_id, came.epoch, lane))
    await import_files(hub, stick, came)
    if asked is not None:
        try:
            came.answer_no = await write_answer(hub, stick, *asked)
            came.given_back = await give_back(hub, stick, asked[0], asked[1].missing)
        except (StickFailed, DarasaError) as error:
            came.aside.append(f"the answer could not be written: {error_words(error)}")
    return came


async def _read_manifest(hub: Hub, stick: Stick, came: Came) -> tuple[Node, Manifest] | None:
    """Read what the board asks, and first of all whether we have been rolled back since."""
    place = stream_folder(came.node_id, came.epoch) / MANIFEST
    content = stick.read(place, bytes_max=MANIFEST_BYTES_MAX)
    try:
        manifest, signed = read_manifest(content or b"")
        require_fitting(manifest, came, hub.hub_id)
        claim = claim_of(manifest.school_id, came.node_id)
        async with scoped(hub.pools.ingest, school_id=claim.school_id) as link:
            node = await node_named(link, claim)
            came.school = await link.fetchval(SCHOOL_NAME, claim.school_id)
        check_manifest(signed, node.node_key)
        require_open(node)
        await stand(hub, claim, manifest.hello)
    except (BundleCorrupt, DarasaError) as error:
        came.aside.append(f"no answer can be given: {place.name}: {error_words(error)}")
        return None
    return node, manifest


def require_fitting(manifest: Manifest, came: Came, hub_id: UUID) -> None:
    """Raise BundleCorrupt for a manifest that was moved, or is for somebody else."""
    if (manifest.hello.node_id, manifest.hello.epoch) != (came.node_id, came.epoch):
        raise BundleCorrupt("it is about another box")
    if manifest.hub_id != hub_id:
        raise BundleCorrupt("it is for another district")


async def _import_file(hub: Hub, stick: Stick, came: Came, lane: int, n: int) -> None:
    place = segment_place(came.node_id, came.epoch, lane, n)
    try:
        arrived = _open(hub, stick, came, place)
        await _take(hub, came, arrived)
    except (BundleCorrupt, SegmentRefused, DarasaError) as error:
        came.leave(f"{lane}/{place.name}", error)


async def _take(hub: Hub, came: Came, arrived: Arrived) -> None:
    before = await _where(hub, arrived)
    try:
        await accept_segment(hub, arrived.claim, arrived.address, arrived.payload)
    except ChainBroken as error:
        await _hold(hub, came, arrived, error)
    else:
        came.known += arrived.segment.header.n <= before.received_n
        came.taken += arrived.segment.header.n > before.received_n


def _open(hub: Hub, stick: Stick, came: Came, place: PurePosixPath) -> Arrived:
    content = stick.read(place, bytes_max=LOCKED_SEGMENT_BYTES_MAX)
    payload = hub.key.unlock(content or b"")
    segment = read_segment(payload)
    header = segment.header
    if (header.node_id, header.epoch) != (came.node_id, came.epoch):
        raise BundleCorrupt("it lies in another box's folder")
    address = Address(header.node_id, header.epoch, header.lane, header.n)
    return Arrived(segment, payload, claim_of(header.school_id, header.node_id), address)


async def _where(hub: Hub, arrived: Arrived) -> StreamPosition:
    header = arrived.segment.header
    stream = (header.school_id, header.node_id, header.epoch, header.lane)
    async with scoped(hub.pools.ingest, school_id=header.school_id) as link:
        return await position(link, await identity(link), *stream)


async def _hold(hub: Hub, came: Came, arrived: Arrived, error: ChainBroken) -> None:
    """Keep what is ahead of its turn; its signature has been verified."""
    header = arrived.segment.header
    if header.n <= error.received_n:
        place = segment_place(came.node_id, came.epoch, header.lane, header.n)
        came.leave(f"{header.lane}/{place.name}", OTHER_HISTORY)
        return
    async with scoped(hub.pools.ingest, school_id=header.school_id) as link:
        await lock_school(link, header.school_id)
        people = await erased_people(link, header.school_id)
        if is_any_about(open_body(arrived.segment), people):  # nothing of them is kept, so long
            came.wait(f"on the stick until segment {error.received_n + 1} comes")
            return
        is_held = await hold(link, arrived.segment, arrived.payload, now_ms=hub.clock())
    came.wait(
        f"until segment {error.received_n + 1} comes"
        if is_held
        else "on the stick: too much of this school waits already"
    )


async def take_waiting(hub: Hub, stream: Stream) -> None:
    """Take in what waits, where its turn has come and nobody else would notice."""
    claim = claim_of(stream.school_id, stream.node_id)
    key = (stream.school_id, stream.node_id, stream.epoch, stream.lane)
    async with scoped(hub.pools.ingest, school_id=stream.school_id) as link:
        at = await position(link, await identity(link), *key)
        waiting = await next_held(link, stream, at)
    await go_on(hub, claim, waiting)


def claim_of(school_id: UUID, node_id: UUID) -> NodeClaim:
    """Say who it says it is from; the signature decides."""
    return NodeClaim(node_id, school_id, 0)
