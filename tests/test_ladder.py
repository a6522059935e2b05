"""After damage: salvaged, restored, or lessons only. Never an empty school, nothing deleted."""

import re
import shutil
import time
from contextlib import closing, suppress
from pathlib import Path
from random import Random

import pytest
from msgspec import structs

from appliance.backups.journal import Repair, note_repair, repairs
from appliance.backups.lost import CALLED, NOT_MISSED
from appliance.backups.making import back_up_away
from appliance.backups.order import next_turn
from appliance.backups.words import REPAIR_COPIES, backup_lines
from appliance.database.agent import AgentDatabase
from appliance.database.backup import back_up
from appliance.database.faults import DataDirInUse
from appliance.database.lock import shared_lock
from appliance.database.migrate import EDGE_MIGRATIONS, migrate, require_schema
from appliance.maintenance.stops import note_start, note_trouble, noting_the_stop
from appliance.repair import find_footing
from appliance.settings import Settings
from appliance.telemetry.findings import work_findings
from demo.processes import PYTHON, Process
from sync.agent.keys import make_node_key
from tests.cast import NOW_MS
from tests.telemetry.test_findings import WELL

DAY_MS = 86_400_000
PAGE = 4_096
NOISE = Random(1).randbytes(PAGE)
TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
NAMES = "SELECT display_name FROM person ORDER BY id"


@pytest.fixture
def settings(database):
    """A claimed school that was serving when the power went."""
    made = Settings(data_dir=database.parent)
    made.keys.mkdir()
    note_start(made.running, port=None)
    with closing(AgentDatabase(database)):
        pass
    database.with_name("school.db-wal").touch()
    return made


@pytest.fixture
def nightly(settings):
    copy = settings.backups / "nightly-20251123.db"
    back_up(settings.database, copy)
    return copy


def footing(settings):
    return find_footing(settings, now_ms=NOW_MS)


def names(settings):
    with closing(AgentDatabase(settings.database)) as db:
        return [row[0] for row in db.tuples(NAMES)]


def overwrite(settings, at, content):
    with settings.database.open("r+b") as file:
        file.seek(at)
        file.write(content)


def test_a_sound_database_is_left_as_it_is(settings):
    before = settings.database.read_bytes()
    assert footing(settings).state == "sound"
    assert settings.database.read_bytes() == before
    assert repairs(settings) == []


def test_a_clean_stop_takes_the_mark_away_and_any_other_leaves_it(settings):
    with pytest.raises(KeyboardInterrupt), noting_the_stop(settings.running):
        raise KeyboardInterrupt
    assert settings.running.exists()
    with noting_the_stop(settings.running):
        pass
    assert not settings.running.exists()


def test_a_damaged_page_is_salvaged_and_the_old_file_is_kept(settings):
    everybody = names(settings)
    overwrite(settings, 0, bytes(100))
    damaged = settings.database.read_bytes()
    found = footing(settings)
    assert found.state == "salvaged"
    assert names(settings) == everybody
    (kept,) = settings.data_dir.glob("before-repair-*/school.db")
    assert kept.read_bytes() == damaged
    assert str(kept.parent) in " ".join(found.words)
    assert "Repair" in [line.title for line in backup_lines(settings, now_ms=NOW_MS)]
    require_schema(settings.database)
    assert footing(settings).state == "sound"  # the next start finds nothing to do


def told(settings, now_ms=NOW_MS):
    """What doctor and page say of repairs."""
    found = work_findings(structs.replace(WELL, backups=backup_lines(settings, now_ms=now_ms)))
    return [each for each in found if each.words.startswith("Repair")]


def test_a_repair_that_may_have_lost_work_is_told_for_a_month(settings):
    cut = settings.database.stat().st_size // 2
    with settings.database.open("r+b") as file:
        file.truncate(cut)
    said = " ".join(footing(settings).words)
    (finding,) = told(settings)
    assert (finding.level, finding.about) == ("soon", "backups")
    assert "may be missing: files of hand-ins, " in finding.words, "the worst loss first"
    assert "each class" in finding.todo
    assert not re.search(r"_|sync|/", finding.words), "in words a teacher uses"
    assert "sync_" not in said, "no names of tables on the console either"
    (repair,) = repairs(settings)
    assert all(repair.missing.values()), "only what is missing is counted"
    for _ in range(3):  # later power cuts do not push it out
        note_repair(settings, Repair(at_ms=NOW_MS, state="sound", words=["The log was cut."]))
    assert told(settings, NOW_MS + 29 * DAY_MS) == [finding]


