"""Who may use which address of the hub: one table, and nothing outside of it.

anonymous  anybody
district   a signed-in administrator of the district
node       an enrolled box with a bearer token

The app refuses to start with a route that is not here, or a rule without a route.
"""

from typing import Any, Final, Literal

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.handlers.http_handlers import HTTPRouteHandler

from appliance.errors import SignInNeeded
from sync.hub.accounts.models import Visitor
from sync.hub.accounts.sessions import COOKIE, visitor_with
from sync.hub.intake.nodes import NodeClaim, read_token
from sync.hub.running import Hub

Who = Literal["anonymous", "district", "node"]
Connection = ASGIConnection[Any, Any, Any, Any]

POLICY: Final[dict[str, Who]] = {
    # web
    "GET /static/{path}": "anonymous",
    "GET /health": "anonymous",
    "GET /metrics": "anonymous",
    "GET /api/openapi.json": "anonymous",
    "GET /api/docs": "anonymous",
    "GET /api/docs/openapi.json": "anonymous",
    "GET /api/docs/{path}": "anonymous",  # the framework's "no such page"
    # accounts
    "GET /claim": "anonymous",
    "POST /claim": "anonymous",
    "POST /api/v1/claim": "anonymous",
    "GET /sign-in": "anonymous",
    "POST /sign-in": "anonymous",
    "POST /sign-out": "anonymous",
    "POST /api/v1/sessions": "anonymous",
    "DELETE /api/v1/sessions/current": "anonymous",
    "GET /api/v1/me": "district",
    # fleet
    "GET /": "district",
    "GET /api/v1/schools": "district",
    "GET /enrolment-tokens": "district",
    "POST /enrolment-tokens": "district",
    "GET /api/v1/enrolment-tokens": "district",
    "POST /api/v1/enrolment-tokens": "district",
    # reports
    "GET /schools/{school_id}": "district",
    "GET /schools/{school_id}/tasks/{assessment_id}": "district",
    "GET /api/v1/schools/{school_id}": "district",
    "GET /api/v1/schools/{school_id}/progress": "district",
    "GET /api/v1/schools/{school_id}/hand-ins": "district",
    # orders
    "GET /announcements": "district",
    "POST /announcements": "district",
    "POST /announcements/{announcement_id}/withdraw": "district",
    "GET /api/v1/announcements": "district",
    "PUT /api/v1/announcements/{announcement_id}": "district",
    "DELETE /api/v1/announcements/{announcement_id}": "district",
    "GET /settings": "district",
    "POST /settings": "district",
    "POST /settings/{setting_id}/withdraw": "district",
    "GET /api/v1/settings": "district",
    "PUT /api/v1/settings": "district",
    "DELETE /api/v1/settings/{setting_id}": "district",
    "GET /proposals": "district",
    "POST /proposals/{proposal_id}/decision": "district",
    "GET /api/v1/proposals": "district",
    "PUT /api/v1/proposals/{proposal_id}/decision": "district",
    "GET /courses": "district",
    "POST /courses": "district",
    "GET /api/v1/courses": "district",
    "PUT /api/v1/course-versions/{course_version_id}": "district",
    "GET /schools/{school_id}/orders": "district",
    "POST /schools/{school_id}/orders": "district",
    "POST /schools/{school_id}/orders/{command_id}/withdraw": "district",
    "GET /api/v1/schools/{school_id}/commands": "district",
    "PUT /api/v1/schools/{school_id}/commands/{command_id}": "district",
    "DELETE /api/v1/schools/{school_id}/commands/{command_id}": "district",
    "GET /schools/{school_id}/roster": "district",
    "POST /schools/{school_id}/roster": "district",
    "PUT /api/v1/schools/{school_id}/roster": "district",
    # aside
    "GET /schools/{school_id}/aside": "district",
    "GET /schools/{school_id}/aside/rows": "district",
    "GET /schools/{school_id}/aside/rows/{row_id}": "district",
    "POST /schools/{school_id}/aside/replay": "district",
    "POST /schools/{school_id}/aside/dismiss": "district",
    "GET /schools/{school_id}/conflicts": "district",
    "GET /schools/{school_id}/conflicts/{conflict_id}": "district",
    "POST /schools/{school_id}/conflicts/{conflict_id}/look": "district",
    "GET /api/v1/schools/{school_id}/aside": "district",
    "GET /api/v1/schools/{school_id}/aside/rows": "district",
    "GET /api/v1/schools/{school_id}/aside/rows/{row_id}": "district",
    "POST /api/v1/schools/{school_id}/aside/replay": "district",
    "POST /api/v1/schools/{school_id}/aside/dismiss": "district",
    "GET /api/v1/schools/{school_id}/conflicts": "district",
    "GET /api/v1/schools/{school_id}/conflicts/{conflict_id}": "district",
    "POST /api/v1/schools/{school_id}/conflicts/{conflict_id}/look": "district",
    # boxes
    "GET /schools/{school_id}/boxes": "district",
    "POST /schools/{school_id}/boxes/{node_id}/revocation": "district",
    "GET /api/v1/schools/{school_id}/boxes": "district",
    "POST /api/v1/schools/{school_id}/boxes/{node_id}/revocation": "district",
    # erasure
    "GET /schools/{school_id}/erasures": "district",
    "GET /schools/{school_id}/erasures/people/{person_id}": "district",
    "POST /schools/{school_id}/erasures/people/{person_id}": "district",
    "GET /schools/{school_id}/erasures/{person_id}": "district",
    "GET /api/v1/schools/{school_id}/erasures": "district",
    "POST /api/v1/schools/{school_id}/erasures": "district",
    "GET /api/v1/schools/{school_id}/erasures/people": "district",
    "GET /api/v1/schools/{school_id}/erasures/{person_id}": "district",
    # sticks
    "GET /sticks": "district",
    "POST /sticks": "district",
    "GET /sticks/{upload_id}/answer": "district",
    # intake
    "POST /sync/v1/enrol": "anonymous",  # the token is the proof
    "POST /sync/v1/challenge": "anonymous",
    "POST /sync/v1/token": "anonymous",  # the signature is the proof
    "POST /sync/v1/node-key": "anonymous",  # two signatures are
    "POST /sync/v1/hello": "node",
    "PUT /sync/v1/streams/{node_id}/{epoch}/{lane}/segments/{n}": "node",
    "PATCH /sync/v1/streams/{node_id}/{epoch}/{lane}/segments/{n}": "node",
    "GET /sync/v1/streams/{node_id}/{epoch}/{lane}/segments/{n}/start": "node",
    "GET /sync/v1/pull": "node",
    "GET /sync/v1/feed": "node",
    "GET /sync/v1/time": "anonymous",  # signed, and no secret
    "POST /sync/v1/blobs": "node",
    "GET /sync/v1/blobs/{sha256}": "node",
    "GET /sync/v1/digests": "node",
    "GET /sync/v1/digests/{table}/{bucket}": "node",
    "POST /sync/v1/rows": "node",
}


