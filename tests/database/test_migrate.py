from contextlib import closing
from random import Random

import apsw
import pytest

from appliance.database.connection import open_connection
from appliance.database.faults import (
    DatabaseMissing,
    DataDirInUse,
    MigrationFailed,
    SchemaMismatch,
)
from appliance.database.integrity import full_check
from appliance.database.lock import shared_lock
from appliance.database.migrate import (
    EDGE_MIGRATIONS,
    Applied,
    migrate,
    read_migrations,
    require_schema,
    schema_version,
)
from tests.drills.power_loss_vfs import PowerLossDisk

TABLES = """
SELECT group_concat(name, ' ' ORDER BY name)
  FROM sqlite_schema
 WHERE type = 'table'
"""
ADD_MARKS = """
-- A trigger holds semicolons; the script goes on behind it.
CREATE TABLE mark (id BLOB NOT NULL PRIMARY KEY, points_mp INTEGER NOT NULL) STRICT;
CREATE TRIGGER mark_kept BEFORE DELETE ON mark
 BEGIN SELECT 1; SELECT RAISE(ABORT, 'marks stay; they are school records'); END;
SELECT 'a statement that answers rows', 'does not end the script';
INSERT INTO mark VALUES (randomblob(16), 1000), (randomblob(16), 2000);
CREATE INDEX mark_points ON mark (points_mp);
"""


@pytest.fixture
def run(path, migrations, tmp_path):
    def run(vfs=None):
        return migrate(path, migrations, backups=tmp_path / "backups", now_ms=5_000, vfs=vfs)

    return run


def tables(path):
    with closing(apsw.Connection(str(path))) as connection:
        return connection.execute(TABLES).get


def test_an_empty_machine_gets_the_whole_schema(tmp_path, migrations):
    (migrations / "0002_mark.sql").write_text(ADD_MARKS)
    path = tmp_path / "new" / "school.db"
    applied = migrate(path, migrations, backups=tmp_path / "backups", now_ms=7)
    assert [(one.version, one.name) for one in applied] == [(1, "school"), (2, "mark")]
    assert tables(path) == "mark note person schema_migration seen"
    assert schema_version(path) == 2
    assert not (tmp_path / "backups").exists()  # there was nothing to save


def test_what_is_applied_is_not_applied_again(run, path):
    assert run() == []
    assert schema_version(path) == 1


def test_an_update_makes_a_backup_first(run, path, migrations, tmp_path):
    (migrations / "0002_mark.sql").write_text(ADD_MARKS)
    applied = run()
    assert applied == [Applied(2, "mark", applied[0].took_ms)]
    assert tables(path) == "mark note person schema_migration seen"
    assert schema_version(tmp_path / "backups" / "before-0002-5000.db") == 1


@pytest.mark.parametrize(
    "broken",
    [
        "CREATE TABLE later (id BLOB) STRICT; INSERT INTO nowhere VALUES (1);",
        "INSERT INTO note (person_id, body) VALUES (zeroblob(16), 'dangling');",
        "CREATE TABLE later (id BLOB) STRICT; COMMIT; BEGIN; CREATE TABLE last (id BLOB) STRICT;",
    ],
)
def test_a_failing_file_takes_the_earlier_ones_of_its_run_back(run, path, migrations, broken):
    with closing(open_connection(path, role="writer")) as connection:
        connection.execute("INSERT INTO seen (n) VALUES (41)")
    (migrations / "0002_mark.sql").write_text(ADD_MARKS)
    (migrations / "0003_broken.sql").write_text(broken)
    with pytest.raises(MigrationFailed):
        run()
    assert tables(path) == "note person schema_migration seen"
    assert schema_version(path) == 1
    with closing(open_connection(path, role="reader")) as connection:
        assert connection.execute("SELECT n FROM seen").get == 41
    assert full_check(path).is_ok


def test_a_failing_first_file_leaves_no_file(tmp_path, migrations):
    (migrations / "0001_school.sql").write_text("CREATE TABLE person (id BLOB NOT NULL); oops")
    path = tmp_path / "new" / "school.db"
    with pytest.raises(MigrationFailed, match="syntax error"):
        migrate(path, migrations, backups=tmp_path, now_ms=7)
    assert [file.name for file in path.parent.iterdir()] == ["school.lock"]


def test_killed_at_any_write_the_schema_is_old_or_new(run, path, migrations):
    """The power fails at the first write of an update, then at the second, and so on."""
    (migrations / "0002_mark.sql").write_text(ADD_MARKS)
    seen = set()
    for operation in range(1, 200):
        disk = PowerLossDisk(f"migrate-{operation}", Random(operation))
        disk.cut_after(operation)
        try:
            run(vfs=disk.name)
            is_done = not disk.is_off
        except (MigrationFailed, apsw.IOError):
            is_done = False
        disk.power_cycle()
        disk.close()
        seen.add((schema_version(path), tables(path)))
        assert full_check(path).is_ok
        if is_done:
            break
        if schema_version(path) == 2:
            path.unlink()
            (migrations / "0002_mark.sql").unlink()
            run()
            (migrations / "0002_mark.sql").write_text(ADD_MARKS)
    else:
        pytest.fail("the update never came to its end")
    assert operation > 10
    assert seen == {
        (1, "note person schema_migration seen"),
        (2, "mark note person schema_migration seen"),
    }


def test_a_released_file_must_not_be_edited(run, migrations):
    (migrations / "0001_school.sql").write_text("CREATE TABLE person (id BLOB NOT NULL) STRICT;")
    with pytest.raises(SchemaMismatch, match="0001_school was edited"):
        run()


def test_an_older_program_leaves_a_newer_file_alone(run, path, migrations):
    (migrations / "0001_school.sql").unlink()
    with pytest.raises(SchemaMismatch, match="schema 1, this program knows 0"):
        run()


def test_nobody_migrates_while_the_box_runs(run, path):
    with shared_lock(path.parent), pytest.raises(DataDirInUse):
        run()


@pytest.mark.parametrize(
    ("name", "complaint"), [("0003_gap.sql", "0002 is missing"), ("mark.sql", "not NNNN_name")]
)
def test_numbers_have_no_gaps(migrations, name, complaint):
    (migrations / name).write_text("SELECT 1;")
    with pytest.raises(AssertionError, match=complaint):
        read_migrations(migrations)


def test_the_program_runs_only_on_the_schema_it_knows(path, migrations, tmp_path):
    require_schema(path, migrations)
    (tmp_path / "nothing.db").touch()
    for path, fault in (("nothing.db", SchemaMismatch), ("nowhere.db", DatabaseMissing)):
        with pytest.raises(fault) as caught:
            require_schema(tmp_path / path, migrations)
        assert "darasa-box migrate" in caught.value.hint


def test_the_schools_own_migrations_apply(tmp_path):
    path = tmp_path / "school.db"
    applied = migrate(path, EDGE_MIGRATIONS, backups=tmp_path, now_ms=7)
    assert len(applied) == len(read_migrations(EDGE_MIGRATIONS)) > 0
    require_schema(path)
    assert full_check(path).is_ok


def test_a_file_that_lost_its_version_number_is_never_taken_away(run, path):
    """As a repair by `.dump` leaves it: everything is there but `user_version`."""
    run()
    with closing(open_connection(path, role="writer")) as connection:
        before = tables(path)
        connection.pragma("user_version", 0)
    with pytest.raises(MigrationFailed):
        run()
    assert tables(path) == before
