import asyncio
from contextlib import closing
from itertools import pairwise
from random import Random
from threading import Event, Thread
from uuid import UUID

import apsw
import pytest

from appliance.database import writer as writer_module
from appliance.database.checkpoint import WalLimits
from appliance.database.connection import open_connection
from appliance.database.faults import WriteFailed, WriterStopped
from appliance.database.writer import Writer
from appliance.errors import Busy, NotFound, StorageFull
from appliance.ids import uuid7
from tests.drills.power_loss_vfs import PowerLossDisk

pytestmark = pytest.mark.anyio

ADD = "INSERT INTO person (id, display_name, is_active, class_id) VALUES (?1, ?2, 1, NULL)"
COUNT = "SELECT count(*) FROM person"


def add(tx, name):
    person_id = uuid7(1)
    tx.run(ADD, (person_id, name))
    return person_id


def add_and_refuse(tx, name):
    add(tx, name)
    raise NotFound("class 7B")


def count(tx):
    return tx.value(COUNT)


def hold(tx, entered, release):
    """Keep the writer busy, so that what comes next is one batch."""
    entered.set()
    assert release.wait(5)


async def one_batch(writer, *calls):
    """Run `calls` in one batch and return their results or exceptions."""
    entered, release = Event(), Event()
    held = asyncio.create_task(writer.write(hold, entered, release))
    await asyncio.to_thread(entered.wait)
    tasks = [asyncio.create_task(writer.write(*call)) for call in calls]
    await asyncio.sleep(0)  # every task has queued its command
    batches = writer.counts.batches + writer.counts.batches_failed
    release.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await held
    assert writer.counts.batches + writer.counts.batches_failed == batches + 2
    return results


async def test_what_was_answered_is_on_the_disk(writer, readers):
    person_id = await writer.write(add, "Amina Otieno")
    assert isinstance(person_id, UUID)
    assert readers.here.value(COUNT) == 1


async def test_one_bad_command_fails_alone(writer):
    kept, refused, also_kept = await one_batch(
        writer,
        (add, "José Álvarez-Núñez"),
        (add_and_refuse, "Nobody"),
        (add, "Nguyễn Thị Ánh"),
    )
    assert isinstance(kept, UUID)
    assert isinstance(also_kept, UUID)
    assert isinstance(refused, NotFound)
    assert await writer.write(count) == 2


async def test_many_callers_share_a_commit(writer):
    await asyncio.gather(*(writer.write(add, f"pupil {n}") for n in range(600)))
    assert writer.counts.commands == 600
    assert writer.counts.batches < 60


async def test_a_dangling_deferred_key_fails_its_own_command_only(writer):
    dangling = "INSERT INTO note (person_id, body) VALUES (?1, 'whose?')"
    kept, refused = await one_batch(
        writer, (add, "Amina Otieno"), (lambda tx: tx.run(dangling, (uuid7(1),)),)
    )
    assert isinstance(kept, UUID)
    assert isinstance(refused, apsw.ConstraintError)


def dangling_until_repaired(tx):
    person_id = uuid7(1)
    tx.run("INSERT INTO note (person_id, body) VALUES (?1, 'first the note')", (person_id,))
    tx.run(ADD, (person_id, "Amina Otieno"))


async def test_a_deferred_key_may_dangle_within_its_command(writer):
    await writer.write(dangling_until_repaired)
    assert await writer.write(count) == 1


async def test_a_caller_that_hangs_up_does_not_stop_the_writer(writer):
    entered, release = Event(), Event()
    held = asyncio.create_task(writer.write(hold, entered, release))
    await asyncio.to_thread(entered.wait)
    hung_up = asyncio.create_task(writer.write(add, "Baraka Mwangi"))
    await asyncio.sleep(0)
    hung_up.cancel()
    release.set()
    await held
    assert hung_up.cancelled()
    assert await writer.write(count) == 1  # the work itself was kept


async def test_a_full_queue_says_try_again(path):
    writer = Writer(path, queue_max=2)
    waiting = [asyncio.create_task(writer.write(add, "early")) for _ in range(2)]
    await asyncio.sleep(0)
    assert writer.waiting == 2
    with pytest.raises(Busy) as caught:
        await writer.write(add, "late")
    assert caught.value.retry_after_s >= 1
    writer.start()
    await asyncio.gather(*waiting)
    assert await writer.write(count) == 2
    writer.stop()


async def test_a_full_disk_is_told_to_the_whole_batch_and_passes(writer):
    pages = await writer.write(lambda tx: tx.value("PRAGMA page_count"))
    await writer.write(lambda tx: tx.run(f"PRAGMA max_page_count = {pages}"))
    large = "x" * 100_000
    results = await one_batch(writer, (add, "Amina Otieno"), (add, large), (add, "Jomo Kariuki"))
    assert [type(one) for one in results] == [StorageFull] * 3
    assert results[0] is not results[1]
    await writer.write(lambda tx: tx.run("PRAGMA max_page_count = 4294967294"))
    assert await writer.write(count) == 0
    assert isinstance(await writer.write(add, large), UUID)


async def test_a_failing_medium_is_told_to_the_whole_batch(path):
    disk = PowerLossDisk("failing-medium", Random(1))
    writer = Writer(path, mmap_size_bytes=0, vfs=disk.name)
    writer.start()
    disk.cut()
    results = await one_batch(writer, (add, "Amina Otieno"), (add, "Jomo Kariuki"))
    assert [type(one) for one in results] == [WriteFailed] * 2
    writer.stop()
    disk.close()


