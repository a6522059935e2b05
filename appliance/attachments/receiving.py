"""A file on its way in: hashed while it is written, on disk before anything names it.

It lands under the hash of its content in the data folder, where the sync agent finds it. The
file is there before its row is, and once more looked for after: in between somebody with
the same picture may have been erased.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from appliance.attachments.faults import FileEmpty, FileTooLarge
from appliance.attachments.rules import FILE_BYTES_MAX
from appliance.durable import sync_path
from appliance.errors import StorageFull
from appliance.room import require_room_for_files

INCOMING: Final = "incoming"


class Incoming:
    """One file while it arrives; gone with the block unless it was kept."""

    def __init__(self, folder: Path, attachment_id: UUID) -> None:
        self._folder: Final = folder
        self._path: Final = folder / INCOMING / f"{attachment_id}-{id(self):x}"
        self._digest: Final = hashlib.sha256()
        self.size_bytes = 0

    def __enter__(self) -> Self:
        """Begin with an empty file. Raises NoRoomForFiles while the card is for words alone."""
        require_room_for_files(self._folder.parent)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing half-written."""
        self._path.unlink(missing_ok=True)

    @property
    def sha256(self) -> bytes:
        """Hash of what has arrived."""
        return self._digest.digest()

    @property
    def place(self) -> Path:
        """Where the content is kept for good."""
        return self._folder / self.sha256.hex()

    async def receive(self, pieces: AsyncIterator[bytes]) -> None:
        """Write what arrives. Raises FileTooLarge, FileEmpty, StorageFull."""
        try:
            with await asyncio.to_thread(self._path.open, "wb") as file:
                async for piece in pieces:
                    self._count(piece)
                    await asyncio.to_thread(file.write, piece)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
        except OSError as error:
            raise StorageFull(f"a file was not kept: {error.strerror}") from error
        if self.size_bytes == 0:
            raise FileEmpty("a file of no bytes")

    def _count(self, piece: bytes) -> None:
        self.size_bytes += len(piece)
        if self.size_bytes > FILE_BYTES_MAX:
            raise FileTooLarge(f"a file of more than {FILE_BYTES_MAX} bytes")
        self._digest.update(piece)

    def keep(self) -> bool:
        """Give the content its name; say whether it had none before. Repeating is harmless.

        On disk when this returns, also where somebody else is about to put it there. Raises
        StorageFull.
        """
        try:
            is_new = self._link()
            sync_path(self._folder)
        except OSError as error:
            raise StorageFull(f"a file was not kept: {error.strerror}") from error
        return is_new

    def _link(self) -> bool:
        try:
            os.link(self._path, self.place)
        except FileExistsError:
            return False
        return True
