"""The traces that broke earlier designs, step by step and without dice."""

from random import Random

import apsw
import pytest

from appliance.errors import StorageFull
from sync.agent.session import Worked
from tests.simulation.ablations import debt_in_memory
from tests.simulation.accidents import clone as clone_a_card
from tests.simulation.accidents import toil
from tests.simulation.actions import mix
from tests.simulation.board import make_template
from tests.simulation.files import AT_ONCE, contents, hand_in_file
from tests.simulation.forgetting import erase
from tests.simulation.world import World

CALM = mix(network=0)
OPERATIONS = 42  # writes and syncs of one repair, and a few more
ROWS_OF = "SELECT name, version, deleted_at_ms IS NULL FROM class_group ORDER BY name"
CONFLICTS = "SELECT count(*) FROM sync_conflict"
EPOCH = "SELECT epoch FROM sync_identity"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def world(tmp_path, template):
    world = World(1, CALM, tmp_path, template, schools=1)
    world.talk_out(world.boards[0])
    yield world
    world.close()


@pytest.fixture
def board(world):
    return world.boards[0]


def sync(world, board):
    world.talk_out(board)


def ask(world, board):
    """Let a request leave, and nothing come back."""
    while isinstance(world.next_request(board), Worked):
        continue


def groups(board):
    return board.db.tuples(ROWS_OF)


def at_hub(world, board):
    rows = world.hub.schools[board.school_id].rows
    return sorted(held.values[2] for (name, _), held in rows.items() if name == "class_group")


def conflicts(world, board):
    """Names of images put aside, on either side."""
    found = world.hub.schools[board.school_id].conflicts
    here = board.db.value(CONFLICTS)
    return sorted(values[2] for (name, *_), values in found.items() if name == "class_group"), here


def rename(world, board, name):
    """Change the one group there is to exactly this name."""
    world.work._text = lambda: name
    world.work.change_group(board)


def add(world, board, name):
    world.work._text = lambda: name
    world.work.add_group(board)


def clone(world, model):
    world.dice = Random(2)
    clone_a_card(world)
    return world.boards[-1]


def test_t1_a_restored_box_edits_to_a_version_the_hub_already_has(world, board):
    add(world, board, "first")
    sync(world, board)
    backup = board.image()
    rename(world, board, "told to the hub")
    sync(world, board)
    board.put_image(backup)
    rename(world, board, "after the restore")
    world.settle()
    assert groups(board)[0][0] == at_hub(world, board)[0]
    named, here = conflicts(world, board)
    current = groups(board)[0][0]
    loser = ({"told to the hub", "after the restore"} - {current}).pop()
    assert loser in named or here > 0


def owe(world, board):
    """Work that only the hub has, behind a fork whose epoch begins; nothing is fetched yet."""
    add(world, board, "before")
    sync(world, board)
    backup = board.image()
    rename(world, board, "only at the hub")
    sync(world, board)
    board.put_image(backup)
    assert world.exchange(board, 0)  # hello says fork
    world.exchange(board, 0)  # the new epoch is committed and hello asked again


def test_t2_the_debt_outlives_a_page_that_never_comes(world, board):
    owe(world, board)
    before = board.db.value(EPOCH)
    ask(world, board)  # asks for the page; no answer comes
    board.power_cycle()
    assert board.db.value("SELECT recovery_due FROM sync_identity") == 1
    world.settle()
    assert board.db.value(EPOCH) == before
    assert [row[0] for row in groups(board)] == ["only at the hub"]


def test_t2_without_a_persistent_debt_the_cut_page_would_be_forgotten(tmp_path, template):
    """Two clones and a hub that went back: the old cursor hides what the other one wrote."""
    with debt_in_memory():
        world = World(1, CALM, tmp_path, template, schools=1)
        board = world.boards[0]
        owe_after_rollback(world, board)
        with pytest.raises(AssertionError, match="I10"):
            world.settle()
        world.close()


def test_t2_with_it_both_clones_end_with_everything(world, board):
    owe_after_rollback(world, board)
    world.settle()
    assert len(groups(board)) == 5
    assert groups(board) == groups(world.boards[1])


