"""Boxes of another release: older ones send fewer columns, newer ones more columns and tables."""

from uuid import UUID

import msgspec
import pytest

from sync.core.columns import Rows, unpack
from sync.hub.app import create_app
from sync.hub.intake.statements import statements
from sync.merge import row_hash
from sync.registry import TABLE, TABLE_NUMBERED, Column, Table
from tests.hub.cast import facts, new_id, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

BADGE = Table(
    number=900,
    name="badge",
    columns=(Column("id", "id"), Column("person_id", "id"), Column("name", "text")),
    is_fact=True,
    owner="box",
    rank=1,
    privacy="P2",
    retention="R1",
    subject="person_id",
)
BADGE_NAMES = tuple(column.name for column in BADGE.columns)
CREATE_BADGE = """
CREATE TABLE badge (
    school_id uuid NOT NULL, id uuid NOT NULL, person_id uuid NOT NULL, name text NOT NULL,
    row_hash bytea NOT NULL, src_epoch uuid NOT NULL, change_no bigint NOT NULL,
    received_at_ms bigint NOT NULL, PRIMARY KEY (school_id, id));
ALTER TABLE badge ENABLE ROW LEVEL SECURITY;
ALTER TABLE badge FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON badge USING (school_id = (SELECT app_school()))
    WITH CHECK (school_id = (SELECT app_school()));
GRANT SELECT, INSERT, UPDATE ON badge TO darasa_ingest;
"""


@pytest.fixture
async def box(district):
    return await district.school()


@pytest.fixture(autouse=True)
def same_statements():
    yield
    statements.cache_clear()


@pytest.fixture
async def migrates(see):
    """Run a migration of the next release; undone afterwards, for the database is kept."""
    undoing = []

    async def run(sql, undo):
        await see.execute(sql)
        undoing.append(undo)

    yield run
    for undo in undoing:
        await see.execute(undo)


@pytest.fixture
async def restart(settings, watch):
    """Start the hub again, as after `darasa-hub migrate`."""

    async def start():
        app = create_app(settings, clock=watch)
        async with app.lifespan():
            pass

    return start


def with_column(block, name, *cells):
    """The block as a newer box sends it: a column more, before the counters."""
    columns = (*block.columns[:-5], name, *block.columns[-5:])
    return Rows(
        block.table,
        columns,
        [(*row[:-5], cell, *row[-5:]) for row, cell in zip(block.rows, cells, strict=True)],
    )


def without(block, *names):
    places = [at for at, name in enumerate(block.columns) if name not in names]
    columns = tuple(block.columns[at] for at in places)
    return Rows(block.table, columns, [tuple(row[at] for at in places) for row in block.rows])


def newer(name, column):
    """The table as the next release declares it."""
    table = TABLE[name]
    columns = (*table.columns[:-5], column, *table.columns[-5:])
    return msgspec.structs.replace(table, columns=columns)


def learns(monkeypatch, table):
    monkeypatch.setitem(TABLE, table.name, table)
    monkeypatch.setitem(TABLE_NUMBERED, table.number, table)
    statements.cache_clear()


async def test_a_column_without_a_place_is_kept_and_its_row_is_merged(box, see):
    one, two = values("module", title="Mvua"), values("module", title="أنهار")
    await box.send(with_column(rows("module", one, two), "colour", "green", None))
    assert {row["title"] for row in await see.fetch("SELECT title FROM module")} == {
        "Mvua",
        "أنهار",
    }
    kept = await see.fetch("SELECT tbl, pk, columns, image FROM sync_extra")
    images = {row["pk"].bytes: msgspec.msgpack.decode(row["image"]) for row in kept}
    assert {pk: image["colour"] for pk, image in images.items()} == {one[0]: "green", two[0]: None}
    assert {(row["tbl"], row["columns"]) for row in kept} == {(8, '["colour"]')}
    assert await see.fetchval("SELECT count(*) FROM sync_quarantine") == 0


async def test_both_sides_hash_a_row_alike_whatever_release_they_are(box, see):
    colour = Column("colour", "text", since=9)
    table = newer("module", colour)
    plain, green, none = (values("module") for _ in range(3))
    await box.send(rows("module", plain))
    await box.send(with_column(rows("module", green, none), "colour", "green", None))
    found = {row["id"].bytes: row["row_hash"] for row in await see.fetch("TABLE module")}
    as_newer = {row: (*row[:-5], cell, *row[-5:]) for row, cell in ((green, "green"), (none, None))}
    assert found[green[0]] == row_hash(table, as_newer[green])
    assert found[none[0]] == row_hash(table, as_newer[none]) == row_hash(TABLE["module"], none)
    assert found[plain[0]] == row_hash(table, (*plain[:-5], None, *plain[-5:]))


