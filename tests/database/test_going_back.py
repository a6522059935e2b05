"""A release migrates the file, is given up, and the one before it goes on: with everything."""

import os
import shutil
from contextlib import closing
from random import Random

import pytest

from appliance.database.agent import AgentDatabase
from appliance.database.backup import back_up, reading
from appliance.database.connection import open_connection
from appliance.database.faults import (
    BackupFailed,
    BackupUnusable,
    NoRoomToMigrate,
    SalvageFailed,
    SchemaMismatch,
    SchemaTooNew,
)
from appliance.database.integrity import full_check
from appliance.database.migrate import (
    EDGE_MIGRATIONS,
    lay_out,
    migrate,
    read_migrations,
    require_schema,
    schema_version,
    spoken_version,
)
from appliance.database.restoring import restore_backup
from appliance.database.salvage import salvage
from appliance.repair import find_footing
from appliance.settings import Settings
from tests.box import running_box, sign_in
from tests.cast import NOW_MS, new_id
from tests.database.expanding import broken_claims
from tests.full_disk import small_files

KNOWN = len(read_migrations(EDGE_MIGRATIONS))
EXPAND = f"""-- works from: {KNOWN:04}
-- How a person is addressed; nobody has to say.
ALTER TABLE person ADD COLUMN called TEXT CHECK (length(called) < 40);
CREATE TABLE wish (id BLOB NOT NULL PRIMARY KEY, words TEXT NOT NULL) STRICT;
CREATE VIEW callable AS SELECT id FROM person WHERE called IS NOT NULL;
"""
CONTRACT = f"""-- works from: {KNOWN + 1:04}
DROP VIEW class_teacher;
"""
NAMES = "SELECT id, display_name FROM person ORDER BY id"
CALLED = "SELECT display_name FROM person WHERE called = 'Mwalimu'"
CALL = "UPDATE person SET called = 'Mwalimu', version = version + 1 WHERE display_name = ?1"
WORK = "SELECT id, body FROM submission_revision ORDER BY id"
PAGE = 4_096


@pytest.fixture
def releases(tmp_path):
    """This program's migrations are the older release; the folders are the next two."""
    folders = []
    for name, sql in (("expand", EXPAND), ("contract", CONTRACT)):
        folder = tmp_path / name
        shutil.copytree(folders[-1] if folders else EDGE_MIGRATIONS, folder)
        (folder / f"{KNOWN + 1 + len(folders):04}_{name}.sql").write_text(sql)
        folders.append(folder)
    return folders


@pytest.fixture
def update(database, tmp_path):
    def update(folder):
        return migrate(database, folder, backups=tmp_path / "backups", now_ms=NOW_MS)

    return update


@pytest.fixture
def newer(database, releases, update):
    """Leave the school's file as the next release does, with a value only that one knows."""
    update(releases[0])
    with closing(open_connection(database, role="writer")) as connection:
        connection.execute(CALL, ("Amina Otieno",))
        connection.execute("INSERT INTO wish VALUES (zeroblob(16), 'a library')")
    return database


def answers(path, sql):
    with closing(AgentDatabase(path)) as db:
        return db.tuples(sql)


def hand_in(client, school, words):
    url = f"/api/v1/submission-revisions/{new_id()}"
    return client.put(url, json={"assessment_id": str(school.village), "body": words})


def test_the_older_release_serves_what_the_newer_one_left_and_nothing_is_lost(
    newer, school, releases, update
):
    before = newer.read_bytes()
    assert migrate(newer, EDGE_MIGRATIONS, backups=newer.parent / "none", now_ms=1) == []
    assert newer.read_bytes() == before
    with running_box(newer) as box:
        client = sign_in(box, school.amina)
        assert hand_in(client, school, "My village, by the lake.").status_code == 200
        health = sign_in(box, school.keeper).get("/api/v1/box/health").json()
    assert "release" in {found["about"] for found in health["findings"]}
    require_schema(newer, releases[0])
    assert update(releases[0]) == []
    assert [row[1] for row in answers(newer, WORK)][-1:] == ["My village, by the lake."]
    assert answers(newer, CALLED) == [("Amina Otieno",)]
    assert full_check(newer).is_ok


def test_the_district_hears_the_older_schema_from_the_older_release(newer, releases):
    assert spoken_version(newer) == KNOWN
    assert spoken_version(newer, releases[0]) == KNOWN + 1
    assert schema_version(newer) == KNOWN + 1


