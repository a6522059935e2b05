"""Two hundred school days in minutes: what a year of lessons and nights does to a box.

    python -m tests.drills.soak [DAYS] [PUPILS]

Time is compressed, the box is not: the real writer with its checkpoints, the real commands, the
real housekeeping with its guards, its backups and their checks, on a real file. The school has
no link all year, so nothing is ever trimmed. Each day a class signs in, reads, writes drafts and
hands in, a few at a time as at human pace, so most commits carry one or two writes. One night in
five the plug is pulled after school, at weekends always; for two weeks in the middle it is pulled
every day.

Looked at: the file's size, the WAL, what is written to the card (as the kernel counts it for this
process), how long a write takes in the first and the last week, that no housekeeping begins while
a class is at work or in lesson hours without need, that a backup is never older than five days,
that everything acknowledged is there at the end, and that the reserve a full card gives up would
hold two days: twice the most that any day's lessons added to the file, and the log beside it.
"""

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Final
from uuid import UUID

from msgspec import Struct, field, structs

from appliance.access.commands import open_session
from appliance.access.hashing import new_token, token_hash
from appliance.backups.turns import Backups
from appliance.clock import CERTAIN
from appliance.database.integrity import full_check
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.ids import uuid7
from appliance.maintenance.box import DAY_MS, Box
from appliance.maintenance.guards import IDLE_S
from appliance.maintenance.lessons import is_lesson_time, timetable
from appliance.maintenance.queries import last_success_at_ms
from appliance.maintenance.runner import Night
from appliance.maintenance.schedule import NIGHT, PATIENCE_MS, Job
from appliance.progress.commands import keep_facts
from appliance.progress.models import ProgressFact
from appliance.room import SMALL_CARD_BYTES, reserve_bytes
from appliance.settings import Settings
from appliance.submissions.commands import hand_in, put_draft
from appliance.submissions.models import DraftEdit, HandIn, Stamp
from appliance.telemetry.vitals import WAL_BYTES_MAX, size_bytes
from tests.drills.small_school import Pupil, SmallSchool, make_small_school

DAYS: Final = 200
PUPILS: Final = 40
SEED: Final = 7
WEEK: Final = 5
FACTS: Final = 8
DRAFTS: Final = 4
AT_ONCE: Final = 4  # phones in the same instant
LETTERS: Final = 2_000  # of a hand-in: a page
MONDAY: Final = datetime(2026, 1, 5, 7, 0, tzinfo=UTC)
SCHOOL_HOURS: Final = "7:30-16"
SCHOOL_DAYS: Final = "mon-fri"
MINUTE_S: Final = 60
LOOK_MINUTES: Final = 10
LIGHT: Final = frozenset({"health-sample", "room"})  # a few rows; lessons do not notice
CARD_DAY_BYTES_MAX: Final = 2_000_000_000
BACKUP_AGE_DAYS_MAX: Final = 5  # four, and the first break of the next school day
BACKUP: Final = next(job for job in NIGHT if job.name == "backup")
SLOWER_MAX: Final = 1.5
NOISE_MS: Final = 5.0  # of two shared cores
P95_MS_MAX: Final = 50.0  # the budget of a write
RESERVE_BYTES: Final = reserve_bytes(SMALL_CARD_BYTES, Settings(data_dir=Path()).reserve_bytes)
FULL_DAYS: Final = 2

ADD_TASK: Final = """
INSERT INTO assessment
       (id, course_run_id, kind, title, instructions, points_max_mp, attempts_max,
        version, updated_at_ms)
SELECT ?1, course_run_id, 'assignment', 'Insha', 'Andika.', 10000, 3, 1, ?2
  FROM assessment
 LIMIT 1
"""
NEW_RUNS: Final = "SELECT id, name, state FROM job_run WHERE id > ?1 ORDER BY id"
KEPT: Final = "SELECT count(*) FROM submission_revision"
KEPT_FACTS: Final = "SELECT count(*) FROM progress_fact"
JOURNAL: Final = "SELECT count(*) FROM job_run"


