"""Rows that cannot be merged are kept as they came, each image once, until somebody decides.

Which of them wait already is asked once for all of them: asked row by row, PostgreSQL looked
through everything that waits of their table for each, and 4,000 rows took half a minute.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, LiteralString
from uuid import UUID

import msgspec
from msgspec import Struct

from appliance.ids import uuid7
from sync.hub.database import Link, rows
from sync.hub.intake.staging import Refused
from sync.protocol import SegmentHeader

REASON_CHARS_MAX: Final = 200  # what PostgreSQL says may quote a whole row

WAITING: Final[LiteralString] = """
SELECT q.id, q.tbl, q.pk, md5(q.image) AS image_md5
  FROM sync_quarantine AS q
 WHERE q.school_id  = $1
   AND md5(q.image) = ANY($2::text[])
   AND q.resolved_at_ms IS NULL
"""

# The same image again, under whatever reason it has now, makes no second copy; the lineage
# that brought it last is the one that may answer for it.
CAME_AGAIN: Final[LiteralString] = """
UPDATE sync_quarantine
   SET node_id = $3, epoch = $4, lane = $5, n = $6, reason = $7
 WHERE school_id = $1
   AND id        = $2
"""

KEEP_ASIDE: Final[LiteralString] = """
INSERT INTO sync_quarantine (school_id, id, node_id, epoch, lane, n, reason, tbl, pk, image,
                             first_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

_encode: Final = msgspec.msgpack.Encoder().encode


class Aside(Struct, frozen=True):
    """Where rows that were put aside came from, when they are tried again."""

    school_id: UUID
    node_id: UUID
    epoch: UUID
    lane: int
    n: int
    rows: int


class Waiting(Struct, frozen=True):
    """An image that waits already."""

    id: UUID
    tbl: str
    pk: UUID | None
    image_md5: str

    @property
    def key(self) -> tuple[str, UUID | None, str]:
        """Two with the same are one."""
        return self.tbl, self.pk, self.image_md5


class Image(Struct, frozen=True):
    """A row as it came, and why it waits."""

    tbl: str
    pk: UUID | None
    content: bytes
    reason: str

    @property
    def key(self) -> tuple[str, UUID | None, str]:
        """As of Waiting."""
        return self.tbl, self.pk, hashlib.md5(self.content, usedforsecurity=False).hexdigest()


async def set_aside(
    link: Link, came: SegmentHeader | Aside, refused: Sequence[Refused], *, now_ms: int
) -> None:
    """Keep rows, and say of those that wait already how they came this time."""
    images = {image.key: image for image in map(_image, refused)}
    hashes = [image_md5 for _, _, image_md5 in images]
    waiting = [
        found
        for found in await rows(link, Waiting, WAITING, came.school_id, hashes)
        if found.key in images
    ]
    origin = (came.node_id, came.epoch, came.lane, came.n)
    await link.executemany(
        CAME_AGAIN,
        [(came.school_id, found.id, *origin, images[found.key].reason) for found in waiting],
    )
    known = {found.key for found in waiting}
    await link.executemany(
        KEEP_ASIDE,
        [
            (came.school_id, uuid7(now_ms), *origin, it.reason, it.tbl, it.pk, it.content, now_ms)
            for key, it in images.items()
            if key not in known
        ],
    )


def _image(refused: Refused) -> Image:
    cells = dict(zip(refused.columns, refused.values, strict=True))
    reason = refused.reason[:REASON_CHARS_MAX]
    return Image(refused.table_name, _id_or_none(cells.get("id")), _encode(cells), reason)


def _id_or_none(value: object) -> UUID | None:
    if isinstance(value, bytes) and len(value) == 16:
        return UUID(bytes=value)
    return None
