"""Files of hand-ins from a stick, and back to a board that lacks them.

Looked at after the rows of the same stick: a file is kept only if a row of its school names it.
Nothing of its name and place is believed; the label's signature says which box has packed it.
"""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from appliance.errors import DarasaError
from sync.core.bundle import BundleCorrupt
from sync.core.parcel import (
    CONTENT_BYTES_MAX,
    PARCEL_BYTES_MAX,
    Label,
    Parcel,
    back_folder,
    file_name,
    files_folder,
    files_in,
    is_signed_by,
    label_message,
    packed,
    read_parcel,
)
from sync.hub.blobs.keeping import folder_of, take_whole, whole_files
from sync.hub.database import scoped
from sync.hub.faults import BadSignature, BlobUnknown
from sync.hub.intake.former_keys import former_keys
from sync.hub.intake.nodes import Node, NodeClaim, node_of, require_current
from sync.hub.running import Hub
from sync.hub.sticks.came import Came
from sync.stick import Stick, StickFull

NO_ROW_YET: Final = "on the stick: the work that names a file has not come"
ROOM_KEPT_BYTES: Final = 64 << 20  # for the answer, and for what the school writes next


async def import_files(hub: Hub, stick: Stick, came: Came) -> None:
    """Take in the files of one board; what cannot be taken stays on the stick."""
    folder = files_folder(came.node_id)
    for name in files_in(stick.names(folder)):
        content = stick.read(folder / name, bytes_max=PARCEL_BYTES_MAX)
        try:
            is_new = await _import_file(hub, came.node_id, content or b"")
        except BlobUnknown:
            came.wait(NO_ROW_YET)
        except (BundleCorrupt, DarasaError) as error:
            came.leave(f"files/{name}", error)
        else:
            came.files += is_new
            came.files_known += not is_new


async def _import_file(hub: Hub, node_id: UUID, content: bytes) -> bool:
    label, parcel = await asyncio.to_thread(_opened, hub, content)
    if (label.node_id, label.hub_id) != (node_id, hub.hub_id):
        raise BundleCorrupt("it lies in another box's folder, or is for another district")
    claim = NodeClaim(node_id, label.school_id, 0)
    await _require_packed_by(hub, claim, parcel)
    return await take_whole(hub, claim, label.sha256, parcel.content)


def _opened(hub: Hub, content: bytes) -> tuple[Label, Parcel]:
    return read_parcel(hub.key.unlock(content))


async def _require_packed_by(hub: Hub, claim: NodeClaim, parcel: Parcel) -> None:
    """Raise NodeUnknown, NodeRevoked, NodeKeyRetired or BadSignature."""
    async with scoped(hub.pools.ingest, school_id=claim.school_id) as link:
        node = await node_of(link, claim)
        former = await former_keys(link, claim.node_id)
    if is_signed_by(parcel, node.node_key):
        return
    for key in former:
        if key.school_id == claim.school_id and is_signed_by(parcel, key.node_key):
            require_current(node, key, now_ms=hub.clock())
            return
    raise BadSignature("another key has signed this file")


async def give_back(hub: Hub, stick: Stick, node: Node, missing: Sequence[bytes]) -> int:
    """Pack what the board lacks and the hub has; return how many files."""
    place = back_folder(node.id)
    for name in files_in(stick.names(place)):
        stick.remove(place / name)
    async with scoped(hub.pools.ingest, school_id=node.school_id) as link:
        here = await whole_files(hub, link, node.school_id, missing)
    given = 0
    for sha256 in here:
        given += await asyncio.to_thread(_pack, hub, stick, node, sha256, given)
    return given


def _pack(hub: Hub, stick: Stick, node: Node, sha256: bytes, number: int) -> bool:
    """Put one file on the stick, if there is room to spare."""
    path = folder_of(hub, node.school_id) / sha256.hex()
    size = path.stat().st_size if path.exists() else CONTENT_BYTES_MAX + 1
    if size > CONTENT_BYTES_MAX or stick.free_bytes - size < ROOM_KEPT_BYTES:
        return False
    label = Label(
        hub_id=hub.hub_id,
        school_id=node.school_id,
        node_id=node.id,
        sha256=sha256,
        size_bytes=size,
    )
    content = packed(label, path.read_bytes(), hub.key.sign(label_message(label)), node.node_key)
    try:
        stick.write(back_folder(node.id) / file_name(number), content)
    except StickFull:
        return False
    return True
