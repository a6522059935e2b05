"""What a route may ask for by name.

writer, readers, clock, settings    the machine
actor                               who is signed in; the policy has checked the role
visitor                             the same, or None where nobody needs to be
door, claiming, hasher, keyring     the way in
"""

from collections.abc import Callable
from typing import Any, Final

from litestar import Request
from litestar.datastructures import State
from litestar.di import Provide

from appliance.access.door import Door
from appliance.access.models import Actor
from appliance.access.passwords import PasswordHasher
from appliance.access.sessions import visitor_of
from appliance.accounts.claim import ClaimDesk
from appliance.accounts.claiming import Claiming
from appliance.accounts.keyring import Keyring
from appliance.backups.turns import Backups
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.errors import SignInNeeded
from appliance.settings import Settings
from appliance.telemetry.routes import Telemetry


def writer(state: State) -> Writer:
    """The one writer."""
    found: Writer = state.writer
    return found


def readers(state: State) -> Readers:
    """The reading lanes."""
    found: Readers = state.readers
    return found


def clock(state: State) -> Clock:
    """The wall clock, or a test's."""
    found: Clock = state.clock
    return found


def settings(state: State) -> Settings:
    """What the school has set."""
    found: Settings = state.settings
    return found


def backups(state: State) -> Backups:
    """Makes and tries backups."""
    found: Backups = state.backups
    return found


def door(state: State) -> Door:
    """Opens sessions."""
    found: Door = state.door
    return found


def hasher(state: State) -> PasswordHasher:
    """Hashes staff passwords."""
    found: PasswordHasher = state.hasher
    return found


def keyring(state: State) -> Keyring:
    """The school's keys, once there are any."""
    found: Keyring = state.keyring
    return found


def claim_desk(state: State) -> ClaimDesk:
    """The one-time claim code."""
    found: ClaimDesk = state.claim_desk
    return found


def claiming(state: State) -> Claiming:
    """Makes this box a school."""
    found: Claiming = state.claiming
    return found


def telemetry(state: State) -> Telemetry:
    """What /health and /metrics report on."""
    found: Telemetry = state.telemetry
    return found


def visitor(request: Request[Any, Any, Any]) -> Actor | None:
    """Whoever sent the request, if signed in."""
    return visitor_of(request)


def actor(request: Request[Any, Any, Any]) -> Actor:
    """Whoever is signed in."""
    found = visitor_of(request)
    if found is None:
        raise SignInNeeded("nobody is signed in")
    return found


PROVIDERS: Final[tuple[Callable[..., Any], ...]] = (
    writer,
    readers,
    clock,
    backups,
    settings,
    door,
    claiming,
    hasher,
    keyring,
    claim_desk,
    telemetry,
    visitor,
    actor,
)
DEPENDENCIES: Final = {
    provider.__name__: Provide(provider, sync_to_thread=False) for provider in PROVIDERS
}
