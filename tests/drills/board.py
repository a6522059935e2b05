"""A school's board in a drill: its card, its agent as a process, and the class that writes."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Final
from uuid import UUID

from appliance.clock import system_clock
from appliance.database.agent import AgentDatabase
from appliance.database.connection import open_connection
from appliance.database.transaction import Transaction
from appliance.ids import uuid7
from demo.processes import PYTHON, Process
from sync.agent.keys import make_node_key
from tests.drills.lineage import Lineage, Write
from tests.drills.small_school import SmallSchool, make_small_school

PUPILS: Final = 3
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

ADMIN = """
INSERT INTO person (id, org_id, display_name, locale, state, version, updated_at_ms)
VALUES (?1, ?2, 'Grace Wambui', 'sw', 'active', 1, ?3)
"""
ROLE = """
INSERT INTO role_assignment (id, person_id, role, scope_kind, scope_id, version, updated_at_ms)
VALUES (?1, ?2, ?3, 'org', ?4, 1, ?5)
"""
FACT = """
INSERT INTO progress_fact (id, enrolment_id, section_id, person_id, percent, at_ms, clock_quality)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1)
"""
SUBMISSION = """
INSERT INTO submission (id, assessment_id, person_id, attempt_no, state, submitted_at_ms, late_ms,
                        clock_quality, version, updated_at_ms)
VALUES (?1, ?2, ?3, 1, 'submitted', ?4, 0, 1, 1, ?4)
"""
REVISION = """
INSERT INTO submission_revision (id, submission_id, person_id, rev, body, content_hash, saved_at_ms)
VALUES (?1, ?2, ?3, 1, ?4, zeroblob(32), ?5)
"""
GRADE = """
INSERT INTO grade (id, submission_id, person_id, seq, points_mp, comment, state, by_person_id,
                   graded_at_ms)
VALUES (?1, ?2, ?3, 1, 5000, ?4, 'provisional', ?3, ?5)
"""
PROPOSAL = """
INSERT INTO proposal (id, kind, person_id, payload, by_person_id, at_ms)
VALUES (?1, 'other', ?2, ?3, ?2, ?4)
"""
NEW_GROUP = """
INSERT INTO class_group (id, org_id, name, version, updated_at_ms)
SELECT ?1, i.school_id, ?2, 1, ?3
  FROM sync_identity AS i
"""
CHANGE_GROUP = """
UPDATE class_group
   SET name = ?2, deleted_at_ms = ?3, version = version + 1, updated_at_ms = ?4
 WHERE id = ?1
"""
GROUPS = "SELECT id, name, deleted_at_ms FROM class_group ORDER BY id"
STATE = """
SELECT i.contact_at_ms, i.recovery_due OR i.remark_tbl IS NOT NULL,
       (SELECT count(*) FROM sync_dirty)
       + coalesce((SELECT sum(s.cur_n - s.applied_n)
                     FROM sync_stream AS s
                    WHERE s.epoch = i.epoch), 0)
  FROM sync_identity AS i
