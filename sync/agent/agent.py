"""The agent: carries the session over HTTP at the pace of the link, for ever.

Level-triggered: it looks at the database when another process has written, when the hub
asked to wait long enough, and at the latest every fifteen minutes. Being offline is
normal; nothing here gives up.
"""

import asyncio
import logging
import secrets
import time
from pathlib import Path
from typing import Final

import httpx
from msgspec import Struct
from nacl.signing import SigningKey

from appliance.clock import Clock, clock_quality
from appliance.database.agent import AgentDatabase
from appliance.database.faults import WriteFailed
from appliance.database.integrity import foreign_key_check
from appliance.errors import Busy, DarasaError, StorageFull
from appliance.ids import uuid7
from appliance.settings import Settings
from sync.agent import enrolment, retention, store, verifying
from sync.agent.comparing import Comparison
from sync.agent.faults import HubBusy, Refused, Unreachable
from sync.agent.keys import read_node_key
from sync.agent.link import Link, Pass, enrol, open_client
from sync.agent.pace import WAIT_S_MAX, Pace
from sync.agent.sealing import Stamp
from sync.agent.session import Chance, Fetch, Greet, Request, Send, Session, Worked
from sync.agent.store import Identity

logger = logging.getLogger(__name__)

POLL_S: Final = 1.0  # `data_version` is one read of shared memory
SETTLE_S: Final = 2.0  # a burst of hand-ins becomes one segment
QUIET_S: Final = 300.0  # with nothing to send: is there something to fetch, are we still known
NONCE_BYTES: Final = 16
WORDS_MAX: Final = 500
CARD_TROUBLE: Final = (Busy, StorageFull, WriteFailed)


class Seams(Struct, frozen=True):
    """What differs between a machine and a test."""

    clock: Clock
    transport: httpx.AsyncBaseTransport | None
    hardware: str
    app_version: str