def test_after_the_contracting_release_only_the_one_before_it_can_go_on(
    newer, releases, update, tmp_path
):
    update(releases[1])
    require_schema(newer, releases[0])
    before = newer.read_bytes()
    for refused in (
        lambda: require_schema(newer),
        lambda: migrate(newer, EDGE_MIGRATIONS, backups=tmp_path, now_ms=1),
    ):
        with pytest.raises(SchemaTooNew, match=f"schema {KNOWN + 2}") as caught:
            refused()
        assert "newer release again" in caught.value.hint
    assert newer.read_bytes() == before


def test_a_file_of_an_older_release_still_waits_for_its_migration(database, releases):
    with pytest.raises(SchemaMismatch) as caught:
        require_schema(database, releases[0])
    assert "darasa-box migrate" in caught.value.hint


@pytest.mark.parametrize(
    "silent", ["UPDATE schema_migration SET works_from = NULL", "PRAGMA user_version = 999"]
)
def test_a_newer_file_that_says_nothing_about_it_is_refused(newer, silent):
    with closing(open_connection(newer, role="writer")) as connection:
        connection.execute(silent)
    with pytest.raises(SchemaTooNew):
        require_schema(newer)


def test_a_step_that_fails_leaves_no_promise_behind(database, releases, update):
    (releases[0] / f"{KNOWN + 2:04}_broken.sql").write_text("-- works from: 0001\nSELECT nonsense;")
    with pytest.raises(Exception, match="nonsense"):
        update(releases[0])
    assert schema_version(database) == KNOWN
    assert answers(database, "SELECT max(version) FROM schema_migration") == [(KNOWN,)]


def test_without_room_for_a_copy_nothing_is_migrated_and_the_older_release_serves(
    database, releases, school, tmp_path
):
    before, backups = database.read_bytes(), tmp_path / "backups"
    size = database.stat().st_size
    with pytest.raises(NoRoomToMigrate, match="MB free") as caught:
        migrate(
            database, releases[0], backups=backups, now_ms=1, free_bytes=lambda folder: 3 * size
        )
    assert "Nothing was changed" in caught.value.hint
    assert database.read_bytes() == before
    assert not backups.exists()
    with running_box(database) as box:
        assert hand_in(sign_in(box, school.amina), school, "Still here.").status_code == 200


def test_a_card_that_fills_up_during_the_copy_is_no_reason_to_migrate(database, releases, tmp_path):
    before = database.read_bytes()
    with small_files(database.stat().st_size // 2), pytest.raises(BackupFailed):
        migrate(database, releases[0], backups=tmp_path / "backups", now_ms=1)
    assert database.read_bytes() == before
    assert list((tmp_path / "backups").iterdir()) == []


def test_of_the_copies_before_updates_two_stay(database, releases, update, tmp_path):
    backups = tmp_path / "backups"
    backups.mkdir()
    for age, name in enumerate(("before-0009-9.db", "before-0010-7.db", "before-0011-1.db"), 1):
        (backups / name).write_bytes(b"an older one")
        os.utime(backups / name, (age, age))
    update(releases[0])
    made = f"before-{KNOWN + 1:04}-{NOW_MS}.db"
    assert {copy.name for copy in backups.iterdir()} == {"before-0011-1.db", made}
    with reading(backups / made) as copy:
        assert copy.value("PRAGMA user_version") == KNOWN


@pytest.mark.parametrize(("readable", "name"), [(True, "expand"), (False, "contract")])
def test_a_copy_of_a_newer_file_is_restored_only_where_it_can_be_served(
    newer, releases, update, tmp_path, readable, name
):
    if not readable:
        update(releases[1])
    copy, place = tmp_path / f"{name}.db", tmp_path / "other" / "school.db"
    place.parent.mkdir()
    back_up(newer, copy)
    if readable:
        restore_backup(copy, place, tmp_path / "aside")
        assert answers(place, CALLED) == [("Amina Otieno",)]
        require_schema(place)
    else:
        with pytest.raises(BackupUnusable, match="this program knows"):
            restore_backup(copy, place, tmp_path / "aside")
        assert not place.exists()


@pytest.mark.parametrize("teller", ["itself", "copy", "nobody"])
def test_a_damaged_newer_file_is_put_together_with_what_only_the_newer_one_knows(
    newer, tmp_path, teller
):
    copy, fresh = tmp_path / "nightly.db", tmp_path / "fresh.db"
    back_up(newer, copy)
    everybody = answers(newer, NAMES)
    with closing(open_connection(newer, role="writer")) as connection:
        connection.wal_checkpoint(mode=3)
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'person'"
        ).fetchone()
    with newer.open("r+b") as file:
        at = (root - 1) * PAGE if teller == "itself" else 100  # behind the header
        file.seek(at)
        file.write(Random(1).randbytes(PAGE - 100))

    def mend():
        backup = copy if teller == "copy" else None
        return salvage(newer, fresh, backup=backup, migrations=EDGE_MIGRATIONS, now_ms=5)

    if teller == "nobody":
        with pytest.raises(SalvageFailed, match="later release"):
            mend()
        return
    mend()
    assert answers(fresh, CALLED) == [("Amina Otieno",)]
    assert answers(fresh, "SELECT words FROM wish") == [("a library",)]
    assert answers(fresh, NAMES) == everybody
    assert schema_version(fresh) == KNOWN + 1
    require_schema(fresh)


