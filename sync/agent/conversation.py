"""One conversation with the hub: the school's work first, then everything else the link allows.

It may be cut anywhere: what was said is in the database, and the next one goes on from there.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Final
from uuid import UUID

from msgspec import Struct

from appliance.clock import Clock
from appliance.database.agent import AgentDatabase
from appliance.database.integrity import foreign_key_check
from appliance.settings import Settings
from sync.agent import blobs, downstream, retention, store, verifying
from sync.agent.budget import Leave
from sync.agent.comparing import Comparison
from sync.agent.erasing import erase_people
from sync.agent.faults import BudgetSpent, HubBusy, HubUntrusted, Refused, Unreachable
from sync.agent.line import Line
from sync.agent.link import Link
from sync.agent.notes import note_trouble
from sync.agent.pace import SIZE_BYTES_MIN, Pace
from sync.agent.sealing import Share, Stamp
from sync.agent.session import Fetch, Greet, Request, Send, Session, Worked
from sync.agent.store import RANK_MAX, Identity
from sync.core.segment import read_segment

logger = logging.getLogger(__name__)

BREATH_S: Final = 0.005
AGAIN_MAX: Final = 5  # times one segment goes in one conversation: a copy's forks take two or three


class Means(Struct, frozen=True):
    """What all conversations of one agent share."""

    settings: Settings
    db: AgentDatabase
    line: Line
    pace: Pace
    clock: Clock
    stamp: Callable[[], Stamp]


class Round(Struct, frozen=True):
    """What one conversation carried."""

    segments: int = 0
    rows_fetched: int = 0


class Conversation:
    """Carries one session over one link."""

    def __init__(self, means: Means, session: Session, link: Link) -> None:
        self._means: Final = means
        self._db: Final = means.db
        self._line: Final = means.line
        self._pace: Final = means.pace
        self._clock: Final = means.clock
        self._session: Final = session
        self._link: Final = link
        self._sent: Counter[tuple[UUID, int, int]] = Counter()

    async def run(self, me: Identity) -> Round:
        """Speak until there is nothing left to say, or no byte left to say it with."""
        segments = rows = 0
        while request := self._next_request():
            rows += await self._carry(request)
            segments += isinstance(request, Send)
            await asyncio.sleep(0)  # let the watchdog's beat in between two steps
        rows += await self._do_the_rest()
        if self._session.forked is not None:
            logger.warning("new epoch reason=%s", self._session.forked)
        if me.recovery_due or self._session.forked is not None:
            look_for_dangling(self._db)
        retention.trim(self._db, now_ms=self._clock())
        return Round(segments, rows)

    def _next_request(self) -> Request | None:
        """Ask for the next step within what the link may cost."""
        leave = self._line.leave
        if leave is Leave.NOTHING:
            return None
        rank_max = RANK_MAX if leave is Leave.ALL else 0
        self._session.share = Share(rank_max=rank_max, breathe=breathe)
        room = max(min(self._pace.size_bytes, self._line.budget.room_bytes(leave)), SIZE_BYTES_MIN)
        return self._session.next_request(self._means.stamp(), int(room))

    async def _carry(self, request: Request) -> int:
        """Bring one request to the hub and its answer back; return rows fetched."""
        match request:
            case Greet():
                await self._greet(request)
            case Fetch():
                page = await self._link.fetch(request)
                if page.more and page.next_cursor <= request.cursor:
                    raise HubUntrusted("pull: more is to come, and from the same place")
                return self._session.take_page(page, now_ms=self._clock())
            case Send():
                await self._send(request)
            case Worked():
                pass
        return 0

    async def _greet(self, request: Greet) -> None:
        began = time.monotonic()
        answer = await self._link.greet(request)
        delay_s = time.monotonic() - began
        self._session.take_hello(answer, now_ms=self._clock())
        assert self._session.hub_time_ms is not None
        hub_ms = self._session.hub_time_ms + int(delay_s * 500)
        self._line.clock.hear(hub_ms, delay_s=delay_s)

    async def _send(self, request: Send) -> None:
        key = (request.epoch, request.lane, request.n)
        self._sent[key] += 1
        if self._sent[key] > AGAIN_MAX:
            raise HubUntrusted(f"segment {request.n}: taken in, and asked for again and again")
        began = time.monotonic()
        try:
            answer = await self._link.send(request)
        except Refused as error:
            hear_refusal(self._session, request, error)
            return
        except (Unreachable, HubBusy):
            if self._link.has_begun:
                self._pace.heard()  # the hub keeps what arrives: the link works, little is lost
            else:
                self._pace.lost()
            raise
        header = read_segment(request.payload).header
        took_s = time.monotonic() - began
        self._pace.sent(len(request.payload), header.body_raw_size, took_s)
        self._line.count()
        self._session.take_segment_answer(request, answer)

    # Everything that is neither a hand-in nor a mark.

    async def _do_the_rest(self) -> int:
        """Go as far as the link's bound allows; return rows fetched."""
        if self._session.agreed is None:
            return 0  # the bound was reached before hello
        rows = 0
        try:
            with self._line.bulk():
                rows = await self._fetch_down()
                if self._session.is_complete:
                    blobs.drop_orphans(self._db, self._means.settings.blobs)
                await self._erase()
                await self._compare()
                await self._move_files()
        except BudgetSpent as error:
            logger.info("the rest waits code=%s", error.code)
        return rows

    async def _fetch_down(self) -> int:
        """Fetch what the hub writes, after the school's own work; it never stops the rest."""
        assert self._session.agreed is not None
        try:
            return await downstream.fetch_down(
                self._db, self._link, self._session.agreed, self._clock
            )
        except (Refused, HubUntrusted) as error:
            logger.error("nothing taken down code=%s detail=%s", error.code, error.detail)  # noqa: TRY400 -- the words say it
            note_trouble(self._db, error)
            return 0

    async def _erase(self) -> None:
        """Forget whom the list names that was just fetched, and say so at once."""
        me = store.identity(self._db)
        assert me is not None
        steps = await forget_people(self._db, me, self._means.settings, self._clock)
        while steps and (request := self._next_request()):
            await self._carry(request)

    async def _compare(self) -> None:
        """Once a week, and when asked: hold everything against the district's copy."""
        if not verifying.is_due(self._db, now_ms=self._clock()):
            return
        try:
            await Comparison(self._db, self._link, self._clock, self._push).run()
        except Refused as error:  # an older hub compares nothing; the work goes on
            logger.warning("not verified code=%s reason=%s", error.code, error.reason)

    async def _push(self) -> None:
        stamp, size = self._means.stamp, self._pace
        while request := self._session.next_request(stamp(), size.size_bytes):
            await self._carry(request)

    async def _move_files(self) -> None:
        """Last of all, and only while no row waits."""
        folder = self._means.settings.blobs
        moving = blobs.Blobs(self._db, self._link, folder, self._clock, self._has_waiting)
        if moved := await moving.run():
            logger.info("files moved count=%d", moved)

    def _has_waiting(self) -> bool:
        me = store.identity(self._db)
        assert me is not None
        return any(lane.has_waiting for lane in store.lane_views(self._db, me.epoch))


async def forget_people(db: AgentDatabase, me: Identity, settings: Settings, clock: Clock) -> int:
    """Forget whom the list names, also without a link: it may have come on a stick."""
    steps = 0
    for _ in erase_people(db, me, settings.erased_people, files=settings.blobs, now_ms=clock()):
        steps += 1
        await asyncio.sleep(0)
    return steps


def look_for_dangling(db: AgentDatabase) -> None:
    """After a recovery every row should have its parent; the hub had both or neither."""
    dangling = foreign_key_check(db)
    if dangling:
        logger.error("rows without a parent count=%d", len(dangling))


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
