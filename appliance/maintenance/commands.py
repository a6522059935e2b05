"""Writes of the nightly work: its own journal, and pages given back to the card."""

from typing import Final, Literal, LiteralString

from appliance.database.transaction import Transaction

OWNS: Final = ("job_run",)

State = Literal["ok", "skipped", "failed"]

RECORD_RUN: Final[LiteralString] = """
INSERT INTO job_run (name, state, started_at_ms, took_ms, effect)
VALUES (?1, ?2, ?3, ?4, ?5)
"""

PRUNE_RUNS: Final[LiteralString] = """
DELETE FROM job_run
 WHERE started_at_ms < ?1
"""

# Where no clock is sure, by count: one that ran ahead would forget everything at once.
PRUNE_OLDEST_RUNS: Final[LiteralString] = """
DELETE FROM job_run
 WHERE id <= (SELECT id
                FROM job_run
               ORDER BY id DESC
               LIMIT 1 OFFSET ?1)
"""

FREE_PAGES: Final[LiteralString] = "PRAGMA freelist_count"
# PRAGMA takes no parameter; 256 pages of 4 KiB = 1 MiB a step, a few ms on eMMC.
FREE_SOME_PAGES: Final[LiteralString] = "PRAGMA incremental_vacuum(256)"
# 0x10002: every table is looked at, also those this connection has not read; 400 rows of an
# index tell enough, and bound the work to some 10 ms a table.
LIMIT_ANALYSIS: Final[LiteralString] = "PRAGMA analysis_limit = 400"
OPTIMIZE: Final[LiteralString] = "PRAGMA optimize = 0x10002"


def record_run(
    tx: Transaction,
    name: str,
    state: State,
    effect: str,
    *,
    started_at_ms: int,
    took_ms: int,
) -> None:
    """Write down what a job did; its own words about its effect, not "executed"."""
    tx.run(RECORD_RUN, (name, state, started_at_ms, took_ms, effect))


def prune_runs(tx: Transaction, *, before_ms: int) -> int:
    """Forget runs that started before `before_ms`; return how many."""
    return tx.run(PRUNE_RUNS, (before_ms,))


def prune_oldest_runs(tx: Transaction, *, kept: int) -> int:
    """Forget all but the newest runs; return how many went."""
    return tx.run(PRUNE_OLDEST_RUNS, (kept,))


def free_some_pages(tx: Transaction) -> int:
    """Give at most 256 unused pages back to the file system; return how many went."""
    before = tx.value(FREE_PAGES)
    tx.run(FREE_SOME_PAGES)
    after = tx.value(FREE_PAGES)
    assert isinstance(before, int)
    assert isinstance(after, int)
    return before - after


def optimize(tx: Transaction) -> None:
    """Let SQLite refresh the statistics it thinks stale."""
    tx.run(LIMIT_ANALYSIS)
    tx.run(OPTIMIZE)
