"""The sixteen promises of the protocol, by number, each where it can be looked at.

AFTER_EACH_STEP are looked at after every action; AT_REST once the accidents have ended and
everybody has said everything. I5 is looked at whenever a segment leaves, I15 at every
fault-free exchange, I16 at every commit, I11 by playing a seed twice.
"""

from uuid import UUID

from sync.agent.blobs import named_files, orphans
from sync.agent.budget import Leave
from sync.core.columns import ID_BYTES
from sync.hub.intake.staging import SCHOOL_COLUMN
from sync.merge import order_of, row_hash
from sync.protocol import EXCEPTIONS_MAX, HUB_SEGMENT_BYTES_MAX, genesis
from sync.registry import TABLE
from tests.simulation import hub_files
from tests.simulation.district import names
from tests.simulation.files import contents
from tests.simulation.forgetting import is_nameless
from tests.simulation.metered import is_urgent


class Violation(AssertionError):
    """An invariant does not hold. The message names it."""


def demand(holds, number, words):
    if not holds:
        raise Violation(f"I{number}: {words}")


# After each step. `before` and `now` are the board or the school as it was and as it is.


def i2_no_regress(before, now, oracle, pruned=b""):
    """No row goes back to an earlier image; none is gone but the forgotten and old readings."""
    for key, was in before.items():
        if is_hub_s(key, was) or oracle.is_forgotten(key) or is_pruned(key, pruned):
            continue  # a hub that lost it takes it back: those are replaced, not merged
        row = now.get(key)
        demand(row is not None, 2, f"{key[0]}: a row is gone")
        demand(placed(key, row) >= placed(key, was), 2, f"{key[0]}: a row went back")


def is_pruned(key, pruned):
    return key[0] == "health_sample" and key[1] < pruned


def i13_deleted_stays_deleted(before, now, beside):
    """A deleted row comes back by a later version, or as its rival: then it lies beside."""
    for key, was in before.items():
        row = now.get(key)
        is_back = row is not None and is_deleted(key, was) and not is_deleted(key, row)
        if is_back and not is_hub_s(key, was):
            later = order_of(TABLE[key[0]], row.values) > order_of(TABLE[key[0]], was.values)
            demand(later or (*key, was.hash) in beside, 13, f"{key[0]}: a deleted row is back")


def placed(key, row):
    return (*order_of(TABLE[key[0]], row.values), row.hash)


def is_deleted(key, row):
    return not TABLE[key[0]].is_fact and row.values[-1] is not None


def is_hub_s(key, row):
    return not TABLE[key[0]].is_fact and row.values[-3] is not None


def i3_exactly_once(school):
    """Each segment took effect once; each row was new once."""
    demand(set(school.applied.values()) <= {1}, 3, "a segment was applied twice")
    demand(set(school.effects.values()) <= {0, 1}, 3, "a row was new twice")


def i4_chains_at_the_hub(school, hub):
    """Each stream is 1, 2, 3 … and every link names the one before."""
    for (node_id, epoch, lane), links in school.streams.items():
        last = genesis(hub.hub_id, node_id, epoch, lane)
        for number, link in enumerate(links, 1):
            demand((link.n, link.prev_hash) == (number, last), 4, "a stream has a gap at the hub")
            last = link.hash


def i4_chain_of_the_board(board, hub):
    """The present epoch's chain is 1, 2, 3 … up to where the stream stands."""
    for lane, stream in board.look().streams.items():
        numbers = [n for n, _ in stream.chain]
        first = hub.genesis(board.node_id, stream.epoch, lane)
        last = stream.chain[-1][1] if stream.chain else first
        demand(numbers == list(range(1, stream.cur_n + 1)), 4, "a board's chain has a gap")
        demand(last == stream.cur_hash, 4, "a board's chain ends elsewhere")


def i5_durable_before_it_leaves(board, sent):
    demand(board.would_survive(sent), 5, "a segment leaves before it is durable")
    demand(len(sent.payload) <= HUB_SEGMENT_BYTES_MAX, 14, "a segment is larger than agreed")


def i6_order_of_watermarks(board):
    """trimmed ≤ applied ≤ received ≤ sealed."""
    for stream in board.look().streams.values():
        marks = (stream.trimmed_n, stream.applied_n, stream.received_n, stream.cur_n)
        demand(list(marks) == sorted(marks), 6, f"watermarks out of order: {marks}")


def i7_every_row_is_accounted_for(school):
    for links in school.streams.values():
        for link in links:
            demand(link.tally.rows == link.rows, 7, "rows without an outcome")


def i9_rows_stay_in_their_school(school):
    for (name, _), row in school.rows.items():
        if name in SCHOOL_COLUMN:
            at = names(TABLE[name]).index(SCHOOL_COLUMN[name])
            demand(row.values[at] == school.school_id, 9, f"{name}: a row of another school")


def i9_no_file_without_its_row(school):
    """The hub counts nothing that no work of this school names."""
    unnamed = school.files.keys() - hub_files.named_at(school).keys() if school.files else ()
    demand(not unnamed, 9, "the hub has a file that no row names")


