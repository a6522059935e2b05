"""Refuses what another site's page sends in a signed-in person's name.

Browsers since Chrome 76 say where a request came from (Sec-Fetch-Site); all of them,
the oldest we serve included, send Origin with a POST from another site. Scripts and
tools send neither and hold no cookie of a browser.
"""

from typing import Final
from urllib.parse import urlsplit

from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from appliance.access.faults import ForeignOrigin

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITES: Final = frozenset({"same-origin", "none"})  # none: typed by the person


class OwnOriginOnly(ASGIMiddleware):
    """Litestar middleware for every unsafe method."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on. Raises ForeignOrigin."""
        if scope["method"] not in SAFE_METHODS:  # type: ignore[typeddict-item]  # http only
            require_own_origin(Headers.from_scope(scope))
        await next_app(scope, receive, send)


def require_own_origin(headers: Headers) -> None:
    """Raises ForeignOrigin when the browser says that another site's page asks."""
    site = headers.get("sec-fetch-site")
    if site is not None and site not in OWN_SITES:
        raise ForeignOrigin(f"the request is {site}")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise ForeignOrigin(f"the request comes from {origin}")
