"""Which rows of a set PostgreSQL will not take, found all at once.

Cutting a set in halves finds one bad row among thousands quickly, and thousands of bad rows
in minutes, with the school locked. So the schema's own constraints are asked of the whole
set first; halves are for what they do not explain.
"""

from typing import Final, LiteralString

import asyncpg

from sync.hub.database import Link
from sync.hub.intake.staging import Batch
from sync.hub.intake.statements import statements

HOLDS_NUL: Final = "CharacterNotInRepertoireError"  # what PostgreSQL calls a text with a NUL

UNFIT_ROWS: Final[LiteralString] = "SELECT u.ord, u.why FROM unfit_rows($1, $2) AS u"


async def unfit_rows(
    connection: Link, batch: Batch, error: asyncpg.PostgresError
) -> dict[int, str]:
    """Place of each row that explains `error`, and why; empty when none does."""
    if isinstance(error, asyncpg.DataError):
        return {at: HOLDS_NUL for at, row in enumerate(batch.rows) if any(map(holds_nul, row))}
    return await _refused_by_constraints(connection, batch)


def holds_nul(value: object) -> bool:
    """Whether a text holds the one character PostgreSQL has no place for."""
    return isinstance(value, str) and "\0" in value


async def _refused_by_constraints(connection: Link, batch: Batch) -> dict[int, str]:
    sql = statements(batch.table.name, batch.names, is_whole=bool(batch.strangers))
    async with connection.transaction():
        await connection.execute(sql.stage)
        await connection.copy_records_to_table(
            sql.stage_name, records=batch.records(), columns=sql.stage_columns
        )
        found = await connection.fetch(UNFIT_ROWS, sql.stage_name, batch.table.name)
        await connection.execute(sql.unstage)
    return {row["ord"] - 1: row["why"] for row in found}