async def test_what_an_older_box_does_not_send_is_not_touched(box, see):
    one = new_id()
    await box.send(rows("person", values("person", box.school_id, id=one, student_no="7B-12")))
    later = values("person", box.school_id, id=one, display_name="Amina Otieno", version=2)
    await box.send(without(rows("person", later), "student_no", "deleted_at_ms"))
    found = await see.fetchrow(
        "SELECT display_name, student_no, version FROM person WHERE school_id = $1", box.school_id
    )
    assert tuple(found) == ("Amina Otieno", "7B-12", 2)


async def test_a_new_row_of_an_older_box_takes_the_defaults(box, see):
    row = values("person", box.school_id, display_name="Nguyễn Thị Ánh")
    await box.send(without(rows("person", row), "student_no", "source_id", "owner_node_id"))
    found = await see.fetchrow(
        "SELECT display_name, student_no, source_id FROM person WHERE id = $1", UUID(bytes=row[0])
    )
    assert tuple(found) == ("Nguyễn Thị Ánh", None, None)


@pytest.mark.parametrize(
    ("table", "missing"),
    [("module", "id"), ("module", "version"), ("module", "owner_epoch"), ("person", "org_id")],
)
async def test_rows_that_cannot_be_told_apart_ordered_or_placed_are_put_aside(
    box, see, table, missing
):
    await box.send(without(rows(table, values(table, box.school_id)), missing), facts(1))
    assert await see.fetchval("SELECT reason FROM sync_quarantine") == "columns-missing"
    assert await see.fetchval("SELECT count(*) FROM progress_fact") == 1


async def test_a_rule_over_a_column_that_was_not_sent_puts_one_row_aside_and_not_its_set(
    box, see, migrates
):
    """A newer hub's rule, an older box: what breaks it is found by halves."""
    await migrates(
        "ALTER TABLE module ADD CONSTRAINT lead CHECK (rank > 0 OR deleted_at_ms IS NOT NULL)",
        "ALTER TABLE module DROP CONSTRAINT lead",
    )
    sent = [values("module", rank=rank) for rank in (1, 2, 0, 3, 4)]
    await box.send(without(rows("module", *sent), "deleted_at_ms"))
    assert [tuple(row) for row in await see.fetch("SELECT reason, pk FROM sync_quarantine")] == [
        ("CheckViolationError lead", UUID(bytes=sent[2][0]))
    ]
    found = {row["rank"] for row in await see.fetch("SELECT rank FROM module")}
    assert found == {1, 2, 3, 4}


async def test_a_poison_row_with_a_strange_column_is_put_aside_whole(box, see):
    bad, good = values("module", title=""), values("module", title="Rain")
    await box.send(with_column(rows("module", bad, good), "colour", "red\0", "green"))
    image = msgspec.msgpack.decode(await see.fetchval("SELECT image FROM sync_quarantine"))
    assert (image["id"], image["colour"]) == (bad[0], "red\0")
    assert await see.fetchval("SELECT count(*) FROM module") == 1


async def test_both_whole_images_are_kept_when_two_epochs_meet(box, see):
    one = new_id()
    for title, colour in (("Rain", "green"), ("Snow", "white")):
        block = rows("module", values("module", id=one, title=title))
        await box.send(with_column(block, "colour", colour))
        box.begin_epoch()
    current = msgspec.msgpack.decode(await see.fetchval("SELECT image FROM sync_extra"))
    aside = msgspec.msgpack.decode(await see.fetchval("SELECT image FROM sync_conflict"))
    told = {(image["title"], image["colour"]) for image in (current, aside)}
    assert told == {("Rain", "green"), ("Snow", "white")}


async def test_a_migration_gives_columns_their_place(box, see, migrates, restart, monkeypatch):
    sent = [values("module") for _ in range(4)]
    colours = ["green", 7, "blood", None]  # 7 is no text, and the new column takes no blood
    block = with_column(rows("module", *sent), "colour", *colours)
    await box.send(with_column(block, "smell", "rain", None, None, None))
    await migrates(
        "ALTER TABLE module ADD COLUMN colour text CHECK (colour <> 'blood')",
        "ALTER TABLE module DROP COLUMN colour",
    )
    learns(monkeypatch, newer("module", Column("colour", "text", since=9)))
    await restart()
    found = {row["id"].bytes: row["colour"] for row in await see.fetch("TABLE module")}
    assert [found[row[0]] for row in sent] == ["green", None, None, None]
    left = {row["pk"].bytes: row["columns"] for row in await see.fetch("TABLE sync_extra")}
    waits, placed = '["colour","smell"]', '["smell"]'
    assert [left[row[0]] for row in sent] == [placed, waits, waits, placed]


