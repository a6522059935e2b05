"""Files of hand-ins on a stick: out after every row, back where this board lacks them.

Rows never wait for a file. A file goes where there is room to spare, the newest first, and makes
way when a row needs the place; what does not fit goes with the next stick. A stick that comes
back is emptied of files: those that arrived are known by the answer, the others are packed anew.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct
from nacl.signing import SigningKey

from appliance.attachments.keeping import contents_in
from appliance.database.agent import AgentDatabase
from appliance.database.reader import Reader
from appliance.room import has_room_for_files
from sync.agent.blobs import NOTE_WHOLE, keep_whole, named_files
from sync.agent.store import Identity
from sync.core.bundle import Answer, BundleCorrupt, unlock
from sync.core.parcel import (
    PARCEL_BYTES_MAX,
    Label,
    back_folder,
    file_name,
    files_folder,
    files_in,
    is_signed_by,
    packed,
    read_parcel,
    signed_label,
)
from sync.protocol import FILES_ASKED_MAX
from sync.stick import Stick, StickFailed, StickFull

ROOM_KEPT_BYTES: Final = 64 << 20  # for the answer, and for next week's rows

# Also files whose row has not arrived yet: it goes on the same stick, before them.
NOT_KNOWN_THERE: Final[LiteralString] = """
SELECT min(a.id) AS id, a.sha256, a.size_bytes
  FROM attachment AS a
  JOIN sync_identity AS i
    ON i.id = 1
  LEFT JOIN sync_blob AS b
    ON b.sha256      = a.sha256
   AND b.incarnation = i.incarnation
 WHERE b.sha256 IS NULL
 GROUP BY a.sha256, a.size_bytes
 ORDER BY max(a.saved_at_ms) DESC
 LIMIT ?1
"""


class Unsent(Struct, frozen=True):
    """A file of which the district has not said that it is there."""

    id: UUID
    sha256: bytes
    size_bytes: int

    @property
    def name(self) -> str:
        """Its name on the stick."""
        return file_name(self.id)


class Loaded(Struct, frozen=True):
    """How many files are on the stick, and how many wait for the next."""

    files: int
    left: int


class Back(Struct, frozen=True):
    """How many files came from the stick, and how many stay on it for want of room."""

    came: int
    left: int


def unsent_files(db: Reader) -> list[Unsent]:
    """The newest first."""
    return db.rows(Unsent, NOT_KNOWN_THERE, (FILES_ASKED_MAX,))


def missing_files(db: Reader, folder: Path) -> list[bytes]:
    """What this board should have and has not."""
    here = contents_in(folder, in_part=False)
    return [each.sha256 for each in named_files(db) if each.sha256 not in here][:FILES_ASKED_MAX]


def load_files(
    db: AgentDatabase, folder: Path, stick: Stick, me: Identity, key: SigningKey
) -> Loaded:
    """Put on the stick what there is room for. Raises StickFailed, but not for a full stick."""
    place = files_folder(me.node_id)
    there = set(stick.names(place))
    unsent = [each for each in unsent_files(db) if (folder / each.sha256.hex()).exists()]
    for name in files_in(sorted(there - {each.name for each in unsent})):
        stick.remove(place / name)
    loaded = 0
    for each in unsent:
        loaded += each.name in there or _load(folder, stick, me, key, each)
    return Loaded(loaded, len(unsent) - loaded)


def _load(folder: Path, stick: Stick, me: Identity, key: SigningKey, each: Unsent) -> bool:
    path = folder / each.sha256.hex()
    if stick.free_bytes - each.size_bytes < ROOM_KEPT_BYTES:
        return False
    assert me.hub_id is not None
    assert me.hub_key is not None
    content = path.read_bytes()
    label = Label(
        hub_id=me.hub_id,
        school_id=me.school_id,
        node_id=me.node_id,
        sha256=each.sha256,
        size_bytes=len(content),
    )
    try:
        stick.write(
            files_folder(me.node_id) / each.name,
            packed(label, content, signed_label(label, key), me.hub_key),
        )
    except StickFull:  # the file system's own needs; rows are on it already
        return False
    return True


def unload_files(stick: Stick, me: Identity) -> int:
    """Take this board's files off; return how many."""
    place = files_folder(me.node_id)
    names = files_in(stick.names(place))
    for name in names:
        stick.remove(place / name)
    return len(names)


def note_arrived(db: AgentDatabase, answer: Answer, *, now_ms: int) -> int:
    """Believe the district's word about files this box has asked for; return how many."""
    asked = {each.sha256 for each in unsent_files(db)}
    arrived = [sha256 for sha256 in answer.files if sha256 in asked]
    with db.changing() as tx:
        for sha256 in arrived:
            tx.run(NOTE_WHOLE, (sha256, answer.hello.incarnation, now_ms))
    return len(arrived)


def bring_back(
    db: AgentDatabase, folder: Path, stick: Stick, me: Identity, key: SigningKey
) -> Back:
    """Take the files this board lacks and has room for."""
    place, came = back_folder(me.node_id), 0
    missing = set(missing_files(db, folder))
    names = files_in(stick.names(place))
    for looked_at, name in enumerate(names):
        if not has_room_for_files(folder.parent):
            return Back(came, len(names) - looked_at)
        content = stick.read(place / name, bytes_max=PARCEL_BYTES_MAX)
        try:
            sha256, found = _opened(content or b"", me, key)
        except BundleCorrupt:
            continue  # it is asked for again with the next stick
        if sha256 in missing:
            keep_whole(folder, sha256, found)
            came += 1
        with suppress(StickFailed):  # it may not be written to
            stick.remove(place / name)
    return Back(came, 0)


def _opened(content: bytes, me: Identity, key: SigningKey) -> tuple[bytes, bytes]:
    assert me.hub_key is not None
    label, parcel = read_parcel(unlock(content, key.to_curve25519_private_key()))
    if label.node_id != me.node_id or not is_signed_by(parcel, me.hub_key):
        raise BundleCorrupt("it is for another box, or not from this box's hub")
    return label.sha256, parcel.content