class Round(Struct, frozen=True):
    """What one conversation carried."""

    segments: int = 0
    rows_fetched: int = 0


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

    def close(self) -> None:
        """Hang up on the database."""
        self._db.close()

    async def run(self, stop: asyncio.Event) -> None:
        """Talk whenever there is a reason to, until `stop`. Never raises for the network."""
        while not stop.is_set():
            version = self._db.data_version
            wait_s = await self.one_try()
            await self._wait(stop, wait_s, version)

    async def one_try(self) -> float:
        """Do everything that can be done now; return how long to wait before the next try."""
        try:
            await self._enrol_if_asked()
            carried = await self.converse()
        except (Unreachable, HubBusy) as error:
            self._note(error)
            logger.info("hub out of reach code=%s detail=%s", error.code, error.detail)
            return max(self._pace.failed(), getattr(error, "retry_after_s", 0.0))
        except CARD_TROUBLE as error:
            logger.error("card refused code=%s detail=%s", error.code, error.detail)  # noqa: TRY400 -- the words say it
            return self._pace.failed()
        except DarasaError as error:
            self._note(error)
            logger.error("sync stopped code=%s detail=%s", error.code, error.detail)  # noqa: TRY400 -- the words say it, a traceback would not
            return WAIT_S_MAX
        self._pace.heard()
        if carried.segments or carried.rows_fetched:
            logger.info("synced segments=%d fetched=%d", carried.segments, carried.rows_fetched)
        return QUIET_S

    async def converse(self) -> Round:
        """Speak with the hub until there is nothing left to say. Not enrolled: do nothing."""
        me = store.identity(self._db)
        if me is None or me.hub_id is None:
            return Round()
        key = read_node_key(self._settings.keys)
        assert me.hub_url is not None
        async with open_client(me.hub_url, self._seams.transport) as client:
            return await self._converse(me, key, client)

    async def _converse(self, me: Identity, key: SigningKey, client: httpx.AsyncClient) -> Round:
        session = Session(self._db, key, self._chance)
        link = Link(client, me, key, self._pass, time.monotonic)
        segments = rows = 0
        owed = me.recovery_due
        while request := session.next_request(self._stamp(), self._pace.size_bytes):
            rows += await self._carry(session, link, request)
            segments += isinstance(request, Send)
            await asyncio.sleep(0)  # let the watchdog's beat in between two steps
        await self._compare(session, link)
        if session.forked is not None:
            logger.warning("new epoch reason=%s", session.forked)
        if owed or session.forked is not None:
            self._look_for_dangling()
        retention.trim(self._db, now_ms=self._seams.clock())
        return Round(segments, rows)

    async def _compare(self, session: Session, link: Link) -> None:
        """Once a week, and when asked: hold everything against the district's copy."""
        clock = self._seams.clock
        if not verifying.is_due(self._db, now_ms=clock()):
            return

        async def push() -> None:
            while request := session.next_request(self._stamp(), self._pace.size_bytes):
                await self._carry(session, link, request)

        try:
            await Comparison(self._db, link, clock, push).run()
        except Refused as error:  # an older hub compares nothing; the work goes on
            logger.warning("not verified code=%s reason=%s", error.code, error.reason)

    async def _carry(self, session: Session, link: Link, request: Request) -> int:
        """Bring one request to the hub and its answer back; return rows fetched."""
        match request:
            case Greet():
                answer = await link.greet(request)
                session.take_hello(answer, now_ms=self._seams.clock())
            case Fetch():
                page = await link.fetch(request)
                return session.take_page(page, now_ms=self._seams.clock())
            case Send():
                await self._send(session, link, request)
            case Worked():
                pass
        return 0

    async def _send(self, session: Session, link: Link, request: Send) -> None:
        began = time.monotonic()
        try:
            answer = await link.send(request)
        except Refused as error:
            if error.reason == "segment-corrupt":
                raise Unreachable(f"segment {request.n} was damaged on the way") from error
            if error.reason != "chain-broken":
                raise
            session.forget()  # hello will say where both stand
            return
        except (Unreachable, HubBusy):
            self._pace.lost()
            raise
        self._pace.sent(time.monotonic() - began)
        session.take_segment_answer(request, answer)

    async def _enrol_if_asked(self) -> None:
        asked = enrolment.wish(self._db)
        if asked is None:
            return
        self._tried = asked
        key = read_node_key(self._settings.keys)
        request = enrolment.request_for(self._db, asked, key, self._stamp(), self._seams.hardware)
        async with open_client(asked.hub_url, self._seams.transport) as client:
            answer = await enrol(client, request)
        enrolment.join(self._db, asked, request, answer, self._chance.epoch)
        self._pass = Pass()
        logger.info(
            "enrolled mode=%s hub=%s school=%s", answer.mode, answer.hub_id, answer.school_id
        )

    def _stamp(self) -> Stamp:
        return Stamp(
            now_ms=self._seams.clock(),
            clock_quality=clock_quality(),
            schema_version=self._schema_version,
            app_version=self._seams.app_version,
        )

    def _note(self, error: DarasaError) -> None:
        """Tell the keeper in plain words; a row is written only when the words change."""
        is_normal = isinstance(error, Unreachable | HubBusy)  # what the socket said is for the log
        words = f"{error.title}. {error.hint if is_normal else error.detail}"[:WORDS_MAX]
        try:
            with self._db.changing() as tx:
                tx.run(store.NOTE_TROUBLE, (words,))
                tx.run(enrolment.NOTE_WISH_ERROR, (words,))
        except CARD_TROUBLE as trouble:
            logger.warning("not noted code=%s", trouble.code)

    def _look_for_dangling(self) -> None:
        """After a recovery every row should have its parent; the hub had both or neither."""
        dangling = foreign_key_check(self._db)
        if dangling:
            logger.error("rows without a parent count=%d", len(dangling))

    async def _wait(self, stop: asyncio.Event, wait_s: float, version: int) -> None:
        """Sleep until the time is up, or until someone else has written to the database.

        After a failure only the time counts: writing a hand-in does not mend the link.
        """
        until = time.monotonic() + wait_s
        wakes = wait_s == QUIET_S
        while not stop.is_set() and time.monotonic() < until:
            if self._db.data_version != version and (wakes or self._is_asked()):
                await pause(stop, SETTLE_S)
                return
            await pause(stop, POLL_S)

    def _is_asked(self) -> bool:
        """Say whether the keeper has typed something new; the old token was tried."""
        return enrolment.wish(self._db) not in {None, self._tried}


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, unless the end comes first."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def hardware_name(path: Path = Path("/proc/device-tree/model")) -> str:
    """What the board calls itself; empty on machines that do not say."""
    try:
        return path.read_bytes().rstrip(b"\0").decode(errors="replace")[:200]
    except OSError:
        return ""
