"""create_app: the only module that knows every part of the hub."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import asyncpg
import msgspec
from jinja2 import ChoiceLoader, FileSystemLoader
from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.di import Provide
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Redirect
from litestar.template.config import TemplateConfig
from litestar.types import ExceptionHandlersMap

from appliance.access.headers import set_headers
from appliance.access.origin import OwnOriginOnly
from appliance.clock import Clock, system_clock
from appliance.errors import Invalid, SignInNeeded
from appliance.problems import (
    PROBLEM_HANDLERS,
    PROBLEM_JSON,
    answer_darasa_error,
    problem_of,
    wants_page,
)
from appliance.web import static
from appliance.web.static import COMPRESSION
from appliance.web.templates import environment
from sync.hub import openapi, telemetry
from sync.hub.accounts import pages as accounts_pages
from sync.hub.accounts import routes as accounts_routes
from sync.hub.accounts.models import Visitor
from sync.hub.aside import pages as aside_pages
from sync.hub.aside import routes as aside_routes
from sync.hub.blobs import routes as blobs_routes
from sync.hub.blobs.tidying import tidy_files
from sync.hub.boxes import pages as boxes_pages
from sync.hub.boxes import routes as boxes_routes
from sync.hub.daily import EVERY_S, every_day
from sync.hub.database import scoped
from sync.hub.erasure import pages as erasure_pages
from sync.hub.erasure import routes as erasure_routes
from sync.hub.faults import ChainBroken
from sync.hub.fleet import pages as fleet_pages
from sync.hub.fleet import routes as fleet_routes
from sync.hub.identity import identity
from sync.hub.intake import routes as intake_routes
from sync.hub.intake.months import turn_months
from sync.hub.intake.nodes import Challenges, NodeClaim
from sync.hub.intake.placing import catch_up
from sync.hub.keys import claim_code
from sync.hub.opening import APP_VERSION, open_hub
from sync.hub.orders import pages as orders_pages
from sync.hub.orders import routes as orders_routes
from sync.hub.orders import school_pages as orders_school_pages
from sync.hub.outlet import routes as outlet_routes
from sync.hub.policy import enforce_policy, require_complete_policy
from sync.hub.reports import pages as reports_pages
from sync.hub.reports import routes as reports_routes
from sync.hub.running import Hub
from sync.hub.settings import HubSettings
from sync.hub.sticks import pages as sticks_pages
from sync.hub.sticks.uploading import FILES_MAX

FORM_BYTES_MAX: Final = 64 << 10  # the largest form of the hub's pages is 2 KB
TEMPLATES: Final = Path(__file__).parents[1]
OVERRIDES: Final = Path(__file__).parent  # its web/templates/ stands before the box's

ROUTES: Final = (
    *static.ROUTES,
    *telemetry.ROUTES,
    *openapi.ROUTES,
    *accounts_pages.ROUTES,
    *accounts_routes.ROUTES,
    *fleet_pages.ROUTES,
    *fleet_routes.ROUTES,
    *reports_pages.ROUTES,
    *reports_routes.ROUTES,
    *orders_pages.ROUTES,
    *orders_school_pages.ROUTES,
    *orders_routes.ROUTES,
    *aside_pages.ROUTES,
    *aside_routes.ROUTES,
    *intake_routes.ROUTES,
    *boxes_pages.ROUTES,
    *boxes_routes.ROUTES,
    *erasure_pages.ROUTES,
    *erasure_routes.ROUTES,
    *blobs_routes.ROUTES,
    *outlet_routes.ROUTES,
    *sticks_pages.ROUTES,
)


def create_app(settings: HubSettings, *, clock: Clock = system_clock) -> Litestar:
    """Put the parts together. The database is connected when the app starts."""
    app = Litestar(
        route_handlers=ROUTES,
        lifespan=[_running],
        state=State({"settings": settings, "clock": clock}),
        dependencies=DEPENDENCIES,
        guards=[enforce_policy],
        middleware=[OwnOriginOnly()],
        before_send=[set_headers],
        exception_handlers=HANDLERS,
        template_config=hub_templates(),
        compression_config=COMPRESSION,
        request_max_body_size=FORM_BYTES_MAX,
        multipart_form_part_limit=FILES_MAX,
        openapi_config=openapi.openapi_config(APP_VERSION),
        logging_config=None,
    )
    require_complete_policy(app)
    return app


@asynccontextmanager
async def _running(app: Litestar) -> AsyncIterator[None]:
    """Everything with a connection or a thread lives exactly as long as the app.

    Raises NotReady when the database is not migrated or not this hub's.
    """
    settings: HubSettings = app.state.settings
    clock: Clock = app.state.clock
    async with open_hub(settings, clock) as hub:
        async with scoped(hub.pools.web) as link:
            who = await identity(link)
        if who.district_id is None:
            claim_code(settings.claim_file)
        else:
            await catch_up(hub.pools, who.district_id, clock)
        app.state.challenges = Challenges(hub.key)
        app.state.hub = hub
        await turn_months(hub)
        daily = [
            asyncio.create_task(every_day(turn_months, hub, after_s=EVERY_S)),
            asyncio.create_task(every_day(tidy_files, hub, after_s=0)),
        ]
        try:
            yield
        finally:
            for each in daily:
                each.cancel()


def hub_templates() -> TemplateConfig[JinjaTemplateEngine]:
    """Our pages below `hub/`, the box's look below `web/`, and our navigation in its place."""
    built = environment([TEMPLATES])
    assert built.loader is not None
    built.loader = ChoiceLoader([FileSystemLoader(OVERRIDES), built.loader])
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(built))