def test_a_box_that_went_back_stands_on_sound_ground_after_a_power_cut(newer):
    settings = Settings(data_dir=newer.parent)
    settings.keys.mkdir()
    settings.running.write_bytes(b"running\n")
    newer.with_name("school.db-wal").touch()
    assert find_footing(settings, now_ms=NOW_MS).state == "sound"


def test_our_own_migrations_keep_what_they_claim():
    assert broken_claims(EDGE_MIGRATIONS) == []


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        ("ALTER TABLE person ADD COLUMN called TEXT;", None),
        ("ALTER TABLE person ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;", None),
        ("CREATE TABLE wish (id BLOB NOT NULL PRIMARY KEY) STRICT;", None),
        ("CREATE INDEX person_by_name ON person (display_name);", None),
        ("DROP INDEX note_of_person;", None),
        ("DROP TABLE note;", "0002: the table note is gone"),
        ("DROP VIEW names;", "0002: the view names is gone"),
        ("DROP TRIGGER kept;", "0002: the trigger kept is gone"),
        ("ALTER TABLE note DROP COLUMN words;", "0002: columns of note are gone or different"),
        ("ALTER TABLE note RENAME words TO body;", "0002: columns of note are gone or different"),
        (
            "DROP VIEW names; CREATE VIEW names AS SELECT id FROM person;",
            "0002: the view names has no display_name any more",
        ),
        (
            "CREATE UNIQUE INDEX one_name ON person (display_name);",
            "0002: rows of person must be unique that need not be before",
        ),
        (
            "CREATE TRIGGER none BEFORE INSERT ON note BEGIN SELECT RAISE(ABORT, 'no'); END;",
            "0002: the trigger none may refuse what was allowed",
        ),
        (
            "DROP TABLE note; CREATE TABLE note (person_id BLOB, words TEXT CHECK (words <> ''));",
            "0002: the table note was made anew: its checks cannot be compared",
        ),
    ],
)
def test_a_step_that_takes_away_what_older_programs_use_cannot_claim_to_work_with_them(
    tmp_path, step, complaint
):
    (tmp_path / "0001_school.sql").write_text(
        "CREATE TABLE person (id BLOB NOT NULL PRIMARY KEY, display_name TEXT);"
        "CREATE TABLE note (person_id BLOB, words TEXT);"
        "CREATE INDEX note_of_person ON note (person_id);"
        "CREATE VIEW names AS SELECT id, display_name FROM person;"
        "CREATE TRIGGER kept BEFORE DELETE ON person BEGIN SELECT RAISE(ABORT, 'kept'); END;"
    )
    (tmp_path / "0002_next.sql").write_text(f"-- works from: 0001\n{step}")
    assert broken_claims(tmp_path) == ([complaint] if complaint else [])
    (tmp_path / "0002_next.sql").write_text(f"-- works from: 0002\n{step}")
    assert broken_claims(tmp_path) == []


@pytest.mark.parametrize("first_line", ["", "-- What this is for\n", "-- works from: 0099\n"])
def test_a_new_migration_says_from_which_schema_on_it_works(tmp_path, first_line):
    shutil.copytree(EDGE_MIGRATIONS, tmp_path / "edge")
    name = f"{KNOWN + 1:04}_next.sql"
    (tmp_path / "edge" / name).write_text(f"{first_line}CREATE TABLE wish (id BLOB);")
    with pytest.raises(AssertionError, match="works"):
        read_migrations(tmp_path / "edge")


def test_an_empty_box_of_the_newer_release_says_it_too(tmp_path, releases):
    path = tmp_path / "new.db"
    lay_out(path, releases[0], version=KNOWN + 1, now_ms=1)
    require_schema(path)