class Times(Struct):
    """The clocks of the box: what they say, and since when nobody has asked for anything."""

    now: datetime
    up_s: float = 0.0
    asked_at: datetime = MONDAY

    def now_ms(self) -> int:
        return round(self.now.timestamp() * 1_000)

    def idle_s(self) -> float:
        return (self.now - self.asked_at).total_seconds()

    def pass_minutes(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)
        self.up_s += minutes * MINUTE_S


class Run(Struct, frozen=True):
    """A line of the journal."""

    id: int
    name: str
    state: str


class Verdict(Struct):
    """What the days did to the box."""

    days: int = 0
    hand_ins: int = 0
    facts: int = 0
    lost: int = 0
    runs: int = 0
    failed: int = 0
    in_lessons: int = 0
    backup_age_days: float = 0.0
    wal_bytes: int = 0
    file_bytes: int = 0
    journal: int = 0
    is_sound: bool = False
    latencies_ms: list[list[float]] = field(default_factory=list)
    written_bytes: list[int] = field(default_factory=list)
    grown_bytes: list[int] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)  # over the morning's size, at any look

    def p95_ms(self, days: slice) -> float:
        """How long 95 of 100 writes took at most."""
        return quantiles([each for day in self.latencies_ms[days] for each in day], n=20)[-1]

    @property
    def is_steady(self) -> bool:
        first, last = self.p95_ms(slice(WEEK)), self.p95_ms(slice(-WEEK, None))
        return last <= max(first * SLOWER_MAX, first + NOISE_MS) and last <= P95_MS_MAX

    @property
    def full_days_bytes(self) -> int:
        """What two of the heaviest days would need on a card that is full."""
        return FULL_DAYS * max(self.peak_bytes) + self.wal_bytes

    @property
    def is_good(self) -> bool:
        return (
            self.is_sound
            and self.is_steady
            and self.full_days_bytes <= RESERVE_BYTES
            and self.lost == self.in_lessons == self.failed == 0
            and self.runs >= self.days
            and self.wal_bytes <= WAL_BYTES_MAX
            and max(self.written_bytes) <= CARD_DAY_BYTES_MAX
            and self.backup_age_days <= BACKUP_AGE_DAYS_MAX
        )

    def __str__(self) -> str:
        megabyte = 1_000_000
        return (
            f"soak: {self.days} days, {self.hand_ins} hand-ins, lost {self.lost}, file"
            f" {self.file_bytes / megabyte:.1f} MB"
            f" (+{sum(self.grown_bytes) / len(self.grown_bytes) / 1_000:.0f} kB a day), WAL at most"
            f" {self.wal_bytes / megabyte:.1f} MB, written at most"
            f" {max(self.written_bytes) / megabyte:.0f} MB a day, two full days need"
            f" {self.full_days_bytes / megabyte:.1f} MB (heaviest day"
            f" {max(self.peak_bytes) / megabyte:.1f} MB) of the reserve's"
            f" {RESERVE_BYTES / megabyte:.1f} MB, p95 first week"
            f" {self.p95_ms(slice(WEEK)):.1f} ms, last week"
            f" {self.p95_ms(slice(-WEEK, None)):.1f} ms,"
            f" housekeeping {self.runs} runs, failed {self.failed}, in lessons {self.in_lessons},"
            f" oldest backup {self.backup_age_days:.1f} days, journal {self.journal} lines,"
            f" {'sound' if self.is_sound else 'DAMAGED'}"
        )


class Term(Struct):
    """One school, its box, its clocks, and what was found so far."""

    box: Box
    school: SmallSchool
    times: Times
    chance: Random
    verdict: Verdict
    night: Night
    seen_run: int = 0
    morning_bytes: int = 0


