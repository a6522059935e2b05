"""What the school does: rows made, changed, deleted and made again, facts, found-or-created."""

from collections import defaultdict
from typing import Final

from sync.agent.rows import READ_ROW
from sync.merge import row_hash
from sync.registry import TABLE
from tests.simulation.board import BORN_MS
from tests.simulation.district import names
from tests.simulation.files import SHARED, hand_in_file

LIVE_PEOPLE: Final = """
SELECT id
  FROM person
 WHERE state = 'active' AND deleted_at_ms IS NULL AND owner_node_id IS NULL
 ORDER BY id
"""
RENAME_PERSON: Final = """
UPDATE person
   SET display_name = ?2, version = version + 1, updated_at_ms = ?3
 WHERE id = ?1
"""
LIVE_GROUPS: Final = """
SELECT id
  FROM class_group
 WHERE deleted_at_ms IS NULL AND owner_node_id IS NULL
 ORDER BY id
"""
DELETED_GROUPS: Final = """
SELECT id
  FROM class_group
 WHERE deleted_at_ms IS NOT NULL AND owner_node_id IS NULL
 ORDER BY id
"""
NAMED_GROUP: Final = """
SELECT id
  FROM class_group
 WHERE org_id = ?1 AND name = ?2
"""
ADD_GROUP: Final = """
INSERT INTO class_group (id, org_id, name, version, updated_at_ms)
VALUES (?1, ?2, ?3, 1, ?4)
"""
RENAME_GROUP: Final = """
UPDATE class_group
   SET name = ?2, version = version + 1, updated_at_ms = ?3
 WHERE id = ?1
"""
LABEL_GROUP: Final = """
UPDATE class_group
   SET source_id = ?2, version = version + 1, updated_at_ms = ?3
 WHERE id = ?1
"""
DELETE_GROUP: Final = """
UPDATE class_group
   SET deleted_at_ms = ?2, version = version + 1, updated_at_ms = ?3
 WHERE id = ?1
"""
REVIVE_GROUP: Final = """
UPDATE class_group
   SET deleted_at_ms = NULL, name = ?2, version = version + 1, updated_at_ms = ?3
 WHERE id = ?1
"""
ADD_SCHOOL: Final = """
INSERT INTO org_unit (id, kind, name, locale, version, updated_at_ms)
VALUES (?1, 'school', 'Shule ya Uhuru', 'sw', 1, ?2)
"""
ADD_PERSON: Final = """
INSERT INTO person (id, org_id, display_name, locale, state, version, updated_at_ms)
VALUES (?1, ?2, ?3, 'sw', 'active', 1, ?4)
"""
PUT_GRADE: Final = """
INSERT INTO grade (id, submission_id, person_id, seq, points_mp, comment, state, by_person_id,
                   graded_at_ms)
VALUES (?1, ?1, ?2, 1, ?3, ?4, 'provisional', ?6, ?5)
"""
PUT_SAMPLE: Final = """
INSERT INTO health_sample (id, at_ms, clock_quality, disk_free_bytes, database_bytes, wal_bytes,
                           memory_bytes, temperature_mc, clients_max)
VALUES (?1, ?2, 1, 1000, 1000, 1000, 1000, 40000, 7)
"""

PEOPLE: Final = ("Amina Otieno", "José Álvarez-Núñez", "نور الهدى", "Nguyễn Thị Ánh")
SHARED_NAMES: Final = ("Kidato 1", "الصف الأول", "Lớp 6")
DAY_MS: Final = 86_400_000
REPEATABLE_MAX: Final = 6
SHARED_FILES: Final = 0.3


