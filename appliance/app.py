"""create_app: the only module that knows every feature of the box."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from importlib.metadata import version
from typing import Final

from litestar import Litestar
from litestar.datastructures import State
from litestar.middleware import ASGIMiddleware

from appliance.access import pages as access_pages
from appliance.access import routes as access_routes
from appliance.access.door import Door
from appliance.access.headers import set_headers
from appliance.access.next_page import answer_sign_in_needed
from appliance.access.origin import OwnOriginOnly
from appliance.access.passwords import PasswordHasher
from appliance.access.policy import enforce_policy, require_complete_policy
from appliance.access.same_person import require_same_person
from appliance.accounts import pages as accounts_pages
from appliance.accounts import routes as accounts_routes
from appliance.accounts.claim import ClaimDesk
from appliance.accounts.claiming import Claiming
from appliance.accounts.keyring import Keyring
from appliance.accounts.queries import identity, is_claimed
from appliance.assignments import pages as assignments_pages
from appliance.assignments import routes as assignments_routes
from appliance.attachments import pages as attachments_pages
from appliance.attachments import routes as attachments_routes
from appliance.background import beside
from appliance.backups import pages as backups_pages
from appliance.backups import routes as backups_routes
from appliance.backups.turns import Backups
from appliance.classes import pages as classes_pages
from appliance.classes import people_pages, roster_pages, roster_routes, sign_in_pages
from appliance.classes import routes as classes_routes
from appliance.clock import Clock, box_clock, system_clock
from appliance.courses import pages as courses_pages
from appliance.courses import routes as courses_routes
from appliance.database.lock import shared_lock
from appliance.database.migrate import require_schema, schema_version
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.dependencies import DEPENDENCIES
from appliance.discovery import captive
from appliance.discovery.announcer import Announcer
from appliance.district import pages as district_pages
from appliance.district import routes as district_routes
from appliance.district import version_pages
from appliance.enrolments import pages as enrolments_pages
from appliance.enrolments import routes as enrolments_routes
from appliance.errors import SignInNeeded
from appliance.grading import pages as grading_pages
from appliance.grading import routes as grading_routes
from appliance.health import pages as health_pages
from appliance.health import routes as health_routes
from appliance.health import switch_pages
from appliance.health.timekeeping import keeping_time
from appliance.home import pages as home_pages
from appliance.home import routes as home_routes
from appliance.maintenance.box import Box
from appliance.maintenance.runner import maintenance
from appliance.orders import pages as orders_pages
from appliance.orders import routes as orders_routes
from appliance.orders.watch import Desk, answering
from appliance.problems import PROBLEM_HANDLERS
from appliance.progress import pages as progress_pages
from appliance.progress import routes as progress_routes
from appliance.settings import Settings
from appliance.submissions import pages as submissions_pages
from appliance.submissions import routes as submissions_routes
from appliance.telemetry import routes as telemetry_routes
from appliance.telemetry.meter import RequestMeter
from appliance.telemetry.routes import Telemetry
from appliance.web import api_docs
from appliance.web import pages as web_pages
from appliance.web import static as web_static
from appliance.web.static import COMPRESSION
from appliance.web.templates import template_config

APP_VERSION: Final = version("darasa")

# One line a feature, lowest tier first.
ROUTES: Final = (
    *web_static.ROUTES,
    *api_docs.ROUTES,
    *web_pages.ROUTES,
    *access_routes.ROUTES,
    *access_pages.ROUTES,
    *accounts_routes.ROUTES,
    *accounts_pages.ROUTES,
    *backups_routes.ROUTES,
    *backups_pages.ROUTES,
    *classes_routes.ROUTES,
    *classes_pages.ROUTES,
    *people_pages.ROUTES,
    *roster_routes.ROUTES,
    *roster_pages.ROUTES,
    *sign_in_pages.ROUTES,
    *courses_routes.ROUTES,
    *courses_pages.ROUTES,
    *enrolments_routes.ROUTES,
    *enrolments_pages.ROUTES,
    *progress_routes.ROUTES,
    *progress_pages.ROUTES,
    *assignments_routes.ROUTES,
    *assignments_pages.ROUTES,
    *submissions_routes.ROUTES,
    *submissions_pages.ROUTES,
    *attachments_routes.ROUTES,
    *attachments_pages.ROUTES,
    *grading_routes.ROUTES,
    *grading_pages.ROUTES,
    *telemetry_routes.ROUTES,
    *captive.ROUTES,
    *orders_routes.ROUTES,
    *orders_pages.ROUTES,
    *district_routes.ROUTES,
    *district_pages.ROUTES,
    *version_pages.ROUTES,
    *health_routes.ROUTES,
    *health_pages.ROUTES,
    *switch_pages.ROUTES,
    *home_routes.ROUTES,
    *home_pages.ROUTES,
)


def create_app(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    announcer: Announcer | None = None,
    port: int | None = None,
) -> Litestar:
    """Put the features together. The database is opened when the app starts."""
    meter = RequestMeter()
    middleware: list[ASGIMiddleware] = [meter, OwnOriginOnly()]
    app = Litestar(
        route_handlers=ROUTES,
        lifespan=[_running],
        state=State(
            {
                "settings": settings,
                "clock": clock,
                "meter": meter,
                "announcer": announcer,
                "port": port,
            }
        ),
        dependencies=DEPENDENCIES,
        guards=[enforce_policy, require_same_person],
        middleware=middleware,
        before_send=[set_headers],
        exception_handlers={**PROBLEM_HANDLERS, SignInNeeded: answer_sign_in_needed},
        template_config=template_config(),
        compression_config=COMPRESSION,
        request_max_body_size=settings.body_bytes_max,
        openapi_config=api_docs.openapi_config("Darasa box", APP_VERSION),
        logging_config=None,
    )
    require_complete_policy(app)
    return app


@asynccontextmanager
async def _running(app: Litestar) -> AsyncIterator[None]:
    """Everything with a thread or a file lives exactly as long as the app."""
    state = app.state
    settings: Settings = state.settings
    async with AsyncExitStack() as stack:
        stack.enter_context(shared_lock(settings.data_dir))
        require_schema(settings.database)
        writer = Writer(settings.database, queue_max=settings.queue_max)
        writer.start()
        stack.callback(writer.stop)
        readers = stack.enter_context(closing(Readers(settings.database)))
        hasher = stack.enter_context(closing(PasswordHasher()))
        state.writer, state.readers, state.hasher = writer, readers, hasher
        _open_the_door(state)
        await stack.enter_async_context(keeping_time(box_clock(), writer))
        state.backups = Backups(settings, readers, state.clock, app_version=APP_VERSION)
        box = Box(settings, writer, readers, state.clock, state.backups, state.meter.idle_for_s)
        await stack.enter_async_context(maintenance(box))
        await stack.enter_async_context(answering(Desk(writer, readers, state.clock)))
        await stack.enter_async_context(_announcing(state.announcer))
        yield


@asynccontextmanager
async def _announcing(announcer: Announcer | None) -> AsyncIterator[None]:
    """Tell the network our name, where a server is to be found."""
    if announcer is None:
        yield
        return
    async with beside(announcer.run()):
        yield


def _open_the_door(state: State) -> None:
    """Raises KeysMissing when the database is a school's and its keys are not there."""
    settings: Settings = state.settings
    here = state.readers.here
    claimed = is_claimed(here)
    parts = {"writer": state.writer, "readers": state.readers, "clock": state.clock}
    keyring = Keyring(settings.keys, is_claimed=identity(here) is not None)
    desk = ClaimDesk(settings.data_dir, is_claimed=claimed)
    state.keyring, state.claim_desk = keyring, desk
    state.door = Door(**parts, keyring=keyring, hasher=state.hasher)
    state.claiming = Claiming(**parts, keyring=keyring, hasher=state.hasher, desk=desk)
    state.telemetry = Telemetry(
        app_version=APP_VERSION,
        schema_version=schema_version(settings.database),
        settings=settings,
        writer=state.writer,
        readers=state.readers,
        meter=state.meter,
        host_name=lambda: state.announcer and state.announcer.announcement.host_name,
    )
