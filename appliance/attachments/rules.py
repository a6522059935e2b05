"""Which files may be handed in, and what they are called."""

import re
import unicodedata
from pathlib import PurePosixPath
from typing import Final

from appliance.attachments.faults import FileKindRefused

FILE_BYTES_MAX: Final = 10 << 20  # a phone's photo takes 2-5 MB, a minute of its film 10
FILES_MAX: Final = 5  # of one hand-in: a page each of a long answer
NAME_LENGTH_MAX: Final = 120
UNSPEAKABLE: Final = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|\u202a-\u202e\u2066-\u2069]+")

# By ending, as a phone names them. Nothing here runs in a browser; all of it is sent as a
# download (routes.py).
KINDS: Final = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".pdf": "application/pdf",
    ".txt": "text/plain",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".mp4": "video/mp4",
    ".3gp": "video/3gpp",
}


def kind_of(name: str) -> str:
    """The MIME type of a file by its ending. Raises FileKindRefused."""
    kind = KINDS.get(PurePosixPath(name.lower()).suffix)
    if kind is None:
        raise FileKindRefused(f"a file that ends in {PurePosixPath(name).suffix[:12]!r}")
    return kind


def kept_name(name: str) -> str:
    """A name that may stand on a page and on any disk: the last part, without what misleads."""
    plain = unicodedata.normalize(
        "NFC", UNSPEAKABLE.sub("_", name.replace("\\", "/").split("/")[-1])
    )
    path = PurePosixPath(plain.strip(" ."))
    stem = path.stem[: NAME_LENGTH_MAX - len(path.suffix)]
    return f"{stem or 'file'}{path.suffix}"
