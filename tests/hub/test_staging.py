"""Sorting a block's rows without a database; hashing by column; what the hub may import."""

import subprocess
import sys
from uuid import UUID

import pytest

from sync.core.columns import Rows
from sync.hub.intake.staging import IMAGES_MAX, row_hashes, sort_rows
from sync.merge import row_hash
from sync.registry import TABLE, TABLES
from tests.hub.cast import new_id, rows, values

SCHOOL = UUID(int=1)


@pytest.mark.parametrize("name", [table.name for table in TABLES])
def test_hashes_are_those_of_merge(name):
    found = [values(name, SCHOOL) for _ in range(3)]
    expected = [row_hash(TABLE[name], row) for row in found]
    assert row_hashes(TABLE[name], found) == expected


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("percent", "many", "percent-is-no-int"),
        ("percent", b"1", "percent-is-no-int"),
        ("id", "text", "id-is-no-id"),
        ("id", b"short", "id-is-no-id"),
        ("person_id", bytes(17), "person_id-is-no-id"),
    ],
)
def test_a_value_of_the_wrong_type_is_found_in_its_row(column, value, reason):
    good = [values("progress_fact") for _ in range(3)]
    bad = values("progress_fact", **{column: value})
    found = sort_rows(rows("progress_fact", good[0], bad, *good[1:]), SCHOOL)
    assert [refused.reason for refused in found.refused] == [reason]
    assert [row for batch in found.batches for row in batch.rows] == good


def test_where_no_row_may_be_merged_there_is_no_batch():
    found = sort_rows(rows("progress_fact", values("progress_fact", percent="many")), SCHOOL)
    assert (len(found.refused), found.batches) == (1, [])


def test_nothing_is_no_value_of_the_wrong_type():
    row = values("progress_fact", percent=None)
    assert sort_rows(rows("progress_fact", row), SCHOOL).refused == []


def test_each_image_of_a_repeated_id_gets_a_turn_of_its_own():
    one, two = new_id(), new_id()
    images = [values("module", id=pk, rank=rank) for pk in (one, two) for rank in (1, 2, 3)]
    batches = sort_rows(rows("module", *images), SCHOOL).batches
    turns = [[(row[0], row[3]) for row in batch.rows] for batch in batches]
    assert [set(turn) for turn in turns] == [{(one, rank), (two, rank)} for rank in (1, 2, 3)]


@pytest.mark.parametrize(
    ("images", "reasons"), [(IMAGES_MAX, []), (IMAGES_MAX + 1, ["repeated-too-often"])]
)
def test_an_id_has_a_few_turns_and_beyond_them_all_its_images_wait(images, reasons):
    one, other = new_id(), values("module")
    sent = [values("module", id=one, version=1 + number) for number in range(images)]
    found = sort_rows(rows("module", *sent, other), SCHOOL)
    assert [refused.reason for refused in found.refused] == reasons * images
    merged = [row for batch in found.batches for row in batch.rows]
    assert sorted(merged) == sorted([other] if reasons else [*sent, other])


def test_a_row_without_an_id_is_put_aside():
    sent = rows("module", values("module", id=None), values("module"))
    assert [refused.reason for refused in sort_rows(sent, SCHOOL).refused] == ["id-is-no-id"]


def test_rows_of_an_unknown_table_are_all_put_aside():
    found = sort_rows(Rows("badge", ("id",), [(new_id(),), (new_id(),)]), SCHOOL)
    assert ([r.reason for r in found.refused], found.batches) == (["unknown-table"] * 2, [])


def test_a_batch_is_cut_into_halves_that_together_are_the_batch():
    (batch,) = sort_rows(rows("module", *(values("module") for _ in range(5))), SCHOOL).batches
    left, right = batch.halves()
    assert [*left.rows, *right.rows] == list(batch.rows)
    assert [*left.hashes, *right.hashes] == list(batch.hashes)


def test_the_hub_imports_no_apsw_and_of_the_box_only_leaves():
    code = (
        "import sys, sync.hub.app, sync.hub.server, sync.hub.__main__;"
        "print(*sorted(m for m in sys.modules if m.split('.')[0] in ('appliance', 'apsw')))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(found.stdout.split()) <= {
        "appliance",
        "appliance.backups",
        "appliance.backups.label",
        "appliance.access",
        "appliance.access.faults",
        "appliance.access.hashing",
        "appliance.access.headers",
        "appliance.access.limits",
        "appliance.access.origin",
        "appliance.access.passwords",
        "appliance.archives",
        "appliance.clock",
        "appliance.courses",  # one reader of Markdown folders on both sides
        "appliance.courses.dialect",
        "appliance.courses.faults",
        "appliance.courses.folder",
        "appliance.courses.links",
        "appliance.courses.models",
        "appliance.courses.uploads",
        "appliance.durable",
        "appliance.errors",
        "appliance.ids",
        "appliance.notify",
        "appliance.orders",
        "appliance.orders.payloads",  # what a command says, on both sides
        "appliance.orders.settable",
        "appliance.problems",
        "appliance.settings",  # what a district may set is bounded as it is on the box
        "appliance.web",
        "appliance.web.moments",
        "appliance.web.static",
        "appliance.web.templates",
        "appliance.web.versions",
    }