def owe_after_rollback(world, board):
    sync(world, board)
    snapshot = world.hub.journal[-1]
    other = clone(world, board)
    for number in range(4):
        add(world, other, f"only the clone's {number}")
        sync(world, other)
        sync(world, board)
    world.hub.put_back(snapshot, is_noticed=True)
    add(world, other, "made again")
    sync(world, other)
    board.session.forget()
    world.exchange(board, 0)  # hello: another incarnation
    ask(world, board)  # a new epoch begins; no answer comes
    board.power_cycle()


def test_t3_a_left_epoch_restored_from_a_backup_is_told_what_came_after_it(world, board):
    add(world, board, "in the first epoch")
    sync(world, board)
    backup = board.image()
    world.hub.incarnation = world.hub.new_incarnation()
    rename(world, board, "in the second epoch")
    sync(world, board)
    first = board.db.value(EPOCH)
    board.put_image(backup)
    assert board.db.value(EPOCH) != first
    world.settle()
    assert [row[0] for row in groups(board)] == ["in the second epoch"]


def test_t3_holds_also_when_the_left_epoch_matches_and_the_hub_is_the_same(world, board):
    """Nothing is wrong with the chain: only the feed knows that another epoch wrote."""
    add(world, board, "in the first epoch")
    sync(world, board)
    backup = board.image()
    clone_of_it = clone(world, board)
    rename(world, board, "ahead")
    sync(world, board)
    rename(world, clone_of_it, "by the clone in its own epoch")
    sync(world, clone_of_it)
    board.put_image(backup)
    world.settle()
    assert groups(board) == groups(clone_of_it)
    assert board.digests() == world.hub.digests(board.school_id)


def test_t4_a_clone_keeps_working_and_neither_loses_anything(world, board):
    other = clone(world, board)
    for number in range(4):
        add(world, board, f"here {number}")
        add(world, other, f"there {number}")
        sync(world, board)
        sync(world, other)
    world.settle()
    names = [row[0] for row in groups(board)]
    assert names == sorted([f"{where} {n}" for where in ("here", "there") for n in range(4)])
    assert groups(other) == groups(board)


def test_t4_two_clones_at_rest_do_not_play_ping_pong(world, board):
    add(world, board, "shared")
    other = clone(world, board)
    for each in (board, other, board, other):
        sync(world, each)
    before = world.hub.schools[board.school_id].change_no
    assert [world.talk_out(each) for each in (board, other, board, other)] == [0, 0, 0, 0]
    assert world.hub.schools[board.school_id].change_no == before


def test_t5_deleted_and_made_again_is_there_and_stays_deleted_otherwise(world, board):
    add(world, board, "comes and goes")
    sync(world, board)
    world.work.delete_group(board)
    sync(world, board)
    world.work._text = lambda: "came back"
    world.work.revive_group(board)
    world.settle()
    assert groups(board) == [("came back", 3, 1)]
    world.work.delete_group(board)
    world.settle()
    assert groups(board) == [("came back", 4, 0)]
    assert at_hub(world, board) == ["came back"]


@pytest.mark.parametrize("is_noticed", [True, False])
def test_t6_a_restore_over_a_delete_then_a_hub_from_before_it(world, board, is_noticed):
    add(world, board, "to be deleted")
    sync(world, board)
    backup, snapshot = board.image(), world.hub.journal[-1]
    world.work.delete_group(board)
    sync(world, board)
    board.put_image(backup)
    sync(world, board)
    assert groups(board) == [("to be deleted", 2, 0)]  # the delete came back from the hub
    world.hub.put_back(snapshot, is_noticed=is_noticed)
    world.settle()
    assert groups(board) == [("to be deleted", 2, 0)]


def test_t7_the_same_natural_key_made_twice_is_kept_twice_and_shown(world, board):
    backup = board.image()
    add(world, board, "Kidato 1")
    sync(world, board)
    board.put_image(backup)
    add(world, board, "Kidato 1")
    world.settle()
    assert [row[0] for row in groups(board)] == ["Kidato 1", "Kidato 1"]
    assert at_hub(world, board) == ["Kidato 1", "Kidato 1"]


