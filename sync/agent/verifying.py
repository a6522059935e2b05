"""Comparing this box with the district, and mending what differs.

A wrong trigger, a bad sector, a bug: what capture missed, nobody would miss for years. So
both sides add up what they have, by table, then by bucket, then row by row, and what differs
goes through the ordinary merge: our later image is marked to be sent, the district's later
one is fetched.

A box in use raises no false alarm: an equal sum is the truth whenever it was formed, and an
unequal one only leads on, to a list from the hub and then our rows in one snapshot, with
nothing sealed in between. What was changed meanwhile stands in sync_dirty, and is on its way.

A release that went back seals rows without the columns it does not know. It leaves such tables
out, for each of their rows might seem different. The newer one, back again, knows such an image
by its hash, and raises our version: with equal counters the hub would call the two rivals.

Nothing here opens a socket. `verify` yields what must be asked and is sent the answers.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Final, LiteralString, cast
from uuid import UUID

from msgspec import Struct

from appliance.database.agent import AgentDatabase
from appliance.database.reader import Reader
from appliance.database.transaction import Transaction
from sync.agent.faults import Refused
from sync.agent.recovery import BEGIN_APPLYING, END_APPLYING
from sync.agent.rows import MARK_ROW, RAISE_SEQ, Meeting, Row, in_registry_order, merge_row
from sync.agent.store import Identity, identity
from sync.core.columns import BlockCorrupt, unpack
from sync.merge import COMPARED, bucket_of, digest_part, order_of, row_hash, shorter_hashes
from sync.protocol import (
    Block,
    BucketDigests,
    BucketPage,
    Digests,
    RowsPage,
    RowsRequest,
    RowState,
)
from sync.registry import Table

WEEK_MS: Final = 7 * 86_400_000
ROWS_AT_ONCE: Final = 200  # read, hash, let others run: about 5 ms on the board
FETCH_AT_ONCE: Final = 100  # as a page of the recovery pull
MODULUS: Final = 1 << 64

IS_DUE: Final[LiteralString] = """
SELECT i.check_due
    OR NOT EXISTS (SELECT 1 FROM sync_check AS c WHERE abs(?1 - c.looked_at_ms) < ?2)
  FROM sync_identity AS i
"""

IS_ASKED: Final[LiteralString] = "SELECT check_due FROM sync_identity"

SET_DUE: Final[LiteralString] = "UPDATE sync_identity SET check_due = ?1"

# What explains a difference: it waits here, or the district said that it will not have it.
EXPLAINED: Final[LiteralString] = """
SELECT EXISTS (SELECT 1 FROM sync_dirty AS d WHERE d.tbl = ?1 AND d.pk = ?2)
    OR EXISTS (SELECT 1 FROM sync_exception AS x
                WHERE x.tbl = ?1 AND x.pk IN (?2, x'') AND x.reason <> 'conflict')
    OR EXISTS (SELECT 1 FROM erasure AS e WHERE e.id = ?3 AND e.deleted_at_ms IS NULL)
"""

NOTE_CHECK: Final[LiteralString] = """
INSERT INTO sync_check (tbl, rows, different, repaired, explained, looked_at_ms, agreed_at_ms,
                        agreed_no)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (tbl) DO UPDATE
   SET rows         = excluded.rows,
       different    = excluded.different,
       repaired     = excluded.repaired,
       explained    = excluded.explained,
       looked_at_ms = excluded.looked_at_ms,
       agreed_at_ms = coalesce(excluded.agreed_at_ms, sync_check.agreed_at_ms),
       agreed_no    = coalesce(excluded.agreed_no, sync_check.agreed_no)
"""

COLUMNS: Final[LiteralString] = "SELECT count(*) FROM pragma_table_info(?1)"

FORGET_CHECKS: Final[LiteralString] = "DELETE FROM sync_check WHERE looked_at_ms <> ?1"


class AskDigests(Struct, frozen=True):
    """GET the sums of all tables."""


class AskBuckets(Struct, frozen=True):
    """GET the sums of one table's buckets."""

    table: str


