"""The one writer: a thread that commits many commands at once and answers after COMMIT.

Commands from all requests wait in a bounded queue. The thread takes what is there,
runs each command in a savepoint of its own (one bad command fails alone), commits once
with synchronous=FULL, and only then tells anybody. While the card syncs, the next batch
gathers by itself, so a busy classroom costs hardly more syncs than a quiet one.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import apsw
from msgspec import Struct

from appliance.database.checkpoint import WAL_LIMITS, Checkpointer, WalLimits
from appliance.database.connection import MMAP_SIZE_BYTES, open_connection
from appliance.database.faults import (
    TRANSACTION_ENDING,
    WriterStopped,
    district_owned,
    in_our_words,
)
from appliance.database.transaction import Transaction
from appliance.errors import Busy

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

QUEUE_MAX: Final = 4_096  # at 4,000 commands/s one second of waiting; longer is kinder retried
BATCH_MAX: Final = 256  # at 0.1 ms a command the write lock is held 25 ms, half the budget
BEGIN_TRIES: Final = 3  # each waits BUSY_TIMEOUT_MS for the agent's process


class Outcome(Struct, frozen=True):
    """What a command returned, or why it failed."""

    value: Any = None
    failure: Exception | None = None


class Job(Struct, frozen=True):
    """A command with its arguments bound, and whoever waits for it."""

    call: Callable[[Transaction], Any]
    answer: "asyncio.Future[Any] | concurrent.futures.Future[Any]"
    loop: asyncio.AbstractEventLoop | None


class Counts(Struct):
    """Since the start. Written by the writer's thread, read by /metrics."""

    batches: int = 0
    commands: int = 0
    batches_failed: int = 0
    wal_frames: int = 0


