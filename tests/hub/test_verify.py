"""The real agent compares a school with the real hub: it finds what capture missed, no ghosts."""

from uuid import UUID

import pytest

from sync.agent import verifying
from sync.agent.status import status
from sync.agent.store import identity
from tests.cast import new_id
from tests.hub.real_box import RENAME

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

CHECKS = """
SELECT sum(rows), sum(different), sum(repaired), sum(explained), min(agreed_no), min(agreed_at_ms)
  FROM sync_check
"""
WAITING = "SELECT count(*) FROM sync_dirty"
SEALED = "SELECT sum(rows) FROM sync_chain"
NAME_OF = "SELECT display_name FROM person WHERE id = ?1"


async def verified(box):
    """Have it done now; return how many rows were different, repaired, explained."""
    with box.db.changing() as tx:
        verifying.ask(tx)
    await box.agent.one_try()
    _rows, different, repaired, explained, no, _ = box.db.tuples(CHECKS)[0]
    box.agreed_no = no
    return different, repaired, explained


def behind_the_log(box, *statements):
    """Change rows as a bug or a bad sector would: nothing is noted."""
    with box.db.changing() as tx:
        tx.run("UPDATE sync_identity SET applying = 1")
        for sql, *args in statements:
            assert tx.run(sql, args) == 1
        tx.run("UPDATE sync_identity SET applying = 0")
        tx.run("DELETE FROM sync_dirty")


@pytest.fixture
async def hub(as_role):
    return await as_role("postgres")


async def test_a_school_that_agrees_is_verified_when_it_has_arrived(box, hub):
    assert box.db.tuples(CHECKS)[0][:4] == (sum(n for n, _ in box.digests().values()), 0, 0, 0)
    assert not verifying.is_due(box.db, now_ms=box.watch())
    at_hub = await hub.fetchval("SELECT max(change_no) FROM school_sync")
    await verified(box)
    assert box.agreed_no == at_hub


@pytest.mark.parametrize("days", [8, -8, 40 * 365])
async def test_it_is_done_again_after_a_week_whatever_the_clock_did(box, days):
    assert not verifying.is_due(box.db, now_ms=box.watch.now_ms + 6 * 86_400_000)
    assert verifying.is_due(box.db, now_ms=box.watch.now_ms + days * 86_400_000)


async def test_a_change_that_capture_missed_reaches_the_district(box):
    behind_the_log(box, (RENAME, box.cast.amina, "Amina Otieno"))
    assert await box.hub_digests() != box.digests()
    assert await verified(box) == (1, 1, 0)
    assert await box.hub_digests() == box.digests()
    assert await verified(box) == (0, 0, 0)


async def test_rows_the_district_lost_are_sent_again(box, hub):
    people = await hub.execute("DELETE FROM person WHERE id = $1", UUID(bytes=box.cast.amina.bytes))
    facts = await hub.execute("DELETE FROM enrolment")
    assert people == "DELETE 1"
    lost = 1 + int(facts.split()[1])
    assert await verified(box) == (lost, lost, 0)
    assert await box.hub_digests() == box.digests()


async def test_rows_this_box_lost_or_has_older_come_back(box, hub):
    await hub.execute(
        "UPDATE person SET display_name = 'Nguyễn Thị Ánh', version = version + 1,"
        " row_hash = $2 WHERE id = $1",
        box.cast.jose,
        bytes(32),
    )
    behind_the_log(box, ("DELETE FROM person WHERE id = ?1", box.cast.amina))
    different, _, _ = await verified(box)
    assert different == 2
    assert box.db.value(NAME_OF, (box.cast.amina,)) is not None
    assert box.db.value(NAME_OF, (box.cast.jose,)) == "Nguyễn Thị Ánh"


async def test_a_row_that_rotted_is_found_and_both_contents_are_kept(box, hub):
    rot = "UPDATE person SET display_name = 'rotten' WHERE id = ?1"
    behind_the_log(box, (rot, box.cast.amina))
    assert await verified(box) == (1, 1, 0)
    assert await box.hub_digests() == box.digests()
    at_hub = await hub.fetchval("SELECT count(*) FROM sync_conflict")
    assert at_hub + status(box.db).contact.in_conflict == 1  # on the side where they met


async def test_what_the_district_put_aside_is_explained_and_not_sent_in_circles(box, hub):
    behind_the_log(box, (RENAME, box.cast.amina, "x" * 200))
    await hub.execute("ALTER TABLE person ADD CONSTRAINT short CHECK (length(display_name) < 150)")
    try:
        await verified(box)
        sealed = box.db.value(SEALED)
        assert await verified(box) == (0, 0, 1)
        assert await verified(box) == (0, 0, 1)
        assert box.db.value(SEALED) == sealed
    finally:
        await hub.execute("ALTER TABLE person DROP CONSTRAINT short")


async def test_a_box_in_use_raises_no_false_alarm(box, monkeypatch):
    """Somebody works at every single step of the comparison, and one row did go missing."""
    behind_the_log(box, (RENAME, box.cast.amina, "Amina Otieno"))
    work = verifying.verify
    written = []

    def busily(db, clock):
        steps, answer = work(db, clock), None
        while True:
            try:
                asked = steps.send(answer)
            except StopIteration as done:
                return done.value
            written.append(box.write(RENAME, box.cast.jose, f"José {len(written)}"))
            answer = yield asked
            written.append(box.write(RENAME, box.cast.jose, f"José {len(written)}"))

    monkeypatch.setattr("sync.agent.comparing.verify", busily)
    different, repaired, _ = await verified(box)
    assert (different, repaired) == (1, 1)
    assert len(written) > 40
    await box.agent.one_try()
    assert await box.hub_digests() == box.digests()


async def test_what_the_district_owns_is_not_compared(box, hub):
    me = identity(box.db)
    columns = "id, org_id, key, value, version, owner_epoch, owner_node_id, updated_at_ms"
    with box.db.changing() as tx:
        tx.run("UPDATE sync_identity SET applying = 1")
        tx.run(
            f"INSERT INTO setting ({columns}) VALUES (?1, ?2, 'k', 'v', 1, 1, ?3, 0)",
            (new_id(), me.school_id, me.hub_id),
        )
        tx.run("UPDATE sync_identity SET applying = 0")
    assert await verified(box) == (0, 0, 0)


async def test_a_hub_that_cannot_compare_stops_nothing(box, app, monkeypatch):
    async def refused(*_args):
        raise verifying.Refused("no such page", reason="not-found", http_status=404)

    monkeypatch.setattr("sync.agent.link.Link.get", refused)
    with box.db.changing() as tx:
        verifying.ask(tx)
    await box.agent.one_try()
    assert status(box.db).contact.error is None
    assert verifying.is_due(box.db, now_ms=box.watch())