class AskStates(Struct, frozen=True):
    """GET which image of each row of one bucket the hub has."""

    table: str
    bucket: int
    after: UUID


class AskRows(Struct, frozen=True):
    """POST for rows by id."""

    request: RowsRequest


class Push(Struct, frozen=True):
    """Send what waits, to its end."""


class Breathe(Struct, frozen=True):
    """Let others run."""


Ask = AskDigests | AskBuckets | AskStates | AskRows | Push | Breathe
Steps = Generator[Ask, Any, Any]


class Sum(Struct):
    """What a bucket adds up to."""

    rows: int = 0
    digest: int = 0


class Found(Struct):
    """What became of one table. Together they are one verification."""

    table: Table
    rows: int = 0
    different: int = 0
    repaired: int = 0
    explained: int = 0

    @property
    def agrees(self) -> bool:
        """Whether both say the same of every row that nothing explains."""
        return self.different == self.repaired


class Difference(Struct):
    """One bucket, row by row."""

    ours: list[bytes]  # the hub lacks it or has an earlier image
    theirs: list[bytes]  # we do
    cut: list[bytes]  # it has ours as an older release sealed it
    explained: int = 0

    @property
    def rows(self) -> int:
        """How many need mending."""
        return len(self.ours) + len(self.theirs) + len(self.cut)


def is_due(db: Reader, *, now_ms: int) -> bool:
    """Say whether a week has passed, somebody asked, or this lineage was never compared."""
    return bool(db.value(IS_DUE, (now_ms, WEEK_MS)))


def is_asked(db: Reader) -> bool:
    """Say whether somebody waits for it."""
    return bool(db.value(IS_ASKED))


def ask(tx: Transaction) -> None:
    """Have it done at the next contact."""
    tx.run(SET_DUE, (1,))


def verify(db: AgentDatabase, clock: Callable[[], int]) -> Steps:
    """Compare everything the box owns, mend, send, and look once more at what was mended."""
    me = identity(db)
    assert me is not None
    told: Digests = yield AskDigests()
    checked = [Found(t) for t in COMPARED if t.name in told.tables and _is_whole(db, t)]
    mended: list[tuple[Found, int]] = []
    for found in checked:
        for bucket in (yield from _suspects(db, me, found, told)):
            if (yield from _mend(db, me, found, bucket, told, clock)):
                mended.append((found, bucket))  # noqa: PERF401 -- a generator cannot yield inside a comprehension
    if mended:
        yield Push()
    for found, bucket in mended:
        left = yield from _difference(db, me, found.table, bucket)
        found.repaired = max(found.repaired - left.rows, 0)
    note_checks(db, checked, told.change_no, now_ms=clock())
    return checked


def note_checks(
    db: AgentDatabase, checked: Sequence[Found], change_no: int, *, now_ms: int
) -> None:
    """Write down what was found; a table that differs keeps the date it last agreed."""
    with db.changing() as tx:
        for found in checked:
            agreed = (now_ms, change_no) if found.agrees else (None, None)
            counts = (found.rows, found.different, found.repaired, found.explained)
            tx.run(NOTE_CHECK, (found.table.number, *counts, now_ms, *agreed))
        tx.run(FORGET_CHECKS, (now_ms,))
        tx.run(SET_DUE, (0,))


def _is_whole(db: AgentDatabase, table: Table) -> bool:
    """Whether every column of the file's table is known here."""
    return db.value(COLUMNS, (table.name,)) == len(table.columns)