"""


Work = Callable[["Board", Transaction, Random, Lineage], None]


class Board:
    """One card in one board. `book` is what all boards of the school have committed."""

    def __init__(self, data_dir: Path, book: Lineage, *, env: Mapping[str, str] = NOTHING) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self.data_dir: Final = data_dir
        self.database: Final = data_dir / "school.db"
        self.book: Final = book
        self.env: Final = {"DARASA_DATA_DIR": str(data_dir), **env}
        log = data_dir.parent / f"{data_dir.name}-agent.log"
        command = [PYTHON, "-m", "sync.agent", "run"]
        self.agent: Final = Process(f"agent {data_dir.name}", command, env=self.env, log=log)
        self.school: SmallSchool | None = None

    def make_school(self) -> None:
        """Claim it: a key, and one class with a task; every value of it is written down."""
        make_node_key(self.data_dir / "keys")
        self.school = make_small_school(self.database, PUPILS)
        with closing(open_connection(self.database, role="writer")) as connection:
            connection.execute("BEGIN IMMEDIATE")
            add_roles(Transaction(connection), self.school)
            connection.execute("COMMIT")
        self.note_school()

    def note_school(self) -> None:
        """Write down the values that are there from the beginning."""
        with closing(AgentDatabase(self.database)) as db:
            for pk, name, _ in db.tuples(GROUPS):
                self.book.writes[str(name)] = Write(str(name), bytes(pk), None, is_deleted=False)

    def take_school(self, of: "Board") -> None:
        """Be another board of a school; its rows come from the hub."""
        self.school = of.school

    def clone(self, data_dir: Path) -> "Board":
        """The same card in another board: database, keys and all."""
        twin = Board(data_dir, self.book, env={k: v for k, v in self.env.items() if "DIR" not in k})
        twin.school = self.school
        copy_tree(self.data_dir, data_dir)
        return twin

    def command(self, *words: str) -> str:
        """Run one command of `darasa-agent` on this card, and return what it said."""
        ran = subprocess.run(
            [PYTHON, "-m", "sync.agent", *words],
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode != 0:
            raise AssertionError(f"darasa-agent {words[0]}: {ran.stdout}{ran.stderr}")
        return ran.stdout

    def work(self, dice: Random, writes: int) -> None:
        """A lesson: everything in it is committed here before it is written down."""
        self._commit(dice, [dice.choice(WORKS) for _ in range(writes)])

    def change_groups(self, dice: Random, writes: int) -> None:
        """Open classes, rename, close and open them again; nobody reads or hands in."""
        self._commit(dice, [dice.choice(GROUP_WORKS) for _ in range(writes)])

    def _commit(self, dice: Random, works: Sequence[Work]) -> None:
        with closing(open_connection(self.database, role="writer")) as connection:
            for work in works:
                note = Lineage()
                connection.execute("BEGIN IMMEDIATE")
                work(self, Transaction(connection), dice, note)
                connection.execute("COMMIT")
                self.book.writes |= note.writes
                self.book.facts |= note.facts

    def report(self, tx: Transaction, dice: Random, note: Lineage) -> None:
        """A pupil reads on."""
        assert self.school is not None
        pupil, pk, now_ms = dice.choice(self.school.pupils), new_id(), system_clock()
        percent = dice.randrange(101)
        where = (pupil.enrolment_id, self.school.section_id, pupil.person_id)
        tx.run(FACT, (pk, *where, percent, now_ms))
        note.facts[pk.bytes] = ("progress_fact", percent)

    def hand_in(self, tx: Transaction, dice: Random, note: Lineage) -> None:
        """A pupil hands in, and it is marked at once."""
        assert self.school is not None
        pupil, now_ms = dice.choice(self.school.pupils), system_clock()
        submission, revision, grade = new_id(), new_id(), new_id()
        words, comment = f"Maji ni uhai {revision.hex}", f"Vizuri {grade.hex}"
        tx.run(SUBMISSION, (submission, self.school.assessment_id, pupil.person_id, now_ms))
        tx.run(REVISION, (revision, submission, pupil.person_id, words, now_ms))
        tx.run(GRADE, (grade, submission, pupil.person_id, comment, now_ms))
        note.facts[revision.bytes] = ("submission_revision", words)
        note.facts[grade.bytes] = ("grade", comment)

    def open_group(self, tx: Transaction, dice: Random, note: Lineage) -> None:
        """A new class."""
        pk, name = new_id(), new_name(dice)
        tx.run(NEW_GROUP, (pk, name, system_clock()))
        note.writes[name] = Write(name, pk.bytes, None, is_deleted=False)

    def change_group(self, tx: Transaction, dice: Random, note: Lineage) -> None:
        """Rename, close or open again one of the classes that this board and the book know."""
        with closing(AgentDatabase(self.database)) as db:
            known = [each for each in db.tuples(GROUPS) if each[1] in self.book.writes]
        if not known:
            self.open_group(tx, dice, note)
            return
        pk, before, _ = dice.choice(known)
        name, gone = new_name(dice), dice.random() < 1 / 3
        now_ms = system_clock()
        tx.run(CHANGE_GROUP, (bytes(pk), name, now_ms if gone else None, now_ms))
        note.writes[name] = Write(name, bytes(pk), str(before), is_deleted=gone)

    def propose(self, writes: int) -> None:
        """Write what boxes of 0.1.0 had no table for."""
        assert self.school is not None
        with closing(open_connection(self.database, role="writer")) as connection:
            for _ in range(writes):
                pk, person = new_id(), self.school.pupils[0].person_id
                connection.execute("BEGIN IMMEDIATE")
                Transaction(connection).run(PROPOSAL, (pk, person, pk.hex, system_clock()))
                connection.execute("COMMIT")
                self.book.facts[pk.bytes] = ("proposal", pk.hex)

    def is_quiet(self, since_ms: int) -> bool:
        """Whether the hub has answered since, nothing waits, and nothing is owed."""
        with closing(AgentDatabase(self.database)) as db:
            contact_at_ms, is_owing, waiting = db.tuples(STATE)[0]
        return (contact_at_ms or 0) >= since_ms and not is_owing and not waiting

    def restart(self) -> None:
        """End the agent and start it again: it says hello at once."""
        self.agent.stop()
        self.agent.start()


def add_roles(tx: Transaction, school: SmallSchool) -> None:
    """An administrator, and that the pupils are pupils."""
    admin, now_ms = new_id(), system_clock()
    tx.run(ADMIN, (admin, school.school_id, now_ms))
    tx.run(ROLE, (new_id(), admin, "school_admin", school.school_id, now_ms))
    for pupil in school.pupils:
        tx.run(ROLE, (new_id(), pupil.person_id, "learner", school.school_id, now_ms))


GROUP_WORKS: Final = (Board.open_group, Board.change_group)
WORKS: Final = (Board.report, Board.report, Board.hand_in, *GROUP_WORKS)


def new_id() -> UUID:
    return uuid7(system_clock())


def new_name(dice: Random) -> str:
    """A name that no other value carries."""
    return f"{dice.choice(('7B', 'Kidato', 'الصف', 'Lớp'))} {new_id().hex}"


def copy_tree(here: Path, there: Path) -> None:
    """Copy a card whose agent is not running."""
    subprocess.run(["cp", "-a", f"{here}/.", str(there)], check=True)


def wait_quiet(boards: Sequence[Board], *, within_s: float) -> bool:
    """Start every agent anew and wait until it has said all; False when one has not."""
    since_ms, deadline = system_clock(), time.monotonic() + within_s
    for board in boards:
        board.restart()
    while not all(board.is_quiet(since_ms) for board in boards):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
