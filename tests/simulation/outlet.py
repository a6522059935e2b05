"""What the district writes, and the feed its boxes read: the hub's side of the way down.

A transaction gives its lines a place; one that stays open holds the horizon back. Which
cursor counts, and where one moves to, is said by the real sync.core.scopes.
"""

from sync.core import scopes
from sync.core.columns import Rows, pack
from sync.core.scopes import Source
from sync.merge import image_of
from sync.protocol import FeedPage, Gone, ScopeState, SignedFeed, encode, feed_message
from sync.registry import TABLE
from tests.simulation.district import Held, names

SYSTEM = "7300000000000000001"


class CursorUnknown(Exception):
    """409: this cursor was given by another state of the hub."""


# Writing.


def put_row(hub, scope_id, name, told):
    """Create or change one row; columns that are not named keep their value."""
    table, school = TABLE[name], hub.schools[scope_id]
    held = school.rows.get((name, told["id"]))
    before = dict.fromkeys(names(table)) | {"version": 0, "owner_epoch": 0}
    if held is not None:
        before = dict(zip(names(table), held.values, strict=True))
    named = before | {"owner_node_id": hub.hub_id.bytes} | told
    named |= {"version": named["version"] + 1, "updated_at_ms": hub.now_ms}
    values = tuple(named[column] for column in names(table))
    image = image_of(table, values, hub.hub_id.bytes)
    school.change_no += 1
    school.rows[name, told["id"]] = Held(values, image, school.change_no)
    school.written.append((name, told["id"]))
    return (name, told["id"], image.row_hash)


def take_ownership(hub, school_id, name, pk):
    return put_row(hub, school_id, name, {"id": pk, "owner_epoch": hub.next_owner_epoch()})


def give_back(hub, school_id, name, pk):
    """To the school, by the feed and as its own rows go, by the pull."""
    told = {"id": pk, "owner_epoch": hub.next_owner_epoch(), "owner_node_id": None}
    key = put_row(hub, school_id, name, told)
    school = hub.schools[school_id]
    school.heads[hub.hub_id] = school.change_no
    return key


# Reading.


def source_of(hub):
    """Lines of transactions that may still be running are not read yet."""
    horizon = hub.xid + 1 if hub.open_xid is None else hub.open_xid
    return Source(hub.incarnation, SYSTEM, hub.timeline, horizon)


def lines(hub, scope_id, after):
    """Places and keys of a scope's feed below the horizon."""
    horizon = source_of(hub).horizon
    feed = hub.schools[scope_id].feed
    return sorted((at, key) for key, at in feed.items() if at > after and at[0] < horizon)


def scope_states(hub, school_id, told):
    cursors = {cursor.scope_id: cursor for cursor in told}
    return [
        ScopeState(
            scope_id=scope_id,
            state=scopes.judge_cursor(
                cursors.get(scope_id), source_of(hub), newest(lines(hub, scope_id, (0, 0)))
            ),
        )
        for scope_id in (hub.district_id, school_id)
    ]


def newest(found):
    return found[-1][0] if found else (0, 0)


def feed_page(hub, node_id, cursor, limit):
    """The next lines of one scope and the rows they name. Raises CursorUnknown."""
    school_id, _ = hub.admit(node_id)
    assert cursor.scope_id in (hub.district_id, school_id)
    if not scopes.counts_here(cursor, source_of(hub)):
        raise CursorUnknown
    ahead = lines(hub, cursor.scope_id, scopes.place(cursor))
    rows = hub.schools[cursor.scope_id].rows
    keys = [key for _, key in ahead[:limit]]
    end = ahead[:limit][-1][0] if ahead else scopes.place(cursor)
    page = FeedPage(
        node_id=node_id,
        since=cursor,
        cursor=scopes.moved(cursor, source_of(hub), end),
        rows=[
            pack(Rows(key[0], names(TABLE[key[0]]), [rows[key].values]))
            for key in keys
            if key in rows
        ],
        gone=[Gone(t=name, pk=pk) for name, pk in keys if (name, pk) not in rows],
        more=len(ahead) > limit,
    )
    body = encode(page)
    return SignedFeed(body=body, signature=hub.key.sign(feed_message(body)).signature)
