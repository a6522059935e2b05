"""Everything that may happen, by the name it has in a list of actions."""

import contextlib

import apsw

from appliance.errors import DarasaError
from tests.simulation import hub_files
from tests.simulation.actions import BOARDS_MAX
from tests.simulation.board import Board
from tests.simulation.metered import card_fills, day_passes
from tests.simulation.network import Lost, late_arrives, old_page_arrives
from tests.simulation.orders import district_dawdles, district_erases, district_writes
from tests.simulation.releases import update_hub
from tests.simulation.sticks import bring_receipts, export_stick, import_stick

OPERATIONS_MAX = 25
CARD_TROUBLE = (apsw.Error, DarasaError, OSError, Lost)
CLOCK_JUMPS_MS = (0, 1, 60_000, -5_000, 50 * 365 * 86_400_000, -50 * 365 * 86_400_000)


def work(world):
    for _ in range(world.dice.randint(1, 3)):
        world.work.do_something(world.any_board())


def talk(world):
    board = world.any_board()
    with contextlib.suppress(Lost):
        for _ in range(world.dice.randint(1, 8 * world.mix.breath)):
            if not world.exchange(board, world.mix.network):
                return


def jump_clock(world):
    """By fifty years either way, by nothing, or a little back; it decides nothing (I11)."""
    world.now_ms += world.clock.choice(CLOCK_JUMPS_MS)


# The card.


def power_fails(world):
    """Cut the power at some write of some work or talk, or between two of them."""
    board = world.any_board()
    board.disk.cut_after(world.dice.randint(1, OPERATIONS_MAX * world.mix.breath))
    toil(world, board)
    world.reboot(board)


def killed(world):
    """The processes end at some write; what they had written is still there."""
    board = world.any_board()
    board.disk.cut_after(world.dice.randint(1, OPERATIONS_MAX * world.mix.breath))
    toil(world, board)
    board.kill()


def card_full(world):
    stumble(world, apsw.FullError("the card is full"))


def card_fails(world):
    stumble(world, apsw.IOError("the card did not answer"))


def stumble(world, error):
    """One write fails and is not done; school and agent go on as they can."""
    board = world.any_board()
    board.disk.stumble_at(world.dice.randint(1, OPERATIONS_MAX * world.mix.breath), error)
    toil(world, board)
    board.disk.recover()


def card_busy(world):
    """The school's writer holds the lock longer than the agent waits."""
    board = world.any_board()
    board.db._connection.set_busy_handler(lambda _knocks: False)
    board.connection.execute("BEGIN IMMEDIATE")
    toil(world, board, works=0.0)
    board.connection.execute("ROLLBACK")
    board.db._connection.set_busy_handler(None)


def toil(world, board, works=0.5):
    """Work and talk; whoever meets trouble begins anew, as the agent does."""
    for _ in range(4 * world.mix.breath):
        if board.disk.is_off:
            return
        try:
            if world.dice.random() < works / world.mix.breath:
                world.work.do_something(board)
            else:
                world.exchange(board, 0)
        except CARD_TROUBLE:
            board.begin_session()


def back_up(world):
    board = world.any_board()
    board.backup = board.card()


def restore(world):
    board = world.any_board()
    if board.backup is not None:
        board.put_image(board.backup)
        world.accident()


def new_card(world):
    """The database alone comes back: what stood beside it went with the old card."""
    board = world.any_board()
    if board.backup is not None:
        board.put_image(board.backup, files={})
        world.accident()


def old_card(world):
    """The whole card of that day: what stood beside the database is of that day, too."""
    board = world.any_board()
    if board.backup is not None:
        board.put_card(board.backup)
        world.accident()


def clone(world):
    if len(world.boards) == BOARDS_MAX:
        return
    model = world.any_board()
    board = Board(
        world.new_folder(), model.node_id, model.school_id, model.key.encode(), world.dice
    )
    board.put_card(model.card())
    world.put_to_work(board)
    world.boards.append(board)


def swap_cards(world):
    """Two boards get each other's card; the key is on the card too."""
    if len(world.boards) < 2:
        return
    one, other = world.dice.sample(world.boards, 2)
    cards = one.card(), other.card()
    for name in ("node_id", "school_id", "key", "backup"):
        ours, theirs = getattr(one, name), getattr(other, name)
        setattr(one, name, theirs)
        setattr(other, name, ours)
    one.put_card(cards[1])
    other.put_card(cards[0])


def trim(world):
    world.trim(world.any_board())


# The hub.


def roll_hub_back(world):
    """To any earlier moment; half of the time nobody follows the runbook."""
    commits = world.dice.randint(1, max(len(world.hub.journal) - 1, 1))
    world.hub.roll_back(commits, is_noticed=world.dice.random() < 0.5)
    world.accident()


def back_hub_up(world):
    world.hub.backup = (world.hub.journal[-1], hub_files.photograph(world.hub))


def hub_to_backup(world):
    if world.hub.backup is not None:
        state, files = world.hub.backup
        is_noticed, is_with_files = (world.dice.random() < 0.5 for _ in range(2))
        world.hub.put_back(state, is_noticed=is_noticed, files=files if is_with_files else None)
        world.accident()


def promote_replica(world):
    """It lags by a few commits, and nobody tells anyone."""
    world.hub.promote(world.dice.randint(1, 4))
    world.accident()


def hub_crashes(world):
    """In the middle of what it does next: before its commit, or after it and unheard."""
    world.hub.crashes = world.dice.choice(("before", "after"))
    with contextlib.suppress(Lost):
        world.exchange(world.any_board(), 0)
    world.hub.crashes = None


def revoke_key(world):
    """The district closes a node's door; the next time it opens it again with a new key."""
    board = world.any_board()
    if board.node_id in world.hub.revoked:
        world.readmit(board.node_id)
    else:
        world.hub.revoked.add(board.node_id)


ACTS = {
    act.__name__: act
    for act in (
        *(work, talk, late_arrives, jump_clock, day_passes, card_fills),
        *(power_fails, killed, card_full, card_fails, card_busy),
        *(back_up, restore, new_card, old_card, clone, swap_cards, trim),
        *(roll_hub_back, back_hub_up, hub_to_backup, promote_replica, hub_crashes, revoke_key),
        *(export_stick, import_stick, bring_receipts),
        *(district_writes, district_dawdles, district_erases, old_page_arrives, update_hub),
    )
}
# After these something may be nowhere: before them everything is somewhere.
TAKES_AWAY = {
    "restore",
    "new_card",
    "old_card",
    "roll_hub_back",
    "hub_to_backup",
    "promote_replica",
}
QUIET = {
    *(
        "day_passes",
        "update_hub",
        "work",
        "talk",
        "late_arrives",
        "back_up",
        "back_hub_up",
        "jump_clock",
    ),
    *("district_writes", "district_dawdles", "district_erases", "old_page_arrives"),
}