def test_a_repair_on_a_date_long_past_is_told_until_a_month_of_copies(settings):
    """A board without a clock battery wakes in the past, and is told the time afterwards."""
    settings.database.with_name("school.db-wal").unlink()
    footing(settings)
    later = NOW_MS + 90 * DAY_MS
    assert "the last minutes" in told(settings, later)[0].words
    for _ in range(REPAIR_COPIES - 1):
        next_turn(settings.backups, [])
    assert told(settings, later)
    next_turn(settings.backups, [])
    assert told(settings, NOW_MS + 29 * DAY_MS)
    assert told(settings, later) == []


def test_a_repair_that_lost_nothing_is_no_reason_to_look(settings):
    overwrite(settings, 0, bytes(100))
    assert "Nothing of the school's is missing." in footing(settings).words
    assert told(settings) == []


def test_every_table_has_a_name_a_teacher_knows_or_is_the_boxs_own(settings):
    with closing(AgentDatabase(settings.database)) as db:
        tables = {name for (name,) in db.tuples(TABLES)}
    assert CALLED.keys() | NOT_MISSED == tables
    assert not CALLED.keys() & NOT_MISSED


@pytest.mark.parametrize("what", ["empty", "missing", "noise"])
def test_what_cannot_be_salvaged_is_restored_from_the_night(settings, nightly, what):
    everybody = names(settings)
    match what:
        case "empty":
            settings.database.write_bytes(b"")
        case "missing":
            settings.database.unlink()
        case "noise":
            settings.database.write_bytes(NOISE * 20)
    assert footing(settings).state in {"restored", "salvaged"}
    assert footing(settings).words == []  # the new file has its log, too
    assert names(settings) == everybody
    with closing(AgentDatabase(settings.database)) as db:
        assert db.value("SELECT count(*) FROM sync_stream") == 0


def test_a_stick_beside_the_box_is_opened_with_its_own_keys(settings, tmp_path, school):
    from appliance.accounts.keys import new_keys, new_recovery_code, write_keys  # noqa: PLC0415

    write_keys(settings.keys, new_keys(), new_recovery_code())
    stick = tmp_path / "stick"
    stick.mkdir()
    with_stick = Settings(data_dir=settings.data_dir, backup_dir=str(stick))
    back_up_away(with_stick, app_version="0.3.0", now_ms=NOW_MS, root=stick)
    everybody = names(settings)
    settings.database.unlink()
    assert footing(with_stick).state == "restored"
    assert names(settings) == everybody


@pytest.mark.parametrize("what", ["empty", "missing", "noise"])
def test_without_a_backup_there_is_never_an_empty_school(settings, what):
    if what == "missing":
        settings.database.unlink()
    else:
        settings.database.write_bytes(b"" if what == "empty" else NOISE * 20)
    found = footing(settings)
    assert found.state == "reading"
    assert "Lessons can be read." in " ".join(found.words)
    left = settings.database.read_bytes() if settings.database.exists() else None
    assert left == {"empty": b"", "missing": None, "noise": NOISE * 20}[what]


def test_a_damaged_backup_is_passed_over_for_an_older_one(settings, nightly):
    everybody = names(settings)
    newer = settings.backups / "nightly-20251124.db"
    shutil.copy(nightly, newer)
    with newer.open("r+b") as file:
        file.seek(PAGE * 8)
        file.write(NOISE * 30)
    settings.database.unlink()
    assert footing(settings).state == "restored"
    assert names(settings) == everybody


def test_a_log_that_is_gone_is_said(settings):
    settings.database.with_name("school.db-wal").unlink()
    found = footing(settings)
    assert found.state == "sound"
    assert "may be missing" in found.words[0]
    assert repairs(settings)[0].words == found.words


