"""Signing in and out, as JSON."""

from typing import Any, Final

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from appliance.access.commands import close_session
from appliance.access.door import Door
from appliance.access.hashing import token_hash
from appliance.access.models import Actor, Me, SignIn, me_of
from appliance.access.sessions import COOKIE, end_cookie, session_cookie
from appliance.database.writer import Writer


@post("/api/v1/sessions", status_code=201)
async def create_session(data: JSONBody[SignIn], door: NamedDependency[Door]) -> Response[Me]:
    """Sign in with a PIN or a password; the answer sets the session cookie."""
    opened = await door.sign_in(data)
    return Response(me_of(opened.actor), cookies=[session_cookie(opened.token)])


@delete("/api/v1/sessions/current", status_code=204)
async def delete_session(
    request: Request[Any, Any, Any], writer: NamedDependency[Writer]
) -> Response[None]:
    """Sign out. Nobody signed in is signed out already."""
    token = request.cookies.get(COOKIE)
    if token is not None:
        await writer.write(close_session, token_hash(token))
    response: Response[None] = Response(None, status_code=204)
    end_cookie(response)
    return response


@get("/api/v1/me", sync_to_thread=False)
def get_me(actor: NamedDependency[Actor]) -> Me:
    """Who is signed in."""
    return me_of(actor)


ROUTES: Final = (create_session, delete_session, get_me)