def i14_rows_go_first(board):
    """No piece of a file is sent while work waits."""
    demand(not board.look().dirty, 14, "a piece of a file was sent before a row")


def i14_bounded(board):
    """Marks are never more than rows; payloads are kept until applied and dropped by plan."""
    look = board.look()
    marks = look.dirty - look.rows.keys()
    if marks:
        pruned = board.pruned()
        demand(all(is_pruned(key, pruned) for key in marks), 14, "a mark without a row")
    demand(all(len(pk) == ID_BYTES for _, pk in look.dirty), 14, "a mark is no id")
    for lane, stream in look.streams.items():
        kept = {n for at, n in look.payloads if at == lane}
        planned = set(range(stream.trimmed_n + 1, stream.cur_n + 1))
        if is_forgetting(board, look):
            kept &= planned  # more are on their way out, a few at a time
        demand(kept == planned, 14, f"payloads kept {sorted(kept)}, not {sorted(planned)}")


def i14_what_it_may_cost(board, leave, before):
    """What the reserve is for is all that it seals; telemetry goes when nothing else waits."""
    look = board.look()
    for lane, n in look.payloads - before.payloads:
        names = {name for name, *_ in board.payload_rows(lane, n)}
        if leave is Leave.URGENT:
            demand(all(map(is_urgent, names)), 14, f"the reserve was spent on {sorted(names)}")
        if lane == 1 and leave is Leave.ALL:
            waits = [name for name, _ in look.dirty if TABLE[name].lane == 0]
            demand(not waits, 14, f"readings were sealed before {waits[:1]}")


def is_forgetting(board, look):
    """Whether the list names somebody for whom this box has not answered."""
    listed = {pk for name, pk in look.rows if name == "erasure"}
    return not listed <= answered(board, look)


def answered(board, look):
    """People this box says it has forgotten."""
    return {
        row.values[1]
        for (name, _), row in look.rows.items()
        if name == "erasure_answer" and row.values[2] == board.node_id.bytes
    }


def i12_stays_forgotten(board, before, now, oracle):
    """Who was forgotten and answered for does not come back, whatever arrives."""
    people = answered(board, before)
    if people:
        people -= remembered(before.rows, before.conflicts, oracle)
        back = people & remembered(now.rows, now.conflicts, oracle)
        demand(not back, 12, f"{len(back)} forgotten people are back on a board")


def i12_forgotten_at_the_hub(school, oracle):
    """Nothing about whom its own list names is current, beside or aside."""
    people = school.forgotten
    if people:
        found = remembered(school.rows, (*school.conflicts, *school.aside), oracle) & people
        demand(not found, 12, f"the hub has rows of {len(found)} forgotten people")


def remembered(rows, beside, oracle):
    """People whom current rows or images beside are about."""
    current = {
        oracle.subjects.get(k) for k, row in rows.items() if not is_nameless(k[0], row.values)
    }
    return current | {oracle.subjects.get((name, pk)) for name, pk, _ in beside}


def i15_backlog_falls(before, after):
    """With the link up and no fault, an answered segment leaves less to do."""
    demand(after < before, 15, f"the backlog went from {before} to {after}")


def i16_capture_is_complete(board):
    """What SQLite says was changed is what the triggers marked."""
    dirty = board.dirty() if board.touched else set()
    for table, pk in board.touched:
        if (table.name, pk) not in dirty:
            row = board.look().rows.get((table.name, pk))
            is_missed = row is not None and is_own(table, row, board)
            demand(not is_missed, 16, f"{table.name}: a change was not captured")
    board.touched.clear()


def is_own(table, row, board):
    return table.is_fact or row.values[-3] in (None, board.node_id.bytes)


# At rest.


def i1_nothing_acknowledged_is_lost(world, held):
    lost = world.oracle.unsafe(held)
    demand(not lost, 1, f"{len(lost)} acknowledged values are nowhere: {lost[:1]}")


def kept_files(world):
    """(school, content) of every file that a board has with its row, or that is at the hub.

    A card that was put back may hold a file and not its row; what no row of its own names it
    clears away, also when the only row left is on another card.
    """
    named, whole = set(), set()
    for school_id, school in world.hub.schools.items():
        named |= {(school_id, each) for each in hub_files.named_at(school)}
    for board in world.boards:
        here = {each.sha256 for each in named_files(board.db)}
        named |= {(board.school_id, each) for each in here}
        whole |= {(board.school_id, each) for each in here & contents(board)}
    return whole | {
        each for each in world.handed_in & named if hub_files.is_whole(world.hub, *each)
    }


def i1_files_are_somewhere(world):
    """A row about somebody who is not forgotten keeps its file; only an accident takes it."""
    kept = kept_files(world)
    for board in world.boards:
        for (name, pk), row in board.look().rows.items():
            if name != "attachment" or world.oracle.is_forgotten((name, pk)):
                continue
            file = (board.school_id, row.values[hub_files.SHA256])
            is_owed = file in world.handed_in - world.lost_files
            demand(not is_owed or file in kept, 1, "a file is nowhere")


