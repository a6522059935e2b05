"""What every answer tells the browser about itself."""

from typing import Final

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

# Scripts and styles come from this box only and never from inside a page, so words that
# a pupil typed cannot run.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

FIXED: Final = (
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
)


async def set_headers(message: Message, scope: Scope) -> None:
    """Litestar `before_send` hook of the whole app."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in FIXED:
        headers.setdefault(name, value)
    # A shared phone must not show the last pupil's page after going back.
    if "cache-control" not in headers:
        headers["cache-control"] = "no-store"
