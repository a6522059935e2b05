"""Two versions of a row: seen side by side, the kept one put back, and nobody else looks."""

import msgspec
import pytest

from appliance.district.commands import leave_version, restore_version
from appliance.district.faults import ChangedMeanwhile, NothingToRestore
from appliance.district.queries import sync_status
from appliance.district.versions import (
    FACTS,
    NEWEST,
    TABLES,
    columns_of,
    version_detail,
    versions,
)
from appliance.errors import NotFound
from sync import registry
from sync.agent.rows import KEEP_IMAGE, READ_ROW
from tests.cast import NOW_MS, new_id

PAGE = {"accept": "text/html"}
HERE = "/box/district/versions"
PERSON = 2


def keep(tx, table, pk, **changes):
    """Keep another image of a row, as the agent does after a restore; return its number."""
    names = [column.name for column in registry.TABLE[table].columns]
    row = tx._connection.execute(READ_ROW[table], (pk,)).fetchone()
    image = dict(zip(names, row, strict=True)) | changes
    number = registry.TABLE[table].number
    tx.run(
        KEEP_IMAGE, (number, pk, new_id().bytes * 2, msgspec.msgpack.encode(image), b"e", NOW_MS)
    )
    return tx.value("SELECT max(id) FROM sync_conflict")


def hand_in(tx, school):
    """What Amina wrote; return the revision's id."""
    work, revision = new_id(), new_id()
    task = tx.value("SELECT id FROM assessment")
    tx.run(
        "INSERT INTO submission (id, assessment_id, person_id, attempt_no, state,"
        " submitted_at_ms, late_ms, clock_quality, version, updated_at_ms)"
        " VALUES (?1, ?2, ?3, 1, 'submitted', 0, 0, 1, 1, 0)",
        (work, task, school.amina),
    )
    tx.run(
        "INSERT INTO submission_revision (id, submission_id, person_id, rev, body, content_hash,"
        " saved_at_ms) VALUES (?1, ?2, ?3, 1, 'Rain fell on Monday, twice.', zeroblob(32), 0)",
        (revision, work, school.amina),
    )
    return revision


@pytest.fixture
def amina(write, school):
    """Renamed before a restore; the later name is in use."""
    write(
        lambda tx: tx.run(
            "UPDATE person SET display_name = 'Amina O.', version = 3 WHERE id = ?1",
            (school.amina,),
        )
    )
    return write(lambda tx: keep(tx, "person", school.amina, display_name="نور الهدى", version=2))


def name_of(db, person_id):
    sql = "SELECT display_name, version, updated_at_ms FROM person WHERE id = ?1"
    return db._connection.execute(sql, (person_id,)).fetchone()


def test_what_the_page_knows_of_tables_is_the_registry():
    for table in registry.TABLES:
        assert TABLES[table.number][0] == table.name
        assert (table.name in FACTS) is table.is_fact
        assert set(columns_of(table.number)) == {column.name for column in table.columns}
    assert len(TABLES) == len(registry.TABLES)


def test_the_kept_version_comes_back_as_a_new_one_and_is_sent(write, db, school, amina):
    write(lambda tx: tx.run("DELETE FROM sync_dirty"))
    write(lambda tx: restore_version(tx, school.keeper, amina, 3, now_ms=NOW_MS + 5))
    assert name_of(db, school.amina) == ("نور الهدى", 4, NOW_MS + 5)
    assert db.value("SELECT count(*) FROM sync_dirty WHERE tbl = 2") == 1
    detail = version_detail(db, amina)
    assert (detail.row.outcome, detail.row.looked_at_ms) == ("restored", NOW_MS + 5)
    assert [
        "".join(run.text for run in pair.right)
        for pair in detail.replaced
        if pair.name == "display name"
    ] == ["Amina O."]


def test_whoever_decides_on_an_old_page_is_told(write, db, school, amina):
    with pytest.raises(ChangedMeanwhile):
        write(lambda tx: restore_version(tx, school.keeper, amina, 2, now_ms=NOW_MS))
    assert name_of(db, school.amina)[0] == "Amina O."
    assert sync_status(db).in_conflict == 1


def test_a_row_that_was_left_waits_no_longer_and_is_still_kept(write, db, school, amina):
    assert [row.id for row in versions(db, NEWEST, is_all=False).rows] == [amina]
    assert sync_status(db).in_conflict == 1
    write(lambda tx: leave_version(tx, school.keeper, amina, now_ms=NOW_MS))
    assert versions(db, NEWEST, is_all=False).rows == []
    (row,) = versions(db, NEWEST, is_all=True).rows
    assert (row.outcome, row.what) == ("left", "person")
    assert sync_status(db).in_conflict == 0


