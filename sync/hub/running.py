"""What a running hub is made of; every route gets it by the name `hub`."""

from uuid import UUID

from msgspec import Struct

from appliance.access.passwords import PasswordHasher
from appliance.clock import Clock
from sync.hub.database import Pools
from sync.hub.intake.gate import Gate
from sync.hub.intake.uploads import Uploads
from sync.hub.keys import HubKey
from sync.hub.limits import SharedGuessLimit
from sync.hub.settings import HubSettings


class Hub(Struct, frozen=True, kw_only=True):
    """Lives as long as the app. `hub_id` never changes; the incarnation is asked each time."""

    settings: HubSettings
    clock: Clock
    pools: Pools
    key: HubKey
    hub_id: UUID
    gate: Gate
    uploads: Uploads
    hasher: PasswordHasher
    guesses: SharedGuessLimit
    app_version: str
