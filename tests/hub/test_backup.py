"""A backup counts once a restored copy of it was read; only then are boxes told."""

import shutil

import asyncpg
import pytest
from msgspec.structs import replace

from sync.hub.backup.command import back_up, note_restored
from sync.hub.backup.taking import KEEP, archive_wal, remove_older, taken
from sync.hub.backup.verifying import look
from sync.hub.faults import BackupFailed
from sync.hub.identity import identity
from sync.hub.launcher import give_to_server_user, running
from tests.hub.cast import facts

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


@pytest.fixture
def place(server):
    """Return a folder the server's user may enter too."""
    folder = server.socket_dir.with_name(f"{server.socket_dir.name}-backups")
    folder.mkdir()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def operator(settings, server):
    return replace(settings, postgres_bin=server.bin_dir)


async def backed_up(box):
    (stream,) = (await box.hello()).streams
    return stream.received_n, stream.backed_up_n


async def test_boxes_hear_of_a_backup_once_its_copy_was_read(
    district, operator, place, watch, server, dsn
):
    box = await district.school()
    await box.send(facts(3))
    assert await backed_up(box) == (1, 0)
    said = []
    await back_up(operator, place, watch, said.append)
    assert said[-1] == "backup PASS: schools 1, segments 1, all as promised"
    assert [path.name for path in taken(place)] == ["20251009T085320Z"]
    await box.send(facts(1))
    assert await backed_up(box) == (2, 1)
    (backup,) = taken(place)
    give_to_server_user(backup)
    with running(backup, server.bin_dir, {"dynamic_shared_memory_type": "mmap"}) as then:
        link = await asyncpg.connect(then.dsn(dsn.partition("@/")[2].partition("?")[0]))
        assert await link.fetchval("SELECT received_n FROM sync_stream") == 1
        await link.close()


DAMAGE = {
    "a segment that is gone": "DELETE FROM sync_inbox WHERE n = 1",
    "a segment that was changed": "UPDATE sync_raw SET raw = 'OSEG1' || raw WHERE log_no = 2",
    "a log that ends early": "DELETE FROM sync_inbox WHERE n = 2",
}


@pytest.mark.parametrize("sql", DAMAGE.values(), ids=DAMAGE)
async def test_what_lacks_something_promised_is_no_backup(district, dsn, as_role, sql):
    box = await district.school()
    await box.send(facts(3))
    await box.send(facts(3))
    reader, breaker = await as_role("darasa_ingest"), await asyncpg.connect(dsn)
    async with reader.transaction():
        assert (await look(reader, await identity(reader))).segments == 2
    await breaker.execute(sql)
    await breaker.close()
    async with reader.transaction():
        with pytest.raises(BackupFailed, match=str(box.school_id)):
            await look(reader, await identity(reader))


async def test_without_a_district_there_is_nothing_to_back_up(app, operator, place, watch):
    with pytest.raises(BackupFailed, match="no district"):
        await back_up(operator, place, watch, lambda _words: None)
    assert taken(place) == []


async def test_programs_that_are_not_there_are_named(district, settings, place, watch):
    lost = replace(settings, postgres_bin=place)
    with pytest.raises(BackupFailed, match="no pg_basebackup of PostgreSQL 1"):
        await back_up(lost, place, watch, lambda _words: None)


async def test_a_server_that_refuses_leaves_no_half_backup(district, operator, place, watch):
    shut = replace(operator, backup_dsn="postgresql://nobody@localhost:1/none")
    with pytest.raises(BackupFailed, match="pg_basebackup"):
        await back_up(shut, place, watch, lambda _words: None)
    assert list(place.iterdir()) == []


async def test_after_a_restore_every_box_is_told(district, operator, watch):
    box = await district.school()
    before = (await box.hello()).incarnation
    await note_restored(operator, watch, lambda _words: None)
    assert (await box.hello()).incarnation != before


def test_the_newest_week_of_backups_stays(tmp_path):
    for day in range(1, 11):
        (tmp_path / f"202511{day:02}T020000Z").mkdir()
    removed = remove_older(tmp_path)
    assert len(taken(tmp_path)) == KEEP
    assert [path.name[6:8] for path in removed] == ["01", "02", "03"]


def test_a_log_segment_is_kept_once_and_never_replaced(tmp_path):
    segment = tmp_path / "000000010000000000000001"
    segment.write_bytes(b"log" * 1_000)
    archive_wal(segment, tmp_path / "wal")
    archive_wal(segment, tmp_path / "wal")
    segment.write_bytes(b"other")
    with pytest.raises(BackupFailed, match="another log"):
        archive_wal(segment, tmp_path / "wal")
    assert (tmp_path / "wal" / segment.name).read_bytes() == b"log" * 1_000
