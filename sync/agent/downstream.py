"""The way down at the box: what the hub writes, fetched after the school's own work was sent.

Sans I/O, like the session: `next_request` does a piece of local work or says which page is
to be fetched, `take_page` takes it. A conversation may be cut anywhere: how far each scope
is read stands in the database, with the rows.
"""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from appliance.clock import Clock
from appliance.database.agent import AgentDatabase
from sync.agent import landing, scopes, store
from sync.agent.faults import HubUntrusted, Refused
from sync.agent.landing import Ground
from sync.agent.link import Link
from sync.agent.session import Worked, decoded, verify
from sync.agent.store import Identity
from sync.agent.sweeping import FOREIGN_KEYS, ForeignKey, sweep
from sync.core.scopes import (
    BeginAnew,
    Fate,
    FetchFeed,
    Reading,
    Replay,
    Sweep,
    judge_page,
    next_scope_step,
)
from sync.protocol import FeedPage, Hello, ScopeCursor, ScopeState, SignedFeed, feed_message

PAGE_ROWS: Final = 100  # about 10 ms of one transaction on the board
PARKED_BEGIN: Final = (b"", "", b"")


class FetchPage(Struct, frozen=True):
    """GET the page of the feed after this cursor."""

    cursor: ScopeCursor
    limit: int = PAGE_ROWS

    @property
    def path(self) -> str:
        """Where it is asked for."""
        at = self.cursor
        return (
            f"/sync/v1/feed?scope_id={at.scope_id}&incarnation={at.incarnation}"
            f"&system={at.system}&timeline={at.timeline}&xid={at.xid}&no={at.no}"
            f"&limit={self.limit}"
        )


class Downstream:
    """One conversation's reading, begun by the hello that said where the scopes stand."""

    def __init__(self, db: AgentDatabase, hello: Hello) -> None:
        self._db: Final = db
        self._incarnation: Final = hello.incarnation
        self._heard: list[ScopeState] = list(hello.scopes)
        self._read: set[UUID] = set()
        self._parked: tuple[UUID | bytes, str, bytes] | None = PARKED_BEGIN
        self._keys: Final = db.rows(ForeignKey, FOREIGN_KEYS)

    def next_request(self, *, now_ms: int) -> FetchPage | Worked | None:
        """Take the next step; None when everything the hub writes for this box is here."""
        reading = self._reading()
        match next_scope_step(reading):
            case Replay():
                self._replay(now_ms)
            case BeginAnew(scopes=named):
                self._begin_anew(named)
            case FetchFeed(cursor=cursor):
                return FetchPage(cursor)
            case Sweep():
                if not sweep(self._db, self._keys, self._me().node_id.bytes):
                    return None
            case None:
                return None
        return Worked()

    def take_page(self, signed: SignedFeed, *, now_ms: int) -> int:
        """Apply a page; return how many rows came. Raises HubUntrusted; then none is kept."""
        me = self._me()
        verify(me, feed_message(signed.body), signed.signature)
        page = decoded(signed.body, FeedPage)
        cursors = {cursor.scope_id: cursor for cursor in scopes.cursors(self._db)}
        fate = judge_page(page, me.node_id, cursors)
        if fate is Fate.FOREIGN:
            raise HubUntrusted(f"feed: a page of scope {page.since.scope_id} is not for this box")
        if page.more and page.cursor == page.since:
            raise HubUntrusted("feed: more is to come, and from the same place")
        if fate is Fate.STALE:
            self.give_up()
            return 0
        rows = landing.land_page(self._db, page, self._ground(now_ms))
        if not page.more:
            self._read.add(page.since.scope_id)
        return rows

    def give_up(self) -> None:
        """A page did not continue our cursor, or the hub does not know it: hello will tell."""
        self._heard = []

    def _reading(self) -> Reading:
        return Reading(
            heard=self._heard,
            cursors={cursor.scope_id: cursor for cursor in scopes.cursors(self._db)},
            is_replacing=scopes.is_replacing(self._db),
            read=self._read,
            has_parked=self._parked is not None,
        )

    def _begin_anew(self, named: Sequence[UUID]) -> None:
        with self._db.changing() as tx:
            scopes.begin_anew(tx, named, self._incarnation)
        self._heard = [ScopeState(scope_id=scope_id, state="behind") for scope_id in named]
        self._read.clear()

    def _replay(self, now_ms: int) -> None:
        """Go through the parked rows once in a conversation, some at a time."""
        assert self._parked is not None
        args = (*self._parked, PAGE_ROWS)
        found = self._db.rows(scopes.Parked, scopes.NEXT_PARKED, args)
        if not found:
            self._parked = None
            return
        landing.replay(self._db, found, self._ground(now_ms))
        self._parked = (found[-1].scope_id, found[-1].tbl, found[-1].pk)

    def _ground(self, now_ms: int) -> Ground:
        me = self._me()
        assert me.hub_id is not None
        return Ground(
            node_id=me.node_id,
            hub_id=me.hub_id,
            epoch=me.epoch,
            scope_ids={cursor.scope_id for cursor in scopes.cursors(self._db)},
            keys=self._keys,
            is_replacing=scopes.is_replacing(self._db),
            now_ms=now_ms,
        )

    def _me(self) -> Identity:
        me = store.identity(self._db)
        assert me is not None
        return me


async def fetch_down(db: AgentDatabase, link: Link, hello: Hello, clock: Clock) -> int:
    """Carry one reading over HTTP; return how many rows came."""
    reading, rows = Downstream(db, hello), 0
    while step := reading.next_request(now_ms=clock()):
        if isinstance(step, FetchPage):
            try:
                page = await link.get(step.path, SignedFeed)
            except Refused as error:
                if error.reason != "cursor-unknown":
                    raise
                reading.give_up()
                continue
            rows += reading.take_page(page, now_ms=clock())
        await asyncio.sleep(0)  # let the watchdog's beat in between two pages
    return rows