def test_damage_beside_a_log_that_ends_too_early_is_said_to_have_cost_more(settings):
    log = settings.database.with_name("school.db-wal")
    with closing(AgentDatabase(settings.database)) as db:
        with db.changing() as tx:
            tx.run("UPDATE person SET display_name = 'Noor', version = version + 1")
        cut = log.read_bytes()[:-100]
        path = settings.database.read_bytes()
    log.write_bytes(cut)
    settings.database.write_bytes(bytes(100) + path[100:])
    found = footing(settings)
    assert found.state == "salvaged"
    assert any("write-ahead log is damaged" in words for words in found.words)
    assert "Noor" not in names(settings)


def test_a_start_that_was_refused_is_no_lost_log(settings):
    with pytest.raises(FileNotFoundError), noting_the_stop(settings.running):
        (settings.data_dir / "nothing").unlink()
    assert footing(settings).words == []


def test_a_log_lost_after_a_start_that_was_refused_is_said(settings):
    with pytest.raises(FileNotFoundError), noting_the_stop(settings.running):
        (settings.data_dir / "nothing").unlink()
    settings.database.with_name("school.db-wal").unlink()
    assert "may be missing" in footing(settings).words[0]


def test_nothing_is_repaired_while_somebody_holds_the_files(settings, monkeypatch):
    monkeypatch.setattr("appliance.repair.LET_GO_S_MAX", 0.1)
    overwrite(settings, 0, bytes(100))
    with shared_lock(settings.data_dir), pytest.raises(DataDirInUse):
        footing(settings)
    assert not settings.hands_off.exists()


@pytest.mark.system
def test_a_running_agent_lets_go_of_the_files_and_takes_them_up_again(settings, tmp_path):
    everybody = names(settings)
    make_node_key(settings.keys)
    env = {"DARASA_DATA_DIR": str(settings.data_dir)}
    agent = Process("agent", [PYTHON, "-m", "sync.agent", "run"], env=env, log=tmp_path / "log")
    agent.start()
    try:
        wait_for((settings.data_dir / "agent.turn").exists)  # it has looked at the file, and begun
        overwrite(settings, 0, bytes(100))
        assert footing(settings).state == "salvaged"
        wait_for(lambda: holds(agent, "school.lock"))
        assert agent.is_running, agent.tail()
    finally:
        agent.stop()
    assert names(settings) == everybody


def holds(agent, name):
    """Whether a process has a file open; trying its lock would get in its way."""
    for link in Path(f"/proc/{agent.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            if link.readlink().name == name:
                return True
    return False


def wait_for(there):
    deadline = time.monotonic() + 30
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_damage_found_by_day_is_looked_at_after_a_clean_stop_too(settings):
    with noting_the_stop(settings.running):
        note_trouble(settings.running, "damaged")
    assert settings.running.exists()


def test_a_box_that_was_killed_between_moving_and_renaming_goes_on(settings, nightly):
    """The old file has moved away and the new one is not in place yet."""
    everybody = names(settings)
    aside = settings.data_dir / "before-repair-1"
    aside.mkdir()
    settings.database.rename(aside / "school.db")
    assert footing(settings).state == "restored"
    assert names(settings) == everybody
    assert (aside / "school.db").exists()


def test_a_new_box_and_one_nobody_has_claimed_may_begin_anew(tmp_path):
    settings = Settings(data_dir=tmp_path)
    assert find_footing(settings, now_ms=NOW_MS).state == "new"
    migrate(settings.database, EDGE_MIGRATIONS, backups=settings.backups, now_ms=NOW_MS)
    assert find_footing(settings, now_ms=NOW_MS).words == []
    settings.database.write_bytes(NOISE)
    found = find_footing(settings, now_ms=NOW_MS)
    assert (found.state, settings.database.exists()) == ("new", False)
    assert "belonged to no school" in found.words[0]
    assert (tmp_path / f"before-repair-{NOW_MS}" / "school.db").read_bytes() == NOISE