class Writer:
    """Owns the writing connection and its thread."""

    def __init__(
        self,
        path: Path,
        *,
        queue_max: int = QUEUE_MAX,
        wal_limits: WalLimits = WAL_LIMITS,
        mmap_size_bytes: int = MMAP_SIZE_BYTES,
        vfs: str | None = None,
    ) -> None:
        self.counts: Final = Counts()
        self._queue_max: Final = queue_max
        self._queue: Final[SimpleQueue[Job | None]] = SimpleQueue()
        self._gate: Final = Lock()  # makes the bound exact, and nothing enters after the end
        self._is_stopping = False
        self._connection: Final = open_connection(
            path, role="writer", mmap_size_bytes=mmap_size_bytes, vfs=vfs
        )
        self._connection.set_wal_hook(self._note_frames)
        self._transaction: Final = Transaction(self._connection)
        self._checkpointer: Final = Checkpointer(
            path, limits=wal_limits, mmap_size_bytes=mmap_size_bytes, vfs=vfs
        )
        self._thread: Final = Thread(target=self._run, name="writer", daemon=True)

    @property
    def waiting(self) -> int:
        """How many commands wait in the queue."""
        return self._queue.qsize()

    @property
    def is_running(self) -> bool:
        """Whether commands are still taken; the thread ends early only by a bug of ours."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin taking commands."""
        self._checkpointer.start()
        self._thread.start()

    def stop(self) -> None:
        """Finish what is queued, refuse what comes later, close. Safe to repeat."""
        with self._gate:
            self._is_stopping = True
            self._queue.put(None)
        self._thread.join()

    async def write(
        self, command: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `command` in the next batch and return its result once it is on disk.

        Raises what the command raised, Busy when too many wait, StorageFull when the
        card is full, WriteFailed when the medium refused. A caller that is cancelled
        merely does not hear the answer; its command runs all the same.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._enqueue(Job(lambda tx: command(tx, *args, **kwargs), answer, loop))
        return await answer

    def write_blocking(
        self, command: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do the same as `write` from a thread that may wait; never from an event loop."""
        answer: concurrent.futures.Future[T] = concurrent.futures.Future()
        answer.set_running_or_notify_cancel()
        self._enqueue(Job(lambda tx: command(tx, *args, **kwargs), answer, None))
        return answer.result()

    def _enqueue(self, job: Job) -> None:
        with self._gate:
            if self._is_stopping:
                raise WriterStopped("the box is shutting down")
            if self._queue.qsize() >= self._queue_max:
                raise Busy(f"{self._queue_max} writes are already waiting")
            self._queue.put(job)

    def _run(self) -> None:
        try:
            while batch := self._collect():
                _answer(batch, self._commit(batch))
                self._checkpointer.after_commit(self._connection, self.counts.wal_frames)
        finally:
            self._close()

    def _collect(self) -> list[Job]:
        """Wait for a command, then take what else is there; nothing means the end."""
        batch: list[Job] = []
        job = self._queue.get()
        while job is not None:
            batch.append(job)
            if len(batch) == BATCH_MAX:
                return batch
            try:
                job = self._queue.get_nowait()
            except Empty:
                return batch
        self._queue.put(None)  # leave the end mark for the next round and for `_close`
        return batch

    def _commit(self, batch: list[Job]) -> list[Outcome]:
        try:
            self._begin()
            outcomes = [self._attempt(job.call) for job in batch]
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 -- handed to the callers
            return self._give_up(batch, error)
        self.counts.batches += 1
        self.counts.commands += len(batch)
        return outcomes

    def _give_up(self, batch: list[Job], error: Exception) -> list[Outcome]:
        """Disk full or an I/O error: the whole transaction is gone.

        So every caller hears it, also those whose own command had succeeded.
        """
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self.counts.batches_failed += 1
        logger.error("batch failed commands=%d cause=%r", len(batch), error)
        return [Outcome(failure=_told(error)) for _ in batch]

    def _begin(self) -> None:
        """Take the write lock; the agent's process may hold it for a moment."""
        for _ in range(BEGIN_TRIES - 1):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except apsw.BusyError:
                continue
            return
        self._connection.execute("BEGIN IMMEDIATE")

    def _attempt(self, call: Callable[[Transaction], Any]) -> Outcome:
        self._connection.execute("SAVEPOINT command")
        try:
            outcome = Outcome(value=call(self._transaction))
            self._refuse_dangling_keys()
        except TRANSACTION_ENDING:
            raise
        except Exception as error:  # noqa: BLE001 -- handed to the caller
            self._connection.execute("ROLLBACK TO command")
            outcome = Outcome(failure=_told(error))
        self._connection.execute("RELEASE command")
        return outcome

    def _refuse_dangling_keys(self) -> None:
        """Find deferred foreign keys now: at COMMIT they would fail the whole batch."""
        if self._connection.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0]:
            raise apsw.ConstraintError("a deferred FOREIGN KEY points nowhere")

    def _note_frames(self, _connection: apsw.Connection, _name: str, frames: int) -> int:
        self.counts.wal_frames = frames
        return apsw.SQLITE_OK

    def _close(self) -> None:
        """Refuse whoever still waits, also when this thread ends by a bug of ours."""
        with self._gate:
            self._is_stopping = True
            left = []
            while not self._queue.empty():
                left.append(self._queue.get())
        refused = [job for job in left if job is not None]
        _answer(refused, [Outcome(failure=WriterStopped("the writer has ended")) for _ in refused])
        self._checkpointer.stop()
        # Closing copies the WAL into the file. Where the medium refuses that, what was
        # committed stays in the WAL, and the next start carries it over.
        with contextlib.suppress(apsw.Error):
            self._connection.close()


def _told(error: Exception) -> Exception:
    """Translate what callers cannot know or cannot be given."""
    told = _in_callers_words(error)
    if told is None:
        return error
    told.__cause__ = error
    return told


def _in_callers_words(error: Exception) -> Exception | None:
    if isinstance(error, (apsw.BusyError, *TRANSACTION_ENDING)):
        return in_our_words(error)
    if isinstance(error, StopIteration):
        return RuntimeError("a command let StopIteration escape")  # no Future takes that
    return district_owned(error)


def _answer(batch: list[Job], outcomes: list[Outcome]) -> None:
    """Answer only now: before COMMIT nothing was promised to anyone.

    One wake-up for each event loop, however many of its callers wait.
    """
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[tuple[Job, Outcome]]] = defaultdict(list)
    for job, outcome in zip(batch, outcomes, strict=True):
        if job.loop is None:
            _settle(job, outcome)
        else:
            by_loop[job.loop].append((job, outcome))
    for loop, answered in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle_all, answered)
        except RuntimeError:
            logger.info("callers gone count=%d", len(answered))  # their loop closed meanwhile


def _settle_all(answered: list[tuple[Job, Outcome]]) -> None:
    for job, outcome in answered:
        _settle(job, outcome)


def _settle(job: Job, outcome: Outcome) -> None:
    if job.answer.done():
        return  # the caller hung up (T8); the work is kept all the same
    if outcome.failure is not None:
        job.answer.set_exception(outcome.failure)
    else:
        job.answer.set_result(outcome.value)