def provide_hub(state: State) -> Hub:
    """What this hub is made of."""
    found: Hub = state.hub
    return found


def provide_challenges(state: State) -> Challenges:
    """The challenges given out."""
    found: Challenges = state.challenges
    return found


def provide_visitor(request: Request[Any, Any, Any]) -> Visitor:
    """Whoever is signed in; the policy has looked."""
    found: Visitor = request.scope["user"]
    return found


def provide_claim(request: Request[Any, Any, Any]) -> NodeClaim:
    """Whichever box asks; the policy has looked."""
    found: NodeClaim = request.scope["auth"]
    return found


DEPENDENCIES: Final = {
    "hub": Provide(provide_hub, sync_to_thread=False),
    "challenges": Provide(provide_challenges, sync_to_thread=False),
    "visitor": Provide(provide_visitor, sync_to_thread=False),
    "claim": Provide(provide_claim, sync_to_thread=False),
}


def answer_sign_in_needed(request: Request[Any, Any, Any], error: SignInNeeded) -> Response[Any]:
    """Lead a person to the form and back; tell everybody else."""
    if wants_page(request) and request.method == "GET":
        return Redirect(f"/sign-in?next={quote(request.url.path, safe='')}", status_code=303)
    return answer_darasa_error(request, error)


def answer_unkeepable(request: Request[Any, Any, Any], _error: asyncpg.DataError) -> Response[Any]:
    """Refuse a NUL in a text or a number past 64 bits; a segment's rows never get here."""
    refused = Invalid("a value is nothing the district's database can keep")
    return answer_darasa_error(request, refused)


def answer_chain_broken(_request: Request[Any, Any, Any], error: ChainBroken) -> Response[Any]:
    """Tell where the hub stands in members of the problem, as sync/protocol.py says."""
    stand = {"received_n": error.received_n, "received_hash": error.received_hash.hex()}
    body = msgspec.to_builtins(problem_of(error)) | stand
    return Response(body, status_code=error.status, media_type=PROBLEM_JSON)


HANDLERS: Final[ExceptionHandlersMap] = {
    **PROBLEM_HANDLERS,
    SignInNeeded: answer_sign_in_needed,
    ChainBroken: answer_chain_broken,
    asyncpg.DataError: answer_unkeepable,
}
