"""The way down, as pure functions: does a cursor count here, may a page be applied, what next.

A box reads what the hub writes by scopes: its district's and its school's. A cursor is a
place in one PostgreSQL's order of transactions, so it counts only there: a hub rolled back
or failed over makes every box read its scopes from the beginning, all of them together,
and what the new reading does not bring is removed. Nothing is merged: these rows have one
writer, and it is not the box.
"""

from collections.abc import Mapping, Sequence, Set
from enum import StrEnum
from typing import Literal
from uuid import UUID

from msgspec import Struct

from sync.protocol import FeedPage, ScopeCursor, ScopeState

State = Literal["level", "behind", "replace"]
Place = tuple[int, int]  # transaction and number: where a line stands in the feed


class Source(Struct, frozen=True):
    """The PostgreSQL a feed is read from, as one transaction sees it.

    `horizon` is the oldest transaction that may still be running: lines at or past it are
    not read yet. A replica may be behind the cursors its primary has given.
    """

    incarnation: UUID
    system: str
    timeline: int
    horizon: int
    is_replica: bool = False


def place(cursor: ScopeCursor) -> Place:
    """Where the next line is looked for."""
    return cursor.xid, cursor.no


def counts_here(cursor: ScopeCursor, source: Source) -> bool:
    """Say whether a cursor was given by this PostgreSQL, or begins at its beginning.

    A cursor past the horizon was given by a later state of this hub than it is in now: a
    copy of the whole machine was put back, which keeps every name it has.
    """
    if cursor.incarnation != source.incarnation:
        return False
    if is_beginning(cursor):
        return True
    if (cursor.system, cursor.timeline) != (source.system, source.timeline):
        return False
    return cursor.xid < source.horizon or source.is_replica


def is_beginning(cursor: ScopeCursor) -> bool:
    """Say whether nothing was read yet under the incarnation it names."""
    return (cursor.system, cursor.timeline, cursor.xid, cursor.no) == ("", 0, 0, 0)


def judge_cursor(cursor: ScopeCursor | None, source: Source, newest: Place) -> State:
    """What a box should do about one scope; `newest` is the last line below the horizon."""
    if cursor is None or not counts_here(cursor, source):
        return "replace"
    return "behind" if newest > place(cursor) else "level"


def moved(cursor: ScopeCursor, source: Source, to: Place) -> ScopeCursor:
    """The cursor after a page that ended at `to`."""
    return ScopeCursor(
        scope_id=cursor.scope_id,
        incarnation=source.incarnation,
        system=source.system,
        timeline=source.timeline,
        xid=to[0],
        no=to[1],
    )


class Fate(StrEnum):
    """What becomes of a page that the hub has signed."""

    APPLIED = "applied"
    STALE = "stale"  # it continues another cursor: repeated, reordered or overtaken
    FOREIGN = "foreign"  # it was made for another box, or a scope that is not ours


def judge_page(page: FeedPage, node_id: UUID, cursors: Mapping[UUID, ScopeCursor]) -> Fate:
    """Decide about a page. Only the one that continues our own cursor is applied."""
    known = cursors.get(page.since.scope_id)
    if page.node_id != node_id or known is None or page.cursor.scope_id != known.scope_id:
        return Fate.FOREIGN
    is_next = page.since == known and page.cursor.incarnation == known.incarnation
    return Fate.APPLIED if is_next else Fate.STALE


class Replay(Struct, frozen=True):
    """Try the rows again that had no place here; a migration may have made one."""


class BeginAnew(Struct, frozen=True):
    """Put every scope to its beginning."""

    scopes: Sequence[UUID]


class FetchFeed(Struct, frozen=True):
    """Ask for the page after this cursor."""

    cursor: ScopeCursor


class Sweep(Struct, frozen=True):
    """Remove what the new reading did not bring, some rows at a time."""


ScopeStep = Replay | BeginAnew | FetchFeed | Sweep | None


class Reading(Struct, frozen=True):
    """Everything the next step depends on: what hello said, and where the box stands.

    `heard`: in the order they are read, what others refer to first. `read`: scopes that
    have been read to their end in this conversation.
    """

    heard: Sequence[ScopeState]
    cursors: Mapping[UUID, ScopeCursor]
    is_replacing: bool
    read: Set[UUID]
    has_parked: bool = False


def next_scope_step(reading: Reading) -> ScopeStep:
    """Choose the next step; None when everything that was heard of is here."""
    if not reading.heard:
        return None  # a hub of before, which writes nothing down
    if reading.has_parked:
        return Replay()
    if must_begin_anew(reading):
        return BeginAnew([state.scope_id for state in reading.heard])
    for state in reading.heard:
        is_due = reading.is_replacing or state.state == "behind"
        if is_due and state.scope_id not in reading.read:
            return FetchFeed(reading.cursors[state.scope_id])
    return Sweep() if reading.is_replacing else None


def must_begin_anew(reading: Reading) -> bool:
    """Say whether one cursor counts nothing, or the box belongs to other scopes now."""
    named = {state.scope_id for state in reading.heard}
    counts_nothing = any(state.state == "replace" for state in reading.heard)
    return counts_nothing or named != reading.cursors.keys()