def test_a_hand_in_is_shown_with_both_texts_and_never_changed(write, db, school, box, as_):
    writing = box.app.state.writer.write_blocking
    revision = writing(lambda tx: hand_in(tx, school))
    number = writing(
        lambda tx: keep(tx, "submission_revision", revision, body="Rain fell on Tuesday, twice.")
    )
    with pytest.raises(NothingToRestore):
        writing(lambda tx: restore_version(tx, school.keeper, number, 1, now_ms=NOW_MS))
    page = as_("keeper").get(f"{HERE}/{number}", headers=PAGE).text
    assert "<mark>" in page
    assert "Tuesday, " in page
    assert "never changed" in page
    assert "Put the kept one back" not in page


def test_the_pages_do_what_the_commands_do(box, as_, school):
    writing = box.app.state.writer.write_blocking
    number = writing(lambda tx: keep(tx, "person", school.jose, display_name="José Álvarez-Núñez"))
    other = writing(lambda tx: keep(tx, "person", school.amina, display_name="Nguyễn Thị Ánh"))
    client = as_("keeper")
    assert "2 rows have two versions" not in client.get("/box/district", headers=PAGE).text
    listed = client.get(HERE, headers=PAGE).text
    assert f"{HERE}/{number}" in listed
    shown = client.get(f"{HERE}/{number}", headers=PAGE).text
    assert "Put the kept one back" in shown
    version = client.get(f"/api/v1/box/versions/{number}").json()["version"]
    answer = client.post(
        f"{HERE}/{number}/restore",
        data={"version": str(version)},
        headers=PAGE,
        follow_redirects=False,
    )
    assert answer.headers["location"] == HERE
    assert client.post(f"/api/v1/box/versions/{other}/leave").status_code == 204
    assert client.get("/api/v1/box/versions").json()["rows"] == []
    seen = client.get("/api/v1/box/versions?seen=true").json()["rows"]
    assert {row["outcome"] for row in seen} == {"restored", "left"}
    again = client.post(f"/api/v1/box/versions/{number}/restore", json={"version": version})
    assert (again.status_code, again.json()["code"]) == (409, "changed-meanwhile")


def test_a_row_the_district_owns_is_not_put_back_here(box, as_, school):
    writing = box.app.state.writer.write_blocking

    def give_away(tx):
        tx.run("UPDATE sync_identity SET applying = 1")
        tx.run(
            "UPDATE person SET owner_node_id = ?2, version = version + 1 WHERE id = ?1",
            (school.jose, new_id()),
        )
        tx.run("UPDATE sync_identity SET applying = 0")
        return keep(tx, "person", school.jose, display_name="José")

    number = writing(give_away)
    answer = as_("keeper").post(f"/api/v1/box/versions/{number}/restore", json={"version": 2})
    assert (answer.status_code, answer.json()["code"]) == (409, "district-owned")
    assert "write a proposal" in as_("keeper").get(f"{HERE}/{number}", headers=PAGE).text


def test_what_is_kept_for_a_later_release_or_of_a_lost_row_is_shown(write, db, school):
    image = msgspec.msgpack.encode({"id": new_id().bytes, "name": "?"})
    for number in (PERSON, 99):
        args = (number, new_id(), bytes(32), image, b"e", NOW_MS)
        write(lambda tx, args=args: tx.run(KEEP_IMAGE, args))
    details = [version_detail(db, row.id) for row in versions(db, NEWEST, is_all=False).rows]
    assert [detail.is_current_gone for detail in details] == [True, True]
    assert [detail.version for detail in details] == [None, None]
    with pytest.raises(NotFound):
        version_detail(db, 99)


def test_hand_ins_with_a_second_version_at_the_district_are_counted(write, db):
    write(lambda tx: tx.run("INSERT INTO sync_exception VALUES (16, x'00', 'conflict')"))
    assert versions(db, NEWEST, is_all=False).at_district == 1


@pytest.mark.parametrize("who", ["mr_otieno", "amina", None])
def test_only_the_keeper_looks_and_decides(box, as_, school, who):
    writing = box.app.state.writer.write_blocking
    number = writing(lambda tx: keep(tx, "person", school.amina, display_name="secret"))
    client = as_(who)
    status = 401 if who is None else 403
    for path in (
        HERE,
        f"{HERE}/{number}",
        "/api/v1/box/versions",
        f"/api/v1/box/versions/{number}",
    ):
        answer = client.get(path)
        assert answer.status_code == status, path
        assert "secret" not in answer.text
    body = {"version": 1}
    for path in ("restore", "leave"):
        answer = client.post(f"/api/v1/box/versions/{number}/{path}", json=body)
        assert answer.status_code == status
