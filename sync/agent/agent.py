"""The agent: carries the session over HTTP at the pace of the link, for ever.

Level-triggered: it looks at the database when another process has written, when the hub
asked to wait long enough, when a way out of the box appears, and at the latest every fifteen
minutes (every hour where bytes cost money). Being offline is normal; nothing here gives up.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

import httpx
from msgspec import Struct
from nacl.signing import SigningKey

from appliance.clock import Clock, clock_quality
from appliance.database.agent import AgentDatabase
from appliance.errors import DarasaError
from appliance.ids import uuid7
from appliance.settings import Settings
from sync.agent import boards, enrolment, store
from sync.agent.budget import bounds_here
from sync.agent.conversation import Conversation, Means, Round, forget_people
from sync.agent.faults import BudgetSpent, ClockDoubted, HubBusy, Unreachable
from sync.agent.hubtime import HubClock
from sync.agent.keys import IDENTITY_KEY, make_next_key, read_node_key
from sync.agent.line import SETTLE_S, Line
from sync.agent.link import Link, Pass, enrol
from sync.agent.notes import CARD_TROUBLE, note_held, note_trouble
from sync.agent.pace import WAIT_S_MAX, Pace
from sync.agent.recovery import notice_restored
from sync.agent.rotation import finish_rotation
from sync.agent.routes import default_routes
from sync.agent.sealing import Stamp
from sync.agent.session import Chance, Session
from sync.agent.shedding import shed
from sync.agent.store import Identity
from sync.agent.turn import turn
from sync.protocol import NONCE_BYTES

logger = logging.getLogger(__name__)

POLL_S: Final = 1.0  # `data_version` is one read of shared memory


class Seams(Struct, frozen=True):
    """What differs between a machine and a test."""

    clock: Clock
    transport: httpx.AsyncBaseTransport | None
    hardware: str
    app_version: str
    fingerprint: bytes = b""
    quality: Callable[[], int] = clock_quality
    routes: Callable[[], frozenset[str]] = default_routes


class Agent:
    """Owns the database connection, the pace and what was heard. One for each box."""

    def __init__(self, settings: Settings, seams: Seams, *, schema_version: int) -> None:
        self._settings: Final = settings
        self._seams: Final = seams
        self._schema_version: Final = schema_version
        self._db: Final = AgentDatabase(settings.database)
        self._tried: enrolment.Wish | None = None
        self._pass = Pass()
        self._pace: Final = Pace(secrets.SystemRandom().random)
        self._chance: Final = Chance(
            epoch=lambda: uuid7(seams.clock()), nonce=lambda: secrets.token_bytes(NONCE_BYTES)
        )
        clock = HubClock(settings.clock_file, seams.clock, seams.quality)
        self._line: Final = Line(
            self._db, lambda: bounds_here(settings, self._db), clock, seams.transport
        )
        self._is_cut = False

    def close(self) -> None:
        """Hang up on the database."""
        self._db.close()

    async def run(self) -> NoReturn:
        """Talk whenever there is a reason to, until cancelled. Never raises for the network.

        A conversation may be cut anywhere, so nobody who wants an end waits for its end.
        """
        while True:
            version = self._db.data_version
            wait_s = await self._one_turn()
            await self._wait(wait_s, version)

    async def _one_turn(self) -> float:
        """Try, unless a command has a stick in its hands: it takes seconds."""
        with turn(self._settings.data_dir) as is_ours:
            return await self.one_try() if is_ours else POLL_S

    async def one_try(self) -> float:
        """Do everything that can be done now; return how long to wait before the next try."""
        note_held(self._db, self._line)
        wait_s = await self._try()
        note_held(self._db, self._line)
        return wait_s

    async def _try(self) -> float:
        self._is_cut = False
        try:
            shed(self._db, self._settings.data_dir, now_ms=self._seams.clock())
            await self._enrol_if_asked()
            carried = await self.converse()
        except (Unreachable, HubBusy) as error:
            note_trouble(self._db, error)
            logger.info("hub out of reach code=%s detail=%s", error.code, error.detail)
            self._is_cut = isinstance(error, Unreachable)
            return self._pace.asked_to_wait(getattr(error, "retry_after_s", 0.0))
        except BudgetSpent:
            return self._line.quiet_s  # `held_words` says until when
        except CARD_TROUBLE as error:
            logger.error("card refused code=%s detail=%s", error.code, error.detail)  # noqa: TRY400 -- the words say it
            return self._pace.failed()
        except DarasaError as error:
            note_trouble(self._db, error)
            logger.error("sync stopped code=%s detail=%s", error.code, error.detail)  # noqa: TRY400 -- the words say it, a traceback would not
            return WAIT_S_MAX
        self._pace.heard()
        if carried.segments or carried.rows_fetched:
            logger.info("synced segments=%d fetched=%d", carried.segments, carried.rows_fetched)
        return self._line.quiet_s

    async def converse(self) -> Round:
        """Speak with the hub until there is nothing left to say. Not enrolled: do nothing."""
        self._settle_board()
        me = store.identity(self._db)
        if me is None or me.hub_id is None:
            return Round()
        await forget_people(self._db, me, self._settings, self._seams.clock)
        if not self._line.is_worth_it(me):
            return Round()
        try:
            return await self._speak(me)
        except ClockDoubted:
            if not await self._line.learn_time(me):
                raise
            return await self._speak(me)

    def _settle_board(self) -> None:
        """Note which board this is, before it speaks as the one it was."""
        now_ms = self._seams.clock()
        boards.notice_board(self._db, self._seams.fingerprint, self._chance.epoch, now_ms=now_ms)
        notice_restored(self._db, self._chance.epoch, now_ms=now_ms)
        me = store.identity(self._db)
        if me is not None:
            boards.settle_identity(self._settings.keys, me)

    async def _speak(self, me: Identity) -> Round:
        key = read_node_key(self._settings.keys)
        assert me.hub_url is not None
        async with self._line.opened(me.hub_url) as client:
            key = await finish_rotation(self._settings.keys, me, key, client)
            return await self._converse(me, key, client)

    async def _converse(self, me: Identity, key: SigningKey, client: httpx.AsyncClient) -> Round:
        session = Session(self._db, key, self._chance)
        link = Link(client, me, key, self._pass, time.monotonic, self._line.allow)
        clock, line = self._seams.clock, self._line
        means = Means(self._settings, self._db, line, self._pace, clock, self._stamp)
        return await Conversation(means, session, link).run(me)

    async def _enrol_if_asked(self) -> None:
        asked = enrolment.wish(self._db)
        if asked is None:
            return
        self._tried = asked
        keys = self._settings.keys
        key = make_next_key(keys, IDENTITY_KEY) if asked.is_new_identity else read_node_key(keys)
        request = enrolment.request_for(self._db, asked, key, self._stamp(), self._seams.hardware)
        async with self._line.opened(asked.hub_url) as client:
            answer = await enrol(client, request)
        enrolment.join(self._db, asked, request, answer, self._chance.epoch)
        self._settle_board()
        self._pass = Pass()
        logger.info(
            "enrolled mode=%s hub=%s school=%s", answer.mode, answer.hub_id, answer.school_id
        )

    def _stamp(self) -> Stamp:
        return Stamp(
            now_ms=self._seams.clock(),
            clock_quality=self._seams.quality(),
            schema_version=self._schema_version,
            app_version=self._seams.app_version,
        )

    async def _wait(self, wait_s: float, version: int) -> None:
        """Sleep until the time is up, or until someone else has written to the database.

        After a failure only the time counts, or a new way out: writing a hand-in does not
        mend the link.
        """
        until = time.monotonic() + wait_s
        wakes = wait_s == self._line.quiet_s
        routes = self._seams.routes()
        while time.monotonic() < until:
            if self._db.data_version != version and (wakes or self._is_asked()):
                await asyncio.sleep(SETTLE_S if self._is_asked() else self._line.settle_s)
                return
            before, routes = routes, self._seams.routes()
            if self._is_cut and routes - before:
                await asyncio.sleep(self._pace.link_up())
                return
            await asyncio.sleep(POLL_S)

    def _is_asked(self) -> bool:
        """Say whether the keeper has typed something new; the old token was tried."""
        return enrolment.wish(self._db) not in {None, self._tried}


def hardware_name(path: Path = Path("/proc/device-tree/model")) -> str:
    """What the board calls itself; empty on machines that do not say."""
    try:
        return path.read_bytes().rstrip(b"\0").decode(errors="replace")[:200]
    except OSError:
        return ""