def _suspects(db: AgentDatabase, me: Identity, found: Found, told: Digests) -> Steps:
    """Return the buckets whose sums differ; none when the whole table's agrees."""
    sums: dict[int, Sum] = {}
    for rows in _own_rows(db, me, found.table):
        for row in rows:
            _add(sums, found.table, row)
        yield Breathe()
    found.rows = sum(each.rows for each in sums.values())
    here = (found.rows, sum(each.digest for each in sums.values()) % MODULUS)
    there = told.tables[found.table.name]
    if here == (there.rows, int.from_bytes(there.digest, "big")):
        return []
    answer: BucketDigests = yield AskBuckets(found.table.name)
    theirs = {
        each.bucket: (each.rows, int.from_bytes(each.digest, "big"))
        for each in answer.tables.get(found.table.name, [])
    }
    ours = {bucket: (each.rows, each.digest) for bucket, each in sums.items()}
    return [b for b in sorted(ours.keys() | theirs.keys()) if ours.get(b) != theirs.get(b)]


def _add(sums: dict[int, Sum], table: Table, row: Row) -> None:
    pk = cast(bytes, row[0])
    at = sums.setdefault(bucket_of(pk), Sum())
    at.rows += 1
    part = digest_part(pk, order_of(table, row)[1], row_hash(table, row))
    at.digest = (at.digest + part) % MODULUS


def _mend(
    db: AgentDatabase,
    me: Identity,
    found: Found,
    bucket: int,
    told: Digests,
    clock: Callable[[], int],
) -> Steps:
    """Mark what the hub should have, fetch what we should; return whether anything was done."""
    difference: Difference = yield from _difference(db, me, found.table, bucket)
    found.explained += difference.explained
    found.different += difference.rows
    found.repaired += difference.rows  # until the second look says otherwise
    _mark(db, found.table, difference.ours, now_ms=clock())
    _raise(db, found.table, difference.cut)
    meeting = Meeting(me.epoch, told.incarnation, clock())
    yield from _fetch(db, found.table, difference.theirs, meeting)
    return difference.rows > 0


def _difference(db: AgentDatabase, me: Identity, table: Table, bucket: int) -> Steps:
    """Hold one bucket's rows against the hub's: its list first, then ours in one snapshot."""
    states: dict[bytes, RowState] = {}
    after = UUID(int=0)
    more = True
    while more:
        page: BucketPage = yield AskStates(table.name, bucket, after)
        states |= {state.pk: state for state in page.rows}
        more = page.more and bool(page.rows)
        after = UUID(bytes=page.rows[-1].pk) if page.rows else after
    with db.snapshot():
        return _compare(db, table, _bucket_rows(db, me, table, bucket), states)


def _compare(
    db: AgentDatabase, table: Table, ours: dict[bytes, Row], theirs: dict[bytes, RowState]
) -> Difference:
    found = Difference([], [], [])
    for pk in sorted(ours.keys() | theirs.keys()):
        row, state = ours.get(pk), theirs.get(pk)
        here = None if row is None else (*order_of(table, row), row_hash(table, row))
        there = None if state is None else (state.owner_epoch, state.version, state.row_hash)
        if here == there:
            continue
        if _is_explained(db, table, pk, row):
            found.explained += 1
        elif row is not None and state is not None and _is_cut(table, row, state):
            found.cut.append(pk)
        elif there is None or (here is not None and here > there):
            found.ours.append(pk)
        else:
            found.theirs.append(pk)
    return found


def _is_cut(table: Table, row: Row, state: RowState) -> bool:
    return state.row_hash in shorter_hashes(table, row)


def _is_explained(db: AgentDatabase, table: Table, pk: bytes, row: Row | None) -> bool:
    """Say whether a difference is known already; or the row is the district's by now."""
    if row is None and db.tuples(OWNER_OF[table.name], (pk,)):
        return True
    names = [column.name for column in table.columns]
    subject = row[names.index(table.subject)] if row is not None and table.subject else None
    return bool(db.value(EXPLAINED, (table.number, pk, subject)))


def _mark(db: AgentDatabase, table: Table, ids: Sequence[bytes], *, now_ms: int) -> None:
    for start in range(0, len(ids), ROWS_AT_ONCE):
        with db.changing() as tx:
            for pk in ids[start : start + ROWS_AT_ONCE]:
                tx.run(RAISE_SEQ)
                tx.run(MARK_ROW[table.name], (pk, now_ms))