def drill(days: int, pupils: int, *, is_unguarded: bool = False) -> Verdict:
    """Live through `days` school days. `is_unguarded` takes the guards away, and must fail."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        settings = Settings(
            data_dir=Path(name),
            lesson_hours=SCHOOL_HOURS,
            lesson_days=SCHOOL_DAYS,
            reserve_bytes=0,
        )
        school = make_small_school(settings.database, pupils)
        times = Times(MONDAY)
        writer = Writer(settings.database)
        readers = Readers(settings.database)
        writer.start()
        box = Box(
            settings,
            writer,
            readers,
            times.now_ms,
            Backups(settings, readers, times.now_ms, app_version="soak"),
            (lambda: IDLE_S) if is_unguarded else times.idle_s,
            lambda: CERTAIN,
            lambda: times.up_s,
        )
        if is_unguarded:
            settings = structs.replace(settings, lesson_hours="")
            box = structs.replace(box, settings=settings)
        term = Term(box, school, times, Random(SEED), Verdict(), Night(box))
        try:
            asyncio.run(_live(term, days))
        finally:
            readers.close()
            writer.stop()
    return term.verdict


async def _live(term: Term, days: int) -> None:
    for number in range(days):
        size, written = size_bytes(term.box.settings.database), _written_bytes()
        term.morning_bytes = size
        term.verdict.peak_bytes.append(0)
        await _school_day(term)
        await _evening(term, is_off=_is_off(number, days, term.chance))
        verdict = term.verdict
        verdict.days += 1
        verdict.written_bytes.append(_written_bytes() - written)
        verdict.grown_bytes.append(size_bytes(term.box.settings.database) - size)
    await _settle_up(term)


def _is_off(number: int, days: int, chance: Random) -> bool:
    """One night in five, weekends, and two weeks in the middle."""
    is_weekend = number % WEEK == WEEK - 1
    return is_weekend or abs(number - days // 2) <= WEEK or chance.random() < 0.2


async def _school_day(term: Term) -> None:
    """Three lessons with a break of ten minutes after the first and half an hour at noon."""
    times, now = term.times, term.times.now
    task_id = uuid7(times.now_ms())
    await term.box.writer.write(lambda tx: tx.run(ADD_TASK, (task_id, times.now_ms())))
    term.verdict.latencies_ms.append([])
    for begin, lesson in ((7.5, _sign_in_and_read), (10, _write), (13, _hand_in)):
        await _pass_until(term, now.replace(hour=int(begin), minute=round(begin % 1 * 60)))
        await _lesson(term, task_id, lesson)
    await _pass_until(term, now.replace(hour=16, minute=0))


Deed = Callable[[Term, UUID, Pupil], Awaitable[None]]


async def _lesson(term: Term, task_id: UUID, deed: Deed) -> None:
    """An hour and a half: the class at work, a few phones in the same instant."""
    pupils = term.school.pupils
    groups = [pupils[at : at + AT_ONCE] for at in range(0, len(pupils), AT_ONCE)]
    for group in groups:
        term.times.pass_minutes(90 / len(groups))
        term.times.asked_at = term.times.now
        await asyncio.gather(*(deed(term, task_id, pupil) for pupil in group))
        await _look(term)


async def _sign_in_and_read(term: Term, _task_id: UUID, pupil: Pupil) -> None:
    hashed = token_hash(new_token())
    await _timed(term, open_session, pupil.person_id, hashed, now_ms=term.times.now_ms())
    for percent in range(FACTS):
        now_ms = term.times.now_ms()
        section_id = term.school.section_id
        fact = ProgressFact(uuid7(now_ms), pupil.enrolment_id, section_id, percent * 10, now_ms)
        await _timed(term, keep_facts, pupil.person_id, [fact])
        term.verdict.facts += 1


async def _write(term: Term, task_id: UUID, pupil: Pupil) -> None:
    revision_id = uuid7(term.times.now_ms())
    for edit_no in range(1, DRAFTS + 1):
        words = _words(term, LETTERS * edit_no // DRAFTS)
        edit = DraftEdit(assessment_id=task_id, edit_no=edit_no, body=words)
        now_ms = term.times.now_ms()
        await _timed(term, put_draft, pupil.person_id, revision_id, edit, now_ms=now_ms)


async def _hand_in(term: Term, task_id: UUID, pupil: Pupil) -> None:
    now_ms = term.times.now_ms()
    work = HandIn(assessment_id=task_id, body=_words(term, LETTERS))
    await _timed(
        term,
        hand_in,
        pupil.person_id,
        uuid7(now_ms),
        work,
        submission_id=uuid7(now_ms),
        stamp=Stamp(now_ms, CERTAIN),
    )
    term.verdict.hand_ins += 1


async def _timed(term: Term, command: Callable[..., object], *args: object, **more: object) -> None:
    began = time.perf_counter()
    await term.box.writer.write(command, *args, **more)
    term.verdict.latencies_ms[-1].append((time.perf_counter() - began) * 1_000)


def _words(term: Term, letters: int) -> str:
    return "".join(term.chance.choices("abcdefghijklmnopqrstuvwxyz    ", k=letters))


async def _evening(term: Term, *, is_off: bool) -> None:
    """On through the night, or off until the next school day, and then a new start."""
    times = term.times
    morning = times.now.replace(hour=7, minute=0) + timedelta(days=1)
    while morning.weekday() >= WEEK:
        morning += timedelta(days=1)
    if is_off:
        times.now = morning
        term.night = Night(term.box)
    else:
        await _pass_until(term, morning)


async def _pass_until(term: Term, then: datetime) -> None:
    """Nobody asks for anything; the box looks every ten minutes."""
    while term.times.now < then:
        left = (then - term.times.now).total_seconds() / MINUTE_S
        term.times.pass_minutes(min(LOOK_MINUTES, left))
        await _look(term)


async def _look(term: Term) -> None:
    """One look of the housekeeping, and one of ours at what it did."""
    box, times, verdict = term.box, term.times, term.verdict
    before = {job.name: _last_ms(term, job) for job in NIGHT}
    await term.night.look()
    settings = box.settings
    wal = settings.database.with_name(settings.database.name + "-wal")
    verdict.wal_bytes = max(verdict.wal_bytes, size_bytes(wal))
    added = size_bytes(settings.database) - term.morning_bytes
    verdict.peak_bytes[-1] = max(verdict.peak_bytes[-1], added)
    is_lesson = bool(is_lesson_time(timetable(SCHOOL_HOURS, SCHOOL_DAYS), times.now))
    is_class_at_work = times.idle_s() < IDLE_S
    for run in box.readers.here.rows(Run, NEW_RUNS, (term.seen_run,)):
        term.seen_run = run.id
        if run.state == "skipped":
            continue
        verdict.runs += 1
        verdict.failed += run.state == "failed"
        if run.name not in LIGHT:
            has_waited = before[run.name] <= times.now_ms() - PATIENCE_MS
            verdict.in_lessons += is_class_at_work or (is_lesson and not has_waited)
    age_days = (times.now_ms() - _last_ms(term, BACKUP)) / DAY_MS
    verdict.backup_age_days = max(verdict.backup_age_days, age_days)


def _last_ms(term: Term, job: Job) -> int:
    """Since when the job is owed: the school's beginning, or a day or a week after it worked."""
    now_ms = term.times.now_ms()
    last_ms = last_success_at_ms(term.box.readers.here, job.name, now_ms=now_ms)
    if last_ms is None:
        return round(MONDAY.timestamp() * 1_000)
    return last_ms + job.period_ms - DAY_MS


async def _settle_up(term: Term) -> None:
    db, verdict = term.box.readers.here, term.verdict
    kept, facts, lines = (db.value(sql) for sql in (KEPT, KEPT_FACTS, JOURNAL))
    assert isinstance(kept, int)
    assert isinstance(facts, int)
    assert isinstance(lines, int)
    verdict.lost = verdict.hand_ins - kept + verdict.facts - facts
    verdict.journal = lines
    verdict.file_bytes = size_bytes(term.box.settings.database)
    verdict.is_sound = (await term.box.readers.read(full_check)).is_ok


def _written_bytes() -> int:
    """What this process has caused to be written to disks."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("write_bytes:")))


def main() -> int:
    logging.disable(logging.ERROR)
    days = int(sys.argv[1]) if len(sys.argv) > 1 else DAYS
    pupils = int(sys.argv[2]) if len(sys.argv) > 2 else PUPILS
    verdict = drill(days, pupils)
    print(verdict)  # noqa: T201 -- the verdict line is the drill's whole purpose
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
