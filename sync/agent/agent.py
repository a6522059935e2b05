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
from appliance.database.faults import WriteFailed
from appliance.database.integrity import foreign_key_check
from appliance.errors import Busy, DarasaError, StorageFull
from appliance.ids import uuid7
from appliance.settings import Settings
from sync.agent import blobs, boards, downstream, enrolment, retention, store, verifying
from sync.agent.budget import Leave, bounds_here
from sync.agent.comparing import Comparison
from sync.agent.erasing import erase_people
from sync.agent.faults import (
    BudgetSpent,
    ClockDoubted,
    HubBusy,
    HubUntrusted,
    Refused,
    Unreachable,
)
from sync.agent.hubtime import HubClock
from sync.agent.keys import IDENTITY_KEY, make_next_key, read_node_key
from sync.agent.line import SETTLE_S, Line
from sync.agent.link import Link, Pass, enrol
from sync.agent.pace import SIZE_BYTES_MIN, WAIT_S_MAX, Pace
from sync.agent.rotation import finish_rotation
from sync.agent.routes import default_routes
from sync.agent.sealing import Share, Stamp
from sync.agent.session import Chance, Fetch, Greet, Request, Send, Session, Worked
from sync.agent.shedding import shed
from sync.agent.store import RANK_MAX, Identity
from sync.agent.turn import turn
from sync.core.segment import read_segment
from sync.protocol import NONCE_BYTES

logger = logging.getLogger(__name__)

BREATH_S: Final = 0.005
POLL_S: Final = 1.0  # `data_version` is one read of shared memory
WORDS_MAX: Final = 500
CARD_TROUBLE: Final = (Busy, StorageFull, WriteFailed)