def _raise(db: AgentDatabase, table: Table, ids: Sequence[bytes]) -> None:
    """An update like any other: capture notes it. No compared fact has later columns."""
    for start in range(0, len(ids), ROWS_AT_ONCE):
        with db.changing() as tx:
            for pk in ids[start : start + ROWS_AT_ONCE]:
                tx.run(RAISE_VERSION[table.name], (pk,))


def _fetch(db: AgentDatabase, table: Table, ids: Sequence[bytes], meeting: Meeting) -> Steps:
    """Fetch rows and merge them as a recovery does; a page may bring fewer than were asked."""
    wanted = list(ids)
    while wanted:
        now, wanted = wanted[:FETCH_AT_ONCE], wanted[FETCH_AT_ONCE:]
        page: RowsPage = yield AskRows(RowsRequest(table=table.name, ids=now))
        rows = [row for block in page.rows for row in _read(table, block)]
        with db.changing() as tx:
            tx.run(BEGIN_APPLYING)
            for row in rows:
                merge_row(db, tx, table, row, meeting)
            tx.run(END_APPLYING)
        missing = set(now) - {cast(bytes, row[0]) for row in rows}
        if rows:
            wanted = [pk for pk in now if pk in missing] + wanted


def _read(table: Table, block: Block) -> list[Row]:
    try:
        rows = unpack(block)
    except BlockCorrupt as error:
        raise Refused(f"rows: {error}", reason="page-corrupt", http_status=200) from error
    if rows.table != table.name:
        raise Refused(f"rows: not of {table.name}", reason="page-corrupt", http_status=200)
    return in_registry_order(table, rows)


# Our own rows, by statements generated from the registry.


def _ours(table: Table) -> str:
    return "?2 IS NOT NULL" if table.is_fact else "(owner_node_id IS NULL OR owner_node_id = ?2)"


def _own_sql(table: Table) -> LiteralString:
    names = ", ".join(column.name for column in table.columns)
    return (
        f"SELECT {names} FROM {table.name} WHERE id > ?1 AND {_ours(table)}"  # noqa: S608 -- names from the registry
        f" ORDER BY id LIMIT {ROWS_AT_ONCE}"
    )


def _bucket_sql(table: Table) -> LiteralString:
    names = ", ".join(column.name for column in table.columns)
    return f"SELECT {names} FROM {table.name} WHERE substr(id, 16, 1) = ?1 AND {_ours(table)}"  # noqa: S608 -- names from the registry


def _owner_sql(table: Table) -> LiteralString:
    return f"SELECT 1 FROM {table.name} WHERE id = ?1"  # noqa: S608 -- names from the registry


def _raise_sql(table: Table) -> LiteralString:
    return f"UPDATE {table.name} SET version = version + 1 WHERE id = ?1"  # noqa: S608 -- names from the registry


OWN_ROWS: Final = {table.name: _own_sql(table) for table in COMPARED}
BUCKET_ROWS: Final = {table.name: _bucket_sql(table) for table in COMPARED}
OWNER_OF: Final = {table.name: _owner_sql(table) for table in COMPARED}
RAISE_VERSION: Final = {table.name: _raise_sql(table) for table in COMPARED if not table.is_fact}


def _own_rows(db: AgentDatabase, me: Identity, table: Table) -> Iterator[list[Row]]:
    """Read the rows the school owns, a few at a time, in the order of their ids."""
    after: bytes | None = b""
    while after is not None:
        found = cast(list[Row], db.tuples(OWN_ROWS[table.name], (after, me.node_id)))
        yield found
        after = cast(bytes, found[-1][0]) if len(found) == ROWS_AT_ONCE else None


def _bucket_rows(db: AgentDatabase, me: Identity, table: Table, bucket: int) -> dict[bytes, Row]:
    args = (bytes([bucket]), me.node_id)
    return {cast(bytes, row[0]): cast(Row, row) for row in db.tuples(BUCKET_ROWS[table.name], args)}
