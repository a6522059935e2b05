"""The custody line must be true in every state the change log can be in."""

import pytest

from appliance.submissions.commands import hand_in
from appliance.submissions.models import HandIn, Stamp
from appliance.submissions.queries import own_receipt
from tests.cast import NOW_MS, new_id

HUB = bytes(range(16))
OTHER_HUB = bytes(reversed(range(16)))
CONTACT_MS = NOW_MS + 9_000


@pytest.fixture
def revision(write, school):
    revision_id = new_id()
    work = HandIn(assessment_id=school.village, body="My village.")
    write(hand_in, school.amina, revision_id, work, submission_id=new_id(), stamp=Stamp(NOW_MS, 3))
    return revision_id


def sealed(tx, revision_id, *, applied_n=7, n=7, incarnation=HUB):
    """What the agent leaves behind once segment `n` is at the hub."""
    tx.run("DELETE FROM sync_dirty")
    tx.run("UPDATE sync_identity SET incarnation = ?1, contact_at_ms = ?2", (HUB, CONTACT_MS))
    tx.run(
        "INSERT INTO sync_custody (tbl, pk, version, lane, epoch, n)"
        " SELECT 16, ?1, 1, 0, epoch, ?2 FROM sync_identity",
        (revision_id, n),
    )
    tx.run(
        "INSERT INTO sync_stream (lane, epoch, cur_n, cur_hash, received_n, applied_n, incarnation)"
        " SELECT 0, epoch, 9, zeroblob(32), 9, ?1, ?2 FROM sync_identity",
        (applied_n, incarnation),
    )


def change(sql, *args):
    return lambda tx: tx.run(sql, args)


def test_a_fresh_hand_in_is_on_the_box(db, school, revision):
    custody = own_receipt(db, revision, school.amina).custody
    assert (custody.level, custody.as_of_ms) == ("box", NOW_MS)


def test_an_applied_segment_is_at_the_district_as_of_the_last_contact(db, write, school, revision):
    write(sealed, revision)
    custody = own_receipt(db, revision, school.amina).custody
    assert (custody.level, custody.as_of_ms) == ("district", CONTACT_MS)


def test_what_a_verified_backup_of_the_hub_holds_is_said_so(db, write, school, revision):
    write(sealed, revision)
    write(change("UPDATE sync_stream SET backed_up_n = 6"))
    assert own_receipt(db, revision, school.amina).custody.level == "district"
    write(change("UPDATE sync_stream SET backed_up_n = 7"))
    assert own_receipt(db, revision, school.amina).custody.level == "district_backup"


@pytest.mark.parametrize(
    ("why", "undo"),
    [
        ("received is not applied", change("UPDATE sync_stream SET applied_n = 6")),
        (
            "the hub was rolled back",
            change("UPDATE sync_identity SET incarnation = ?1", OTHER_HUB),
        ),
        (
            "another hub than the last one applied it",
            change("UPDATE sync_stream SET incarnation = ?1", OTHER_HUB),
        ),
        ("no hub ever", change("UPDATE sync_identity SET incarnation = NULL")),
        ("a new epoch sends everything again", change("DELETE FROM sync_custody")),
        ("the stream is unknown", change("UPDATE sync_custody SET epoch = zeroblob(16)")),
    ],
)
def test_the_line_withdraws_when(db, write, school, revision, why, undo):
    write(sealed, revision)
    write(change("UPDATE sync_stream SET backed_up_n = 7"))
    write(undo)
    assert own_receipt(db, revision, school.amina).custody.level == "box", why


def test_a_row_that_waits_again_is_not_at_the_district(db, write, school, revision):
    write(sealed, revision)
    write(
        lambda tx: tx.run(
            "INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)"
            " VALUES (16, ?1, 0, 0, 0, 99, 0)",
            (revision,),
        )
    )
    assert own_receipt(db, revision, school.amina).custody.level == "box"


@pytest.mark.parametrize(
    ("reason", "level"),
    [("conflict", "district_conflict"), ("quarantined", "box"), ("erased", "box")],
)
def test_what_the_hub_put_aside_is_not_called_safe(db, write, school, revision, reason, level):
    write(sealed, revision)
    write(
        lambda tx: tx.run(
            "INSERT INTO sync_exception (tbl, pk, reason) VALUES (16, ?1, ?2)", (revision, reason)
        )
    )
    assert own_receipt(db, revision, school.amina).custody.level == level


def test_reading_a_receipt_walks_no_table(db, revision):
    plan = db._connection.execute(
        "EXPLAIN QUERY PLAN SELECT code FROM (SELECT custody_level AS code FROM receipt"
        " WHERE revision_id = ?1)",
        (revision,),
    ).fetchall()
    assert not [step for *_, step in plan if step.startswith("SCAN")], plan
