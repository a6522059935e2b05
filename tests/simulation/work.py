"""What the school does: rows made, changed, deleted and made again, facts, found-or-created."""

from typing import Final

from sync.agent.rows import READ_ROW
from sync.merge import row_hash
from sync.registry import TABLE

LIVE_GROUPS: Final = """
SELECT id
  FROM class_group
 WHERE deleted_at_ms IS NULL
 ORDER BY id
"""
DELETED_GROUPS: Final = """
SELECT id
  FROM class_group
 WHERE deleted_at_ms IS NOT NULL
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
DELETE_GROUP: Final = """
UPDATE class_group
   SET deleted_at_ms = ?2, version = version + 1, updated_at_ms = ?2
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
ADD_COURSE: Final = """
INSERT INTO course (id, org_id, code, title, language, version, updated_at_ms)
VALUES (?1, ?2, 'algebra', 'Algebra', 'sw', 1, ?3)
"""
PUT_GRADE: Final = """
INSERT INTO grade (id, submission_id, person_id, seq, points_mp, comment, state, by_person_id,
                   graded_at_ms)
VALUES (?1, ?1, ?2, 1, ?3, ?4, 'provisional', ?2, ?5)
"""

SHARED_NAMES: Final = ("Kidato 1", "الصف الأول", "Lớp 6")


class Work:
    """The school's own hand in the world. Every text is new, so every image is its own value."""

    def __init__(self, world):
        self.world = world
        self.dice = world.dice
        self.number = 0

    def found_school(self, board):
        """The rows a claim makes."""
        school, now_ms = board.school_id.bytes, self.world.now_ms
        self.person = self.dice.randbytes(16)
        self.commit(board, "org_unit", school, (ADD_SCHOOL, (school, now_ms)))
        person = (self.person, school, "Amina Otieno", now_ms)
        self.commit(board, "person", self.person, (ADD_PERSON, person))
        self.world.first_image = board.image()

    def do_something(self, board):
        self.dice.choice(
            (
                self.add_group,
                self.change_group,
                self.change_group,
                self.delete_group,
                self.revive_group,
                self.hand_in,
                self.hand_in,
                self.find_or_create_group,
            )
        )(board)

    def add_group(self, board):
        self._add(board, self._text())

    def _add(self, board, name):
        pk = self.dice.randbytes(16)
        args = (pk, board.school_id.bytes, name, self.world.now_ms)
        self.commit(board, "class_group", pk, (ADD_GROUP, args))
        return pk

    def change_group(self, board):
        pk = self._any(board, LIVE_GROUPS)
        if pk is not None:
            args = (pk, self._text(), self.world.now_ms)
            self.commit(board, "class_group", pk, (RENAME_GROUP, args))

    def delete_group(self, board):
        pk = self._any(board, LIVE_GROUPS)
        if pk is not None:
            self.commit(board, "class_group", pk, (DELETE_GROUP, (pk, self.world.now_ms)))

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
        pk = self.dice.randbytes(16)
        args = (pk, self.person, self.dice.randrange(100), self._text(), self.world.now_ms)
        self.commit(board, "grade", pk, (PUT_GRADE, args))

    def commit(self, board, name, pk, statement):
        """Write one row; the oracle hears of it before COMMIT and of its success after."""
        oracle = self.world.oracle
        with board.writing() as execute:
            parent = image_key(name, execute(READ_ROW[name], (pk,)).fetchall())
            execute(*statement)
            key = image_key(name, execute(READ_ROW[name], (pk,)).fetchall())
            oracle.tried(key, parent)
        oracle.acknowledged(key)
        self.world.counts["writes"] += 1

    def _any(self, board, sql):
        found = board.db.tuples(sql)
        return self.dice.choice(found)[0] if found else None

    def _text(self):
        self.number += 1
        return f"{self.dice.choice(('Darasa', 'Classe', 'صف'))} {self.number}"


def image_key(name, found):
    """What the oracle knows an image by; None where there is no row."""
    return (name, found[0][0], row_hash(TABLE[name], found[0])) if found else None