class Work:
    """The school's own hand in the world. Every text is new, so every image is its own value.

    Instants that are content come from the dice: what happened, happened then, whatever the
    clocks of the machines say (I11).
    """

    def __init__(self, world):
        self.world = world
        self.dice = world.dice
        self.number = 0
        self.ids = []
        self.told = defaultdict(list)  # person -> texts about them, each its own
        self.by_name = {
            "add": self.add_group,
            "change": self.change_group,
            "label": self.label_group,
            "delete": self.delete_group,
            "revive": self.revive_group,
            "hand_in": self.hand_in,
            "meet": self.meet,
            "rename": self.rename,
            "find": self.find_or_create_group,
            "measure": self.measure,
            "attach": self.attach,
            "repeat_id": self.repeat_id,
            "poison": self.poison,
            "misfile": self.misfile,
        }

    def found_school(self, board):
        """The rows a claim makes."""
        school, now_ms = board.school_id.bytes, self.world.now_ms
        self.commit(board, "org_unit", school, (ADD_SCHOOL, (school, now_ms)))
        self.meet(board)

    def do_something(self, board):
        self.by_name[self.dice.choice(self.world.mix.works)](board)

    def meet(self, board):
        """Somebody comes to the school."""
        self._add_person(board, self._name())

    def _add_person(self, board, name):
        pk = self.dice.randbytes(16)
        args = (pk, board.school_id, name, self.world.now_ms)
        self.told[pk].append(name)
        self.commit(board, "person", pk, (ADD_PERSON, args))

    def rename(self, board):
        pk = self._any(board, LIVE_PEOPLE)
        if pk is not None:
            self.told[pk].append(name := self._name())
            self.commit(board, "person", pk, (RENAME_PERSON, (pk, name, self.world.now_ms)))

    def add_group(self, board):
        self._add(board, self._text())

    def _add(self, board, name, school=None):
        pk = self.dice.randbytes(16)
        args = (pk, (school or board.school_id).bytes, name, self.world.now_ms)
        self.commit(board, "class_group", pk, (ADD_GROUP, args))

    def change_group(self, board):
        pk = self._any(board, LIVE_GROUPS)
        if pk is not None:
            args = (pk, self._text(), self.world.now_ms)
            self.commit(board, "class_group", pk, (RENAME_GROUP, args))

    def label_group(self, board):
        """In a column that not every release has."""
        pk = self._any(board, LIVE_GROUPS)
        if pk is not None:
            args = (pk, self._text(), self.world.now_ms)
            self.commit(board, "class_group", pk, (LABEL_GROUP, args))

    def delete_group(self, board):
        pk = self._any(board, LIVE_GROUPS)
        if pk is not None:
            args = (pk, self._moment(), self.world.now_ms)
            self.commit(board, "class_group", pk, (DELETE_GROUP, args))

    def revive_group(self, board):
        pk = self._any(board, DELETED_GROUPS)
        if pk is not None:
            args = (pk, self._text(), self.world.now_ms)
            self.commit(board, "class_group", pk, (REVIVE_GROUP, args))

    def find_or_create_group(self, board):
        """The same natural key again and again, also across a restore."""
        name = self.dice.choice(SHARED_NAMES)
        if board.db.value(NAMED_GROUP, (board.school_id, name)) is None:
            self._add(board, name)

    def hand_in(self, board):
        """A fact. Submission and person need not be there: the simulated box has no pages."""
        person = self._any(board, LIVE_PEOPLE)
        if person is None:
            self.meet(board)
        else:
            pk = self.dice.randbytes(16)
            self.ids = [*self.ids[-REPEATABLE_MAX:], (board.school_id, pk, person)]
            self._grade(board, pk, person)

    def attach(self, board):
        """A file with somebody's work; now and then one that others hand in, too."""
        person = self._any(board, LIVE_PEOPLE)
        if person is None:
            self.meet(board)
        elif self.dice.random() < SHARED_FILES:
            hand_in_file(self.world, board, person, self.dice.choice(SHARED).encode())
        else:
            self.told[person].append(text := f"{self._text()} {self.dice.randrange(10**20)}")
            text *= self.dice.randint(1, 3)
            hand_in_file(self.world, board, person, text.encode())

    def repeat_id(self, board):
        """A phone that heard no answer repeats an id, with other words, at another board."""
        ours = [rest for school_id, *rest in self.ids if school_id == board.school_id]
        if ours:
            pk, person = self.dice.choice(ours)
            is_here = (person,) in board.db.tuples(LIVE_PEOPLE)
            if is_here and ("grade", pk) not in board.look().rows:
                self._grade(board, pk, person)

    def _grade(self, board, pk, person):
        by = self._any(board, LIVE_PEOPLE)
        self.told[person].append(text := self._text())
        args = (pk, person, self.dice.randrange(100), text, self._moment(), by)
        self.commit(board, "grade", pk, (PUT_GRADE, args))

    def measure(self, board):
        """A sample of lane 1."""
        pk = self._next().to_bytes(6, "big") + self.dice.randbytes(10)  # in the order of making
        self.commit(board, "health_sample", pk, (PUT_SAMPLE, (pk, self._moment() + self._next())))

    def poison(self, board):
        """A row that SQLite takes and PostgreSQL does not."""
        if self.dice.random() < 0.7:
            self._add(board, f"{self._text()}\0")
        else:
            self._add_person(board, f"{self._name()}\0")

    def misfile(self, board):
        """A row that says it is another school's."""
        others = sorted({each.school_id for each in self.world.boards} - {board.school_id})
        if others:
            self._add(board, self._text(), self.dice.choice(others))

    def commit(self, board, name, pk, statement):
        """Write one row; the oracle hears of it before COMMIT and of its success after."""
        oracle = self.world.oracle
        with board.writing() as execute:
            parent = image_key(name, execute(READ_ROW[name], (pk,)).fetchall())
            execute(*statement)
            key = image_key(name, execute(READ_ROW[name], (pk,)).fetchall())
            oracle.tried(key, parent)
            oracle.subjects[name, pk] = subject_of(name, execute(READ_ROW[name], (pk,)).fetchall())
        oracle.acknowledged(key)
        self.world.counts["writes"] += 1
        self.world.check_captured(board)

    def _any(self, board, sql):
        found = board.db.tuples(sql)
        return self.dice.choice(found)[0] if found else None

    def _text(self):
        return f"{self.dice.choice(('Darasa', 'Classe', 'صف'))} {self._next():05}"

    def _name(self):
        return f"{self.dice.choice(PEOPLE)} {self._next():05}"

    def _next(self):
        self.number += 1
        return self.number

    def _moment(self):
        return BORN_MS - self.dice.randrange(5) * DAY_MS


def subject_of(name, found):
    """The person a row is about; None for nobody."""
    subject = TABLE[name].subject
    return None if subject is None else found[0][names(TABLE[name]).index(subject)]


def image_key(name, found):
    """What the oracle knows an image by; None where there is no row."""
    return (name, found[0][0], row_hash(TABLE[name], found[0])) if found else None
