"""From a cookie to the person who acts, once a request."""

from typing import Any, Final

from litestar import Response
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from appliance.access.commands import SESSION_MS
from appliance.access.hashing import token_hash
from appliance.access.models import Actor
from appliance.access.queries import session_actor

COOKIE: Final = "darasa_session"
Connection = ASGIConnection[Any, Any, Any, Any]


def visitor_of(connection: Connection) -> Actor | None:
    """Return whoever sent this request, looked up once (24-60 microseconds, no thread)."""
    visitor: Actor | None = connection.scope.get("user")
    if visitor is None:
        visitor = _look_up(connection)
        connection.scope["user"] = visitor
    return visitor


def session_cookie(token: str) -> Cookie:
    """Let the browser prove this session; no script can read it, no other site send it.

    Not `Secure`: the classroom has no certificate, and a cookie the phone refuses to
    send protects nobody.
    """
    return Cookie(
        key=COOKIE,
        value=token,
        httponly=True,
        samesite="lax",
        path="/",
        max_age=SESSION_MS // 1_000,
    )


def end_cookie(response: Response[Any]) -> None:
    """Take the cookie away."""
    response.delete_cookie(COOKIE, path="/")


def _look_up(connection: Connection) -> Actor | None:
    token = connection.cookies.get(COOKIE)
    if token is None:
        return None
    state = connection.app.state
    return session_actor(state.readers.here, token_hash(token), now_ms=state.clock())
