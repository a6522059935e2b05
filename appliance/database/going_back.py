"""What a file says about older programs: from which schema on one can still work with it.

Kept in the file itself, one number a migration, written in the migration's own transaction: a
program of the release before has no other way to know what a later one has done.
"""

from typing import Final, LiteralString

import apsw

from appliance.database.faults import SchemaTooNew
from appliance.database.transaction import Transaction

CREATE_SCHEMA_MIGRATION: Final[LiteralString] = """
CREATE TABLE IF NOT EXISTS schema_migration (
    version       INTEGER NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    checksum      BLOB    NOT NULL CHECK (length(checksum) = 32),
    applied_at_ms INTEGER NOT NULL,
    took_ms       INTEGER NOT NULL,
    works_from    INTEGER
) STRICT
"""

# Files of 0.2.0 have the table without it.
ADD_WORKS_FROM: Final[LiteralString] = """
ALTER TABLE schema_migration ADD COLUMN works_from INTEGER
"""

HAS_WORKS_FROM: Final[LiteralString] = """
SELECT count(*)
  FROM pragma_table_info('schema_migration')
 WHERE name = 'works_from'
"""

WORKS_FROM: Final[LiteralString] = """
SELECT max(ifnull(works_from, version))
  FROM schema_migration
HAVING max(version) = ?1
"""


def make_record(transaction: Transaction) -> None:
    """Make the table of what was applied, and its last column where that is missing."""
    transaction.run(CREATE_SCHEMA_MIGRATION)
    if not transaction.value(HAS_WORKS_FROM):
        transaction.run(ADD_WORKS_FROM)


def require_workable(connection: apsw.Connection, *, knows: int) -> None:
    """Raise SchemaTooNew unless a program that knows so many migrations can work on the file.

    A file that does not say needs its own release.
    """
    version = int(connection.pragma("user_version"))
    if version <= knows:
        return
    is_told = connection.execute(HAS_WORKS_FROM).get
    works_from = connection.execute(WORKS_FROM, (version,)).get if is_told else version
    if not isinstance(works_from, int) or works_from > knows:
        raise SchemaTooNew(f"the file has schema {version}, this program knows {knows}")