async def test_a_command_that_ends_the_transaction_is_found_out(writer):
    results = await one_batch(
        writer, (add, "Amina Otieno"), (lambda tx: tx.run("ROLLBACK"),), (add, "Jomo Kariuki")
    )
    assert all(isinstance(one, apsw.SQLError) for one in results)
    assert await writer.write(count) == 0


async def test_stop_iteration_reaches_the_caller_as_an_error(writer):
    with pytest.raises(RuntimeError, match="StopIteration"):
        await writer.write(lambda tx: next(iter(())))


@pytest.mark.parametrize("held", ["briefly", "too long"])
async def test_another_process_may_hold_the_write_lock(writer, path, held):
    writer._connection.set_busy_timeout(20)
    with closing(open_connection(path, role="agent")) as agent:
        agent.execute("BEGIN IMMEDIATE")
        if held == "too long":
            with pytest.raises(Busy):
                await writer.write(add, "Amina Otieno")
            agent.execute("ROLLBACK")
        else:
            waiting = asyncio.create_task(writer.write(add, "Amina Otieno"))
            await asyncio.sleep(0.03)  # into the second of three tries
            agent.execute("ROLLBACK")
            await waiting
    assert await writer.write(add, "Jomo Kariuki")


async def test_the_writer_finishes_what_is_queued_and_refuses_what_comes_later(path):
    writer = Writer(path)
    queued = [asyncio.create_task(writer.write(add, "Amina Otieno")) for _ in range(3)]
    await asyncio.sleep(0)
    writer.start()
    await asyncio.to_thread(writer.stop)
    assert len(await asyncio.gather(*queued)) == 3
    with pytest.raises(WriterStopped):
        await writer.write(add, "Jomo Kariuki")
    writer.stop()  # twice does no harm


async def test_a_batch_has_a_limit(path, monkeypatch):
    monkeypatch.setattr(writer_module, "BATCH_MAX", 2)
    writer = Writer(path)
    queued = [asyncio.create_task(writer.write(add, "Amina Otieno")) for _ in range(5)]
    await asyncio.sleep(0)
    writer.start()
    await asyncio.gather(*queued)
    assert writer.counts.batches == 3
    writer.stop()


def test_threads_may_write_and_wait(writer):
    assert isinstance(writer.write_blocking(add, "Amina Otieno"), UUID)
    with pytest.raises(NotFound):
        writer.write_blocking(add_and_refuse, "Nobody")
    assert writer.write_blocking(count) == 1


def test_callers_whose_loop_is_gone_do_not_stop_the_writer(writer):
    entered, release = Event(), Event()

    async def leave():
        task = asyncio.create_task(writer.write(hold, entered, release))
        await asyncio.to_thread(entered.wait)
        task.cancel()

    asyncio.run(leave())
    release.set()
    assert writer.write_blocking(add, "Amina Otieno")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_waits_for_ever_when_the_thread_dies_of_a_bug(path, monkeypatch):
    writer = Writer(path)
    entered, release = Event(), Event()
    heard = []

    def late():
        try:
            writer.write_blocking(add, "late")
        except WriterStopped as error:
            heard.append(error)

    def bug(*_):
        raise KeyError("a bug")

    writer.start()
    holding = Thread(target=writer.write_blocking, args=(hold, entered, release))
    holding.start()
    entered.wait()
    waiting = Thread(target=late)
    waiting.start()
    while writer.waiting == 0:
        waiting.join(0.001)
    monkeypatch.setattr(writer._checkpointer, "after_commit", bug)
    release.set()
    waiting.join(5)
    assert [str(error) for error in heard] == ["the writer has ended"]
    with pytest.raises(WriterStopped):
        writer.write_blocking(add, "later")
    holding.join()
    writer._thread.join()


SMALL = WalLimits(passive=20, restart=60, retry=10)


async def test_the_wal_begins_anew_again_and_again_under_load(path):
    """Usually at 70 frames; a starved side thread may put one restart off, never all of them."""
    writer = Writer(path, wal_limits=SMALL)
    writer.start()
    lengths = [0]
    while len(lengths) < 2_000 and restarts(lengths) < 3:
        await writer.write(add, "x" * 20_000)  # seven frames each
        lengths.append(writer.counts.wal_frames)
    writer.stop()
    assert restarts(lengths) == 3


def restarts(lengths):
    """How often the WAL was shorter after a commit than before it."""
    return sum(after < before for before, after in pairwise(lengths))


async def test_a_long_report_puts_the_restart_off_and_no_longer(path):
    writer = Writer(path, wal_limits=SMALL)
    writer.start()
    await writer.write(add, "Amina Otieno")
    with closing(open_connection(path, role="report")) as report:
        report.execute("BEGIN")
        assert report.execute(COUNT).get == 1
        for _ in range(30):
            await writer.write(add, "x" * 20_000)
        grown = writer.counts.wal_frames
        assert grown > SMALL.restart
        assert report.execute(COUNT).get == 1  # its snapshot is whole
        report.execute("ROLLBACK")
    for _ in range(10):
        await writer.write(add, "x" * 20_000)
    writer.stop()
    assert writer.counts.wal_frames < grown
