"""Opening the hub: for the server, and for commands that take in what schools send."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from importlib.metadata import version
from typing import Final

from appliance.access.passwords import PasswordHasher
from appliance.clock import Clock
from sync.hub.database import open_pools, scoped
from sync.hub.erasure.commands import erase_again
from sync.hub.identity import require_identity
from sync.hub.intake.gate import Gate
from sync.hub.intake.uploads import Uploads
from sync.hub.keys import load_key
from sync.hub.limits import SharedGuessLimit
from sync.hub.migrate import require_schema
from sync.hub.running import Hub
from sync.hub.settings import HubSettings

APP_VERSION: Final = version("darasa")


@asynccontextmanager
async def open_hub(settings: HubSettings, clock: Clock) -> AsyncIterator[Hub]:
    """Connect, and make sure that this database is this hub's.

    Raises NotReady when the database is not migrated, or belongs to another key.
    """
    key = load_key(settings.key_file)
    async with AsyncExitStack() as stack:
        pools = await open_pools(settings)
        stack.push_async_callback(pools.close)
        async with pools.web.acquire() as connection:
            await require_schema(connection)
        async with scoped(pools.web) as link:
            who = await require_identity(link, key, now_ms=clock())
        guesses = SharedGuessLimit(settings.redis_url)
        stack.push_async_callback(guesses.close)
        hub = Hub(
            settings=settings,
            clock=clock,
            pools=pools,
            key=key,
            hub_id=who.hub_id,
            gate=Gate(settings.ingest_at_once),
            uploads=Uploads(),
            hasher=stack.enter_context(closing(PasswordHasher())),
            guesses=guesses,
            app_version=APP_VERSION,
        )
        if who.district_id is not None:
            await erase_again(hub, who.district_id)  # before anything else is taken in
        yield hub
