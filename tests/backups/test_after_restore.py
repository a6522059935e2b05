"""A restore takes every count back; what is made afterwards is the newest all the same."""

import shutil

import pytest

from appliance.backups.drill import restore_drill
from appliance.backups.envelope import read_label
from appliance.backups.nightly import (
    KEPT,
    copy_tonight,
    forget_old_copies,
    newest_first,
    nightly_copies,
)
from appliance.backups.order import FILE, Order, next_turn, note_restored, read_order
from appliance.backups.stock import copies
from appliance.database.backup import back_up, reading
from appliance.database.writer import Writer
from appliance.restore import restore_school
from tests.cast import NOW_MS

DAY_MS = 86_400_000
YEARS_MS = 9 * 365 * DAY_MS
WORK = "UPDATE person SET display_name = display_name || ?1, version = version + 1"
A_NAME = "SELECT display_name FROM person ORDER BY id LIMIT 1"


def nobody_asks():
    raise AssertionError("the keys are here")


@pytest.fixture
def work(settings):
    """A day at school: every row of people changes."""

    def work(day):
        writer = Writer(settings.database)
        writer.start()
        writer.write_blocking(lambda tx: tx.run(WORK, (f" {day}",)))
        writer.stop()

    return work


@pytest.fixture
def on_stick(stick):
    return lambda: {path.name for path in (stick / "darasa-backup").glob("*.backup")}


def first_choice(settings):
    """What the ladder would begin with, if the database were dead now."""
    with copies(settings) as stock:
        return newest_first(stock)[0].name


def name_in(path):
    with reading(path) as db:
        return db.value(A_NAME)


def put_back(settings, backup, now_ms=NOW_MS):
    restore_school(settings, backup, code=nobody_asks, now_ms=now_ms)


def test_the_nights_after_a_restore_are_kept_and_come_first(
    make, settings, stick, work, on_stick, school
):
    """A drill: back up every night, go back to the first day, and go on."""
    first = make().file
    for day in (1, 2):
        work(day)
        make(NOW_MS + day * DAY_MS)
    put_back(settings, stick / "darasa-backup" / first)
    for night in range(3, 6):
        work(f"again {night}")
        run = make(NOW_MS + night * DAY_MS)
        assert run.is_verified
        assert run.file in on_stick()
        assert first_choice(settings) == run.file
        copy = copy_tonight(settings, now_ms=NOW_MS + night * DAY_MS)
        assert nightly_copies(settings.backups)[0].name == copy.name
        assert first_choice(settings) == copy.name
    assert len(on_stick()) == 6
    tried = restore_drill(settings, school.school_id, now_ms=NOW_MS + 6 * DAY_MS)
    assert tried.is_verified
    put_back(settings, stick / "darasa-backup" / run.file, NOW_MS + 6 * DAY_MS)
    assert name_in(settings.database).endswith(" again 3 again 4 again 5")


def test_on_the_day_of_a_restore_too_the_new_one_stays(make, settings, stick, work, on_stick):
    first = make().file
    work(1)
    make(NOW_MS + DAY_MS)
    put_back(settings, stick / "darasa-backup" / first)
    assert make(NOW_MS).file in on_stick()


@pytest.mark.parametrize("where", ["stick", "card"])
def test_the_future_that_was_left_is_not_the_first_choice(make, settings, stick, work, where):
    """Before the first new backup already; and it is still there, behind everything else."""
    if where == "stick":
        base = stick / "darasa-backup" / make().file
        work(1)
        make(NOW_MS + DAY_MS)
    else:
        base = settings.backups / copy_tonight(settings, now_ms=NOW_MS).name
        work(1)
        copy_tonight(settings, now_ms=NOW_MS + DAY_MS)
    put_back(settings, base)
    assert first_choice(settings) == base.name
    with copies(settings) as stock:
        assert len(stock) == (1 if where == "stick" else 2)


def test_a_new_board_that_the_district_has_filled_does_not_lose_its_first_backup(
    make, settings, work, write, on_stick
):
    for day in range(3):
        work(day)
        make(NOW_MS + day * DAY_MS)
    shutil.rmtree(settings.backups, ignore_errors=True)
    write(lambda tx: tx.run("UPDATE sync_identity SET seq = 1"))
    run = make(NOW_MS + 2 * DAY_MS)
    assert run.file in on_stick()
    assert first_choice(settings) == run.file


def test_two_sticks_in_turn_know_of_each_other(make, settings, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    seen = [make(NOW_MS, root=settings_root) for settings_root in (tmp_path / "stick", other)]
    labels = [
        read_label(root / "darasa-backup" / run.file)
        for root, run in zip((tmp_path / "stick", other), seen, strict=True)
    ]
    assert labels[0].turn < labels[1].turn


def test_nights_under_a_clock_that_ran_ahead_do_not_cost_the_true_ones(settings, work):
    for night in range(KEPT):
        copy_tonight(settings, now_ms=NOW_MS + YEARS_MS + night * DAY_MS)
    for night in range(KEPT):
        work(night)
        made = copy_tonight(settings, now_ms=NOW_MS + night * DAY_MS)
        known = nightly_copies(settings.backups)
        assert known[0].name == made.name
        assert len(known) == KEPT
        assert name_in(known[0]).endswith(f" {night}")


def test_copies_of_an_earlier_release_come_before_all_others(settings, work):
    """They have no turn in their name: their day may be wrong, the count of changes is not."""
    ahead, true = (settings.backups / f"nightly-{day}.db" for day in ("20350101", "20261120"))
    back_up(settings.database, ahead)
    work(1)
    back_up(settings.database, true)
    assert nightly_copies(settings.backups) == [true, ahead]
    new = settings.backups / copy_tonight(settings, now_ms=NOW_MS).name
    assert nightly_copies(settings.backups) == [new, true, ahead]
    assert forget_old_copies(settings.backups, 2) == 1
    assert nightly_copies(settings.backups) == [new, true]


def test_a_copy_that_a_power_cut_has_torn_is_taken_away_by_the_next(settings):
    settings.backups.mkdir()
    torn = settings.backups / "nightly-000001-20261120.db.partial"
    torn.write_bytes(b"half")
    copy_tonight(settings, now_ms=NOW_MS)
    assert not torn.exists()


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"turn": "x"}'])
def test_without_its_list_the_order_is_that_of_the_copies(tmp_path, content):
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    assert read_order(tmp_path) == Order()
    assert next_turn(tmp_path, [4, 7]) == 8
    assert next_turn(tmp_path, []) == 9


@pytest.mark.parametrize(
    ("restored", "left"),
    [(9, []), (4, [5, 6, 7, 8, 9]), (0, [])],  # the last one; an old one; one that does not say
)
def test_a_restore_leaves_what_was_made_since(tmp_path, restored, left):
    for _ in range(9):
        next_turn(tmp_path, [])
    note_restored(tmp_path, restored, [])
    order = read_order(tmp_path)
    assert [turn for turn in range(1, 20) if order.has_left(turn)] == left
    assert next_turn(tmp_path, []) == 10