def test_a_hub_behind_its_own_receipt_changes_its_incarnation(world, board):
    snapshot = world.hub.journal[-1]
    add(world, board, "acknowledged")
    sync(world, board)
    was = world.hub.incarnation
    world.hub.put_back(snapshot, is_noticed=False)
    world.settle()
    assert world.hub.incarnation != was
    assert at_hub(world, board) == ["acknowledged"]


def test_a_rolled_back_hub_that_has_grown_again_is_still_found_out(world, board):
    """The other board's work fills the same numbers; only the log's hash tells."""
    other = clone(world, board)
    add(world, other, "b")
    sync(world, other)
    sync(world, board)
    snapshot = world.hub.journal[-1]
    add(world, board, "lost")
    sync(world, board)
    was = world.hub.incarnation
    world.hub.put_back(snapshot, is_noticed=False)
    for number in range(3):
        add(world, other, f"grown {number}")
        sync(world, other)
    assert world.hub.incarnation == was
    world.settle()
    assert world.hub.incarnation != was
    assert "lost" in at_hub(world, board)


def test_a_lane_that_only_the_other_board_has_used_tells_them_apart_too(world, board):
    """Two boards of one card in one epoch: hello asks of every lane, used here or not."""
    other = clone(world, board)
    world.work.measure(other)
    sync(world, other)
    sync(world, board)
    assert board.db.value(EPOCH) != other.db.value(EPOCH)
    world.settle()
    assert board.digests() == other.digests()


def test_the_same_number_with_another_hash_is_never_answered_as_kept(world, board):
    other = clone(world, board)
    add(world, board, "mine")
    add(world, other, "yours")
    sync(world, board)
    epoch = other.db.value(EPOCH)
    sync(world, other)
    assert other.db.value(EPOCH) != epoch
    assert at_hub(world, board) == ["mine", "yours"]


def test_a_receipt_that_comes_late_moves_nothing_back(world, board):
    """From a stick, or a courier who forgot it in a drawer: payloads are dropped meanwhile."""
    kept = []
    for name in ("first", "second"):
        add(world, board, name)
        board.session.forget()
        world.exchange(board, 0)
        while isinstance(request := world.next_request(board), Worked):
            continue
        answer = world.hub.put(board.node_id, request.payload)
        board.session.take_segment_answer(request, answer)
        kept.append((request, answer))
    world.trim(board)
    board.session.take_segment_answer(*kept[0])
    assert board.db.value("SELECT received_n FROM sync_stream WHERE lane = 0") == len(kept) + 1
    add(world, board, "third")
    world.settle()
    assert at_hub(world, board) == ["first", "second", "third"]


@pytest.mark.parametrize("operations", range(1, 14))
def test_what_a_killed_process_left_unsynced_is_synced_before_it_counts(world, board, operations):
    """The clock stands still, so noting the contact changes nothing and syncs nothing."""
    add(world, board, "sealed, and perhaps not synced")
    board.disk.cut_after(operations)
    toil(world, board, works=0)
    board.kill()
    world.settle()  # asks at every segment that leaves whether it would survive (I5)
    assert at_hub(world, board) == ["sealed, and perhaps not synced"]


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "power cut"])
def test_a_repair_may_be_cut_at_any_write(tmp_path, template, is_killed):
    """Two clones, a restored card and a hub that went back; every fourth write in turn."""
    for operation in range(2 - is_killed, OPERATIONS, 4):
        folder = tmp_path / str(operation)
        folder.mkdir()
        world = World(1, CALM, folder, template, schools=1)
        board = world.boards[0]
        owe_after_rollback(world, board)
        board.disk.cut_after(operation)
        toil(world, board, works=0)
        board.kill() if is_killed else world.reboot(board)
        world.settle()
        assert len(groups(board)) == 5
        world.close()


# Forgetting somebody.


def erase_founder(world, board):
    """Somebody whose marks name them: the hub keeps a row without a name in their place."""
    person_id = founder(board)
    world.oracle.forgotten.add(person_id)
    erase(world.hub, board.school_id, person_id)


