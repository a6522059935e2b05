"""Claiming the hub, and signing in and out, as JSON."""

from typing import Any, Final

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from sync.hub.accounts.claiming import claim_district
from sync.hub.accounts.models import Claim, Claimed, Me, SignIn, Visitor, me_of
from sync.hub.accounts.sessions import (
    COOKIE,
    end_cookie,
    session_cookie,
    sign_in,
    sign_out,
    visitor_with,
)
from sync.hub.running import Hub


@post("/api/v1/claim", status_code=201)
async def create_claim(data: JSONBody[Claim], hub: NamedDependency[Hub]) -> Claimed:
    """Make the district and its first administrator, with the code on the console."""
    return await claim_district(hub, data)


@post("/api/v1/sessions", status_code=201)
async def create_session(
    data: JSONBody[SignIn], hub: NamedDependency[Hub], request: Request[Any, Any, Any]
) -> Response[Me]:
    """Sign in; the answer sets the session cookie."""
    token = await sign_in(hub, data)
    visitor = await visitor_with(hub, token)
    assert visitor is not None, "a session that was just committed is not there"
    cookie = session_cookie(token, is_https=request.url.scheme == "https")
    return Response(me_of(visitor), cookies=[cookie])


@delete("/api/v1/sessions/current", status_code=204)
async def delete_session(
    request: Request[Any, Any, Any], hub: NamedDependency[Hub]
) -> Response[None]:
    """Sign out. Nobody signed in is signed out already."""
    token = request.cookies.get(COOKIE)
    if token is not None:
        await sign_out(hub, token)
    response: Response[None] = Response(None, status_code=204)
    end_cookie(response)
    return response


@get("/api/v1/me", sync_to_thread=False)
def get_me(visitor: NamedDependency[Visitor]) -> Me:
    """Who is signed in."""
    return me_of(visitor)


ROUTES: Final = (create_claim, create_session, delete_session, get_me)