async def enforce_policy(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Litestar guard of the whole app. Raises SignInNeeded, NodeUnknown."""
    scope = connection.scope
    match POLICY[f"{scope['method']} {scope['path_template']}"]:  # type: ignore[typeddict-item]  # http only
        case "anonymous":
            return
        case "node":
            scope["auth"] = node_claim(connection)
        case "district":
            scope["user"] = await visitor_of(connection)
            if scope["user"] is None:
                raise SignInNeeded("nobody is signed in, or the session has ended")


def node_claim(connection: Connection) -> NodeClaim:
    """Read the bearer token. Raises NodeUnknown."""
    hub: Hub = connection.app.state.hub
    return read_token(hub.key, connection.headers.get("authorization", ""), now_ms=hub.clock())


async def visitor_of(connection: Connection) -> Visitor | None:
    """Return whoever sent this request, asked of the database each time."""
    token = connection.cookies.get(COOKIE)
    return None if token is None else await visitor_with(connection.app.state.hub, token)


def served(app: Litestar) -> set[str]:
    """Every method and address the app answers."""
    return {
        f"{method} {route.path_format}"
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        if isinstance(handler, HTTPRouteHandler)
        for method in handler.http_methods
        if method != "OPTIONS"
    }


def require_complete_policy(app: Litestar) -> None:
    """Refuse to start with a route nobody thought about, or a rule for a route that is gone."""
    routes = served(app)
    missing, stale = sorted(routes - POLICY.keys()), sorted(POLICY.keys() - routes)
    assert not missing, f"routes without a policy: {missing}"
    assert not stale, f"policies without a route: {stale}"