def founder(board):
    return board.db.value("SELECT id FROM person ORDER BY id")


def mark(world, board):
    """A mark the only person there is gives themselves."""
    world.work.hand_in(board)


def rename_founder(world, board, name):
    world.work._name = lambda: name
    world.work.rename(board)


def test_the_answer_of_one_copy_is_not_that_of_the_other(world, board):
    """The second copy fetches the first one's answer, and a row that has lost its name."""
    mark(world, board)
    sync(world, board)
    other = clone(world, board)
    erase_founder(world, board)
    sync(world, board)
    sync(world, other)
    assert other.db.value("SELECT count(*) FROM grade") == 0
    world.settle()


def test_an_old_card_with_its_old_list_forgets_again(world, board):
    mark(world, board)
    sync(world, board)
    card = board.card()
    erase_founder(world, board)
    sync(world, board)
    board.put_card(card)
    world.settle()
    assert board.db.value("SELECT count(*) FROM grade") == 0


def test_a_name_that_lay_beside_goes_with_the_person(world, board):
    """Two images of a row met on the box, before the hub put one without a name there."""
    mark(world, board)
    sync(world, board)
    backup = board.image()
    for number in range(2):
        rename_founder(world, board, f"told to the hub {number}")
    sync(world, board)
    board.put_image(backup)
    rename_founder(world, board, "after the restore")
    sync(world, board)
    assert board.db.value(CONFLICTS) == 1
    erase_founder(world, board)
    world.settle()
    assert board.db.value(CONFLICTS) == 0


def test_a_restored_backup_is_clean_before_it_serves(world, board):
    mark(world, board)
    sync(world, board)
    backup = board.image()
    erase_founder(world, board)
    sync(world, board)
    board.put_image(backup)
    assert board.db.value("SELECT count(*) FROM grade") == 0
    world.settle()


def test_a_hub_of_yesterday_forgets_again_before_anything_else(world, board):
    mark(world, board)
    sync(world, board)
    snapshot = world.hub.journal[-1]
    erase_founder(world, board)
    world.hub.put_back(snapshot, is_noticed=False)
    assert world.hub.schools[board.school_id].forgotten
    world.settle()


def people(world, board, number):
    while len(found := sorted(board.db.tuples("SELECT id FROM person"))) < number:
        world.work.meet(board)
    return [person for (person,) in found]


def test_files_that_nobody_has_do_not_keep_others_from_coming_back(world, board):
    """The newest were on the old card alone; what the district has is older than all of them."""
    (amina, *_) = people(world, board, 1)
    world.work._moment = lambda: 0
    hand_in_file(world, board, amina, b"at the district")
    sync(world, board)
    world.work._moment = lambda: 1
    for number in range(2 * AT_ONCE + 1):
        hand_in_file(world, board, amina, b"on the card alone %d" % number)
    board.put_image(board.image(), files={})
    world.accident()
    world.settle()
    assert len(contents(board)) == 1


def test_a_file_two_people_handed_in_is_sent_again_after_one_was_forgotten(world, board):
    """The district had taken it away before the other's row came."""
    amina, jose = people(world, board, 2)
    hand_in_file(world, board, amina, b"the same picture")
    sync(world, board)
    hand_in_file(world, board, jose, b"the same picture")
    world.oracle.forgotten.add(amina)
    erase(world.hub, board.school_id, amina)
    world.settle()
    assert len(contents(board)) == 1


def test_a_file_handed_in_again_after_a_failed_sync_is_on_the_card_before_its_row(world, board):
    """The first time its name was written, and the card had no room to keep it for good."""
    (amina, *_) = people(world, board, 1)
    board.disk.stumble_at(2, apsw.FullError("the card is full"))
    with pytest.raises(StorageFull):
        hand_in_file(world, board, amina, b"a picture")
    hand_in_file(world, board, amina, b"a picture")
    assert contents(board) <= {bytes.fromhex(name) for name in board.folders.lasting}
    assert len(contents(board)) == 1