async def test_an_id_that_came_too_early_is_an_id_in_its_column(
    box, see, migrates, restart, monkeypatch
):
    one, pointed = values("module"), new_id()
    await box.send(with_column(rows("module", one, values("module")), "twin_id", pointed, None))
    await migrates(
        "ALTER TABLE module ADD COLUMN twin_id uuid", "ALTER TABLE module DROP COLUMN twin_id"
    )
    learns(monkeypatch, newer("module", Column("twin_id", "id", since=9)))
    await restart()
    found = {row["id"].bytes: row["twin_id"] for row in await see.fetch("TABLE module")}
    assert found[one[0]] == UUID(bytes=pointed)
    later = values("module", id=one[0], version=2, twin_id=None)
    await box.send(rows("module", later))  # every column is known now
    assert await see.fetchval("SELECT count(*) FROM module WHERE twin_id IS NOT NULL") == 0
    assert await see.fetchval("SELECT count(*) FROM sync_extra WHERE columns <> '[]'") == 0


async def test_a_migration_brings_parked_tables_in(box, see, migrates, restart, monkeypatch):
    badges = [(new_id(), new_id(), name) for name in ("Reader", "", "قارئ")]
    await box.send(Rows("badge", BADGE_NAMES, badges[:2]), facts(1))
    await box.send(Rows("badge", BADGE_NAMES, [*badges[2:], (b"?", new_id(), "")]))
    assert await see.fetchval("SELECT count(*) FROM sync_quarantine") == 4
    await migrates(CREATE_BADGE, "DROP TABLE badge")
    learns(monkeypatch, BADGE)
    for _ in range(2):  # a second start finds nothing more
        await restart()
    found = await see.fetch("SELECT school_id, id, name FROM badge")
    assert {tuple(row) for row in found} == {
        (box.school_id, UUID(bytes=pk), name) for pk, _, name in badges
    }
    open_ones = "SELECT reason FROM sync_quarantine WHERE resolved_at_ms IS NULL"
    assert [row["reason"] for row in await see.fetch(open_ones)] == ["id-is-no-id"]


async def test_a_parked_row_that_somebody_has_dismissed_stays_dismissed(
    box, see, migrates, restart, monkeypatch
):
    badges = [(new_id(), new_id(), name) for name in ("Reader", "قارئ")]
    await box.send(Rows("badge", BADGE_NAMES, badges))
    dismissed = UUID(bytes=badges[0][0])
    await see.execute("UPDATE sync_quarantine SET dismissed_at_ms = 1 WHERE pk = $1", dismissed)
    await migrates(CREATE_BADGE, "DROP TABLE badge")
    learns(monkeypatch, BADGE)
    await restart()
    assert [row["name"] for row in await see.fetch("SELECT name FROM badge")] == ["قارئ"]
    open_ones = "SELECT pk FROM sync_quarantine WHERE resolved_at_ms IS NULL"
    assert [row["pk"] for row in await see.fetch(open_ones)] == [dismissed]


async def test_parked_rows_of_one_school_never_reach_another(
    district, see, migrates, restart, monkeypatch
):
    schools = [await district.school(name) for name in ("Hilltop", "Lycée du Lac")]
    for school in schools:
        await school.send(Rows("badge", BADGE_NAMES, [(new_id(), new_id(), school.name)]))
    third = await district.school("Riverside")  # whose only badge stays where it is
    await third.send(Rows("badge", BADGE_NAMES, [(b"?", new_id(), third.name)]))
    await migrates(CREATE_BADGE, "DROP TABLE badge")
    learns(monkeypatch, BADGE)
    await restart()
    found = {(row["school_id"], row["name"]) for row in await see.fetch("TABLE badge")}
    assert found == {(school.school_id, school.name) for school in schools}


async def test_what_a_newer_box_sent_comes_back_to_it_whole(box):
    one, two = values("module", title="Mvua"), values("module", title="Rain")
    await box.send(with_column(rows("module", one, two), "colour", "green", None), facts(1))
    box.begin_epoch()
    blocks = [unpack(block) for block in (await box.pull()).rows]
    modules = [dict(zip(b.columns, row, strict=True)) for b in blocks for row in b.rows]
    assert {(row.get("title"), row.get("colour")) for row in modules} == {
        ("Mvua", "green"),
        ("Rain", None),
        (None, None),
    }


async def test_what_was_sent_with_an_earlier_image_does_not_come_back_with_a_later_one(box):
    one = new_id()
    await box.send(with_column(rows("module", values("module", id=one)), "colour", "green"))
    await box.send(rows("module", values("module", id=one, version=2)))
    box.begin_epoch()
    (block,) = (await box.pull()).rows
    assert "colour" not in block.c


async def test_an_older_box_is_sent_nothing_it_has_no_place_for(box):
    await box.send(rows("proposal", values("proposal", kind="other")), facts(2))
    tables = {}
    for schema_version in (3, 4):
        box.begin_epoch()
        await box.hello(schema_version=schema_version)
        page = await box.pull()
        tables[schema_version] = [(block.t, block.rows) for block in page.rows]
    assert tables == {
        3: [("progress_fact", 2)],
        4: [("progress_fact", 2), ("proposal", 1)],
    }
