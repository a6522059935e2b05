"""Looking at two versions of a row, and putting the kept one back.

A restore is the one command that may write any of the school's tables: it writes values the
row had, as a new version, and nothing else. Capture, rules of ownership and the district see
an ordinary change.
"""

from typing import Final, LiteralString
from uuid import UUID

from appliance.database.faults import DistrictOwned
from appliance.database.transaction import Transaction
from appliance.district.faults import ChangedMeanwhile, NothingToRestore
from appliance.district.versions import (
    FACTS,
    TABLES,
    VersionDetail,
    current_of,
    image_of,
    packed,
    version_detail,
)

OWNS: Final = ("conflict_look",)

NOTE_LOOK: Final[LiteralString] = """
INSERT INTO conflict_look (tbl, pk, row_hash, outcome, by_person_id, at_ms, replaced)
SELECT c.tbl, c.pk, c.row_hash, ?2, ?3, ?4, ?5
  FROM sync_conflict AS c
 WHERE c.id = ?1
    ON CONFLICT (tbl, pk, row_hash) DO UPDATE
   SET outcome      = excluded.outcome,
       by_person_id = excluded.by_person_id,
       at_ms        = excluded.at_ms,
       replaced     = coalesce(excluded.replaced, conflict_look.replaced)
"""


def restore_sql(name: str, own: str) -> LiteralString:
    """Write a row's own columns, in the order of TABLES, and when it was deleted."""
    columns = [*own.split()[1:], "deleted_at_ms"]
    values = ",\n       ".join(f"{column} = ?{at}" for at, column in enumerate(columns, start=4))
    return f"""
UPDATE {name}
   SET {values},
       version = version + 1,
       updated_at_ms = ?3
 WHERE id      = ?1
   AND version = ?2
"""  # noqa: S608 -- names from TABLES


RESTORE: Final = {
    number: restore_sql(name, own) for number, (name, own) in TABLES.items() if name not in FACTS
}


def restore_version(
    tx: Transaction, person_id: UUID, conflict_id: int, version: int, *, now_ms: int
) -> None:
    """Put the kept version back as a new one; what was in use until now is kept with the look.

    Raises NotFound, NothingToRestore, DistrictOwned, and ChangedMeanwhile when the row is not
    the version that was looked at.
    """
    detail = version_detail(tx, conflict_id)
    table = _restorable(detail)
    image, before = image_of(tx, conflict_id), current_of(tx, detail.row)
    columns = [*TABLES[table][1].split()[1:], "deleted_at_ms"]
    values = [image.get(column) for column in columns]
    if detail.version != version or not tx.run(
        RESTORE[table], (detail.row.pk, version, now_ms, *values)
    ):
        raise ChangedMeanwhile(f"row {detail.row.pk} is at version {detail.version}")
    tx.run(NOTE_LOOK, (conflict_id, "restored", person_id, now_ms, packed(before)))


def leave_version(tx: Transaction, person_id: UUID, conflict_id: int, *, now_ms: int) -> None:
    """Note that somebody looked and left everything as it is. Raises NotFound."""
    version_detail(tx, conflict_id)
    tx.run(NOTE_LOOK, (conflict_id, "left", person_id, now_ms, None))


def _restorable(detail: VersionDetail) -> int:
    if detail.is_districts:
        raise DistrictOwned(detail.row.what)
    if detail.version is None:
        raise NothingToRestore(f"a {detail.row.what} is never changed")
    return detail.row.tbl
