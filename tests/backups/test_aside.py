"""What was put aside goes in the end, and with it who was to be forgotten; the last one late."""

import pytest

from appliance.backups.aside import KEPT, NIGHTS_KEPT, NIGHTS_PROVEN, expire_aside, shed_aside
from appliance.backups.nightly import copy_tonight
from appliance.database.backup import back_up
from tests.cast import NOW_MS

DAY_MS = 86_400_000
KINDS = ("before-repair", "before-restore", "before-0011")


@pytest.fixture
def put_aside(settings):
    """What an accident leaves: a folder beside the database, or a file among the copies."""

    def put_aside(kind, now_ms):
        if kind == "before-0011":
            path = settings.backups / f"{kind}-{now_ms}.db"
            back_up(settings.database, path)
            return path
        folder = settings.data_dir / f"{kind}-{now_ms}"
        folder.mkdir()
        back_up(settings.database, folder / "school.db")
        return folder

    return put_aside


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_one_stays_until_thirty_nights_have_passed(settings, put_aside, kind):
    path = put_aside(kind, NOW_MS)
    for _ in range(NIGHTS_KEPT):
        assert expire_aside(settings) == 0
        assert path.exists()
    assert expire_aside(settings) == 1
    assert not path.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_row_of_accidents_the_last_three_stay(settings, put_aside, kind):
    """However the clock stood: the second half of them is dated before the first."""
    made = []
    for accident in range(6):
        made.append(put_aside(kind, NOW_MS - accident * DAY_MS))
        expire_aside(settings)
    assert [path.exists() for path in made] == [False] * (6 - KEPT) + [True] * KEPT


def test_a_full_card_keeps_the_last_one_of_each_until_a_week_was_well(settings, put_aside):
    older = [put_aside(kind, NOW_MS) for kind in KINDS]
    expire_aside(settings)
    last = [put_aside(kind, NOW_MS - DAY_MS) for kind in KINDS]
    assert shed_aside(settings) == 3
    assert [path.exists() for path in (*older, *last)] == [False] * 3 + [True] * 3
    for _ in range(NIGHTS_PROVEN + 1):
        assert shed_aside(settings) == 0
        expire_aside(settings)
    assert shed_aside(settings) == 3


def test_after_thirty_nights_no_copy_on_the_card_names_who_was_erased(settings, put_aside, write):
    for kind in KINDS:
        put_aside(kind, NOW_MS)
    copy_tonight(settings, now_ms=NOW_MS)
    write(lambda tx: tx.run("UPDATE person SET display_name = '-', version = version + 1"))
    for night in range(1, NIGHTS_KEPT + 1):
        copy_tonight(settings, now_ms=NOW_MS + night * DAY_MS)
    kept = [path for path in settings.data_dir.rglob("*.db") if path != settings.database]
    assert len(kept) == 7
    assert not [path for path in kept if b"Otieno" in path.read_bytes()]
    assert not list(settings.data_dir.glob("before-*"))