class Seams(Struct, frozen=True):
    """What differs between a machine and a test."""

    clock: Clock
    transport: httpx.AsyncBaseTransport | None
    hardware: str
    app_version: str
    fingerprint: bytes = b""
    quality: Callable[[], int] = clock_quality
    routes: Callable[[], frozenset[str]] = default_routes


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
        self._is_cut = False
        try:
            shed(self._db, self._settings.data_dir, now_ms=self._seams.clock())
            await self._enrol_if_asked()
            carried = await self.converse()
        except (Unreachable, HubBusy) as error:
            self._note(error)
            logger.info("hub out of reach code=%s detail=%s", error.code, error.detail)
            self._is_cut = isinstance(error, Unreachable)
            return self._pace.asked_to_wait(getattr(error, "retry_after_s", 0.0))
        except BudgetSpent as error:
            self._note(error)
            return self._line.quiet_s
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
        return self._line.quiet_s

    async def converse(self) -> Round:
        """Speak with the hub until there is nothing left to say. Not enrolled: do nothing."""
        self._settle_board()
        me = store.identity(self._db)
        if me is None or me.hub_id is None:
            return Round()
        await self._forget(me)
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
        segments = rows = 0
        owed = me.recovery_due
        while request := self._next_request(session):
            rows += await self._carry(session, link, request)
            segments += isinstance(request, Send)
            await asyncio.sleep(0)  # let the watchdog's beat in between two steps
        rows += await self._do_the_rest(session, link)
        if session.forked is not None:
            logger.warning("new epoch reason=%s", session.forked)
        if owed or session.forked is not None:
            self._look_for_dangling()
        retention.trim(self._db, now_ms=self._seams.clock())
        return Round(segments, rows)

    async def _do_the_rest(self, session: Session, link: Link) -> int:
        """Everything that is neither a hand-in nor a mark, as far as the link's bound allows."""
        if session.agreed is None:
            return 0  # the bound was reached before hello
        rows = 0
        try:
            with self._line.bulk():
                rows = await self._fetch_down(session, link)
                if session.is_complete:
                    blobs.drop_orphans(self._db, self._settings.blobs)
                await self._erase(session, link)
                await self._compare(session, link)
                await self._move_files(link)
        except BudgetSpent as error:
            logger.info("the rest waits code=%s", error.code)
        return rows

    async def _fetch_down(self, session: Session, link: Link) -> int:
        """Fetch what the hub writes, after the school's own work; it never stops the rest."""
        assert session.agreed is not None
        try:
            return await downstream.fetch_down(self._db, link, session.agreed, self._seams.clock)
        except (Refused, HubUntrusted) as error:
            logger.error("nothing taken down code=%s detail=%s", error.code, error.detail)  # noqa: TRY400 -- the words say it
            self._note(error)
            return 0

    async def _erase(self, session: Session, link: Link) -> None:
        """Forget whom the list names that was just fetched, and say so at once."""
        me = store.identity(self._db)
        assert me is not None
        steps = await self._forget(me)
        while steps and (request := self._next_request(session)):
            await self._carry(session, link, request)

    async def _forget(self, me: Identity) -> int:
        """Forget whom the list names, also without a link: it may have come on a stick."""
        listed, now_ms = self._settings.erased_people, self._seams.clock()
        steps = 0
        for _ in erase_people(self._db, me, listed, files=self._settings.blobs, now_ms=now_ms):
            steps += 1
            await asyncio.sleep(0)
        return steps

    async def _move_files(self, link: Link) -> None:
        """Last of all, and only while no row waits."""
        clock, folder = self._seams.clock, self._settings.blobs
        moving = blobs.Blobs(self._db, link, folder, clock, self._has_waiting)
        if moved := await moving.run():
            logger.info("files moved count=%d", moved)

    def _has_waiting(self) -> bool:
        me = store.identity(self._db)
        assert me is not None
        return any(lane.has_waiting for lane in store.lane_views(self._db, me.epoch))

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
                began = time.monotonic()
                answer = await link.greet(request)
                delay_s = time.monotonic() - began
                session.take_hello(answer, now_ms=self._seams.clock())
                assert session.hub_time_ms is not None
                self._line.clock.hear(session.hub_time_ms + int(delay_s * 500), delay_s=delay_s)
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
            hear_refusal(session, request, error)
            return
        except (Unreachable, HubBusy):
            if self._pass.start:
                self._pace.heard()  # the hub keeps what arrives: the link works, little is lost
            else:
                self._pace.lost()
            raise
        header = read_segment(request.payload).header
        took_s = time.monotonic() - began
        self._pace.sent(len(request.payload), header.body_raw_size, took_s)
        self._line.count()
        session.take_segment_answer(request, answer)

    def _next_request(self, session: Session) -> Request | None:
        """Ask for the next step within what the link may cost."""
        leave = self._line.leave
        if leave is Leave.NOTHING:
            return None
        session.share = Share(rank_max=RANK_MAX if leave is Leave.ALL else 0, breathe=breathe)
        room = max(min(self._pace.size_bytes, self._line.budget.room_bytes(leave)), SIZE_BYTES_MIN)
        return session.next_request(self._stamp(), int(room))

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

    def _note(self, error: DarasaError) -> None:
        """Tell the keeper in plain words; a row is written only when the words change."""
        # What the socket said is for the log.
        is_normal = isinstance(error, Unreachable | HubBusy | BudgetSpent)
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


def hear_refusal(session: Session, sent: Send, error: Refused) -> None:
    """Find the way on after a segment was refused, or raise."""
    match error.reason:
        case "chain-broken":
            session.forget()  # hello will say where both stand
        case "segment-corrupt":
            if not session.doubt(sent):
                raise Unreachable(f"segment {sent.n} was damaged on the way") from error
        case _:
            raise error


def breathe() -> None:
    """Let the class's writes in: SQLite's own waiting doubles its sleeps and would lose."""
    time.sleep(BREATH_S)


def hardware_name(path: Path = Path("/proc/device-tree/model")) -> str:
    """What the board calls itself; empty on machines that do not say."""
    try:
        return path.read_bytes().rstrip(b"\0").decode(errors="replace")[:200]
    except OSError:
        return ""
