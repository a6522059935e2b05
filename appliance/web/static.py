"""Styles, scripts and pictures, with their content in their address.

`/static/<digest>/darasa.css` never changes, so a phone asks for it once and keeps it for
a year; `/static/darasa.css` (no digest, or an old one) is answered with an ETag. Litestar's
own static files know no If-None-Match (ARCHITECTURE, traps).
"""

import gzip
import hashlib
import mimetypes
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, get
from litestar.config.compression import CompressionConfig
from litestar.params import FromPath
from msgspec import Struct

from appliance.errors import NotFound

STATIC: Final = Path(__file__).parent / "static"
DIGEST_LENGTH: Final = 10  # 40 bits: two versions of one file never collide by accident
DIGEST: Final = re.compile(rf"[0-9a-f]{{{DIGEST_LENGTH}}}")
ASSETS_MAX: Final = 256  # more files than we serve; the API documentation's are the largest
FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
COMPRESSIBLE: Final = ("text/", "application/javascript", "application/json", "image/svg")
TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

# Assets are compressed once, at first use; the app's middleware must not do it again.
ALREADY_COMPRESSED: Final = "already_compressed"
COMPRESSION: Final = CompressionConfig(
    backend="gzip", gzip_compress_level=6, exclude_opt_key=ALREADY_COMPRESSED
)


class Asset(Struct, frozen=True):
    """One file, ready to send."""

    digest: str
    content_type: str
    plain: bytes
    packed: bytes | None


def static_url(name: str) -> str:
    """Return the address under which `name` never changes."""
    return f"/static/{asset(name).digest}/{name}"


def asset(name: str) -> Asset:
    """Load `name`, again only when the file changed. Raises NotFound outside of STATIC."""
    try:
        path = (STATIC / name).resolve()
        is_ours = path.is_relative_to(STATIC) and path.is_file()
    except (OSError, ValueError) as error:  # no file has this name: too long, or with a NUL
        raise NotFound(f"static file {name}") from error
    if not is_ours:
        raise NotFound(f"static file {name}")
    return _load(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=ASSETS_MAX)
def _load(path: Path, _changed_ns: int) -> Asset:
    plain = path.read_bytes()
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    content_type = TYPES.get(path.suffix, guessed)
    packed = None
    if content_type.startswith(COMPRESSIBLE):
        packed = gzip.compress(plain, 9, mtime=0)
    digest = hashlib.sha256(plain).hexdigest()[:DIGEST_LENGTH]
    return Asset(digest, content_type, plain, packed)


@get("/static/{path:path}", opt={ALREADY_COMPRESSED: True}, sync_to_thread=False)
def serve_static(path: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """Answer one file; 304 when the browser still has it."""
    digest, _, rest = path.lstrip("/").partition("/")
    found = asset(rest if DIGEST.fullmatch(digest) else path.lstrip("/"))
    headers = {
        "etag": f'"{found.digest}"',
        "cache-control": FOREVER if digest == found.digest else ASK_AGAIN,
        "vary": "Accept-Encoding",
    }
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    body = found.plain
    if found.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        body = found.packed
    return Response(body, headers=headers, media_type=found.content_type)


ROUTES: Final = (serve_static,)
