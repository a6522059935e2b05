"""Writing, which happens on the writer's thread and nowhere else."""

from collections.abc import Iterable, Sequence
from typing import LiteralString

import apsw

from appliance.database.reader import Reader, Value


class Transaction(Reader):
    """What a command gets: a Reader that may also write.

    It exists only inside a writer's batch, so a write from a read path does not
    type-check, and everything a command does is kept or dropped as a whole.
    """

    def run(self, sql: LiteralString, args: Sequence[Value] = ()) -> int:
        """Run one statement to its end and return how many rows it changed."""
        for _ in self._connection.execute(sql, args):
            pass  # PRAGMA incremental_vacuum and RETURNING work only while they are stepped (T5)
        return self._connection.changes()

    def fits(self, sql: LiteralString, args: Sequence[Value] = ()) -> bool:
        """Run one statement; return False when a CHECK, a type or a trigger refuses the row."""
        try:
            self.run(sql, args)
        except apsw.ConstraintError:
            return False
        return True

    def run_many(self, sql: LiteralString, rows: Iterable[Sequence[Value]]) -> int:
        """Run one statement for each of `rows` and return how many rows changed in all."""
        return sum(self.run(sql, row) for row in rows)