def i1_no_file_is_lost(world, school_id):
    """At rest whoever has the row has the file, as its hash says; and nothing else."""
    hub, school = world.hub, world.hub.schools[school_id]
    named = set(hub_files.named_at(school))
    owed = {each for each in named if (school_id, each) not in world.lost_files}
    boards = [board for board in world.boards if board.school_id == school_id]
    for sha256 in sorted(owed):
        counted = sha256 in school.files and school.files[sha256].whole_at_ms is not None
        is_whole = hub_files.is_whole(hub, school_id, sha256)
        demand(counted and is_whole, 1, "a file is not whole at the hub")
        for board in boards:
            demand(sha256 in contents(board), 1, "a board lacks a file")
    for board in boards:
        demand(not orphans(board.db, board.files), 14, "a board keeps a file without a row")
    folder = hub_files.folder_of(hub, school_id)
    there = {bytes.fromhex(path.name) for path in folder.glob("*")}
    demand(there <= named, 14, "the hub keeps a file without a row")


def i4_hub_and_board_agree(world, board):
    """Where a board's stream ends, the hub's ends too: the same number and hash."""
    school = world.hub.schools[board.school_id]
    for lane, stream in board.look().streams.items():
        links = school.streams.get((board.node_id, UUID(bytes=stream.epoch), lane), ())
        demand(len(links) == stream.cur_n, 4, "the hub has another number of segments")
        demand(not links or links[-1].hash == stream.cur_hash, 4, "the hub has another history")


def i8_poison_blocks_nothing(world, board):
    """What cannot be merged lies aside with a reason, and the box has been told."""
    school = world.hub.schools[board.school_id]
    demand(not school.parked, 8, "rows wait for a table that is here")
    for key, row in board.look().rows.items():
        if world.is_poison(board, key[0], row.values):
            demand((*key, row.hash) in school.aside, 8, f"{key[0]}: poison is not aside")
    told = {tuple(found) for found in board.db.tuples("SELECT tbl, pk FROM sync_exception")}
    named = {(TABLE[name].number, pk) for name, pk, _ in (*school.aside, *school.conflicts)}
    demand(told == named or len(named) > EXCEPTIONS_MAX, 8, "the box was not told what is aside")


def i10_all_agree(world, board):
    """Digests are equal, but for rows that lie aside and those that have lost their name."""
    aside = {(name, pk) for name, pk, _ in world.hub.schools[board.school_id].aside}
    aside |= {("person", person_id) for person_id in world.oracle.forgotten}
    if pruned := board.pruned():
        there = world.hub.schools[board.school_id].rows
        aside |= {key for key in (*there, *board.look().rows) if is_pruned(key, pruned)}
    for (name, _), row in world.hub.schools[board.school_id].rows.items():
        demand(row_hash(TABLE[name], row.values) == row.hash, 10, f"{name}: not all that was sent")
    here, there = board.digests(aside), world.hub.digests(board.school_id, aside)
    demand(here == there, 10, f"a board and the hub differ: {differing(here, there)}")


def differing(here, there):
    return sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))


def i12_nobody_remembers(world, board):
    """At rest everybody was asked: no row, no image, no payload, no byte; and an answer."""
    school, look = world.hub.schools[board.school_id], board.look()
    people = {person for school_id, person in world.hub.listed if school_id == board.school_id}
    demand(people <= school.forgotten, 12, "the hub has forgotten whom it was to forget")
    demand(people <= answered(board, look), 12, "a box has not answered")
    demand(
        not people & remembered(look.rows, look.conflicts, world.oracle),
        12,
        "a box remembers somebody",
    )
    for name, pk, values in board.payload_rows() if people else ():
        is_about = world.oracle.subjects.get((name, pk)) in people
        demand(not is_about or is_nameless(name, values), 12, f"a payload still holds {name}")
    texts = [text for person in people for text in world.work.told[person]]
    left = board.traces_of(texts)
    demand(not left, 12, f"{len(left)} texts about forgotten people are in the files")


def i13_nothing_overtaken_is_back(world, held):
    """No current image was written over by one that still exists somewhere."""
    for school in world.hub.schools.values():
        currents = [
            (*key, row.hash) for key, row in school.rows.items() if not school.is_aside(key)
        ]
        back = world.oracle.overtaken(currents, held)
        demand(not back, 13, f"{len(back)} replaced values are current again: {back[:1]}")


def i15_nothing_waits(board):
    look = board.look()
    demand(not look.waiting, 15, f"{look.waiting} rows and segments still wait")


def i3_orders_are_carried_out_once(world, board):
    """Every order is answered; more than once only where a card was copied or put back."""
    rows = board.look().rows
    orders = [key[1] for key, row in rows.items() if key[0] == "command"]
    answered = [row.values[1] for key, row in rows.items() if key[0] == "command_result"]
    for order in orders:
        demand(order in answered, 15, "an order waits for ever")
        demand(world.has_doubles or answered.count(order) == 1, 3, "an order was carried out twice")
