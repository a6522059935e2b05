"""The merge of one table in PostgreSQL, written from the registry: merge.judge as sets.

The rows of a block stand in a temporary table `stage_<table>`. Under the school's lock
there is no second writer, so first what is new is inserted, then everything that was
there before (change_no <= $3) is judged, kept aside where two epochs met, and updated.

Columns that were not sent are named nowhere: a new row takes the table's default, a row
that is there keeps what it has.
"""

from functools import lru_cache
from typing import Final

from msgspec import Struct

from sync.registry import TABLE, ColumnType, Table

POSTGRES_TYPE: Final[dict[ColumnType, str]] = {
    "id": "uuid",
    "int": "bigint",
    "text": "text",
    "blob": "bytea",
}


SHAPES_MAX: Final = 256  # one a table and release; a hostile box may invent more


class Statements(Struct, frozen=True, kw_only=True):
    """The SQL of one table as one release sends it.

    $1 school, $2 epoch, $3 change number before, $4 now.
    """

    stage_name: str
    stage_columns: tuple[str, ...]
    stage: str
    unstage: str
    add: str
    insert: str
    judge: str
    displaced: str
    outranked: str
    update: str
    keep_whole: str
    note_holder: str
    settle: str


@lru_cache(SHAPES_MAX)
def statements(table_name: str, names: tuple[str, ...], *, is_whole: bool = False) -> Statements:
    """Write the SQL for these columns of a table; `is_whole`: the rows as sent stand beside."""
    table = TABLE[table_name]
    sent = [column for column in table.columns if column.name in names]
    typed = [f"{column.name} {POSTGRES_TYPE[column.type]}" for column in sent]
    typed += ["row_hash bytea", "ord bigint", *(["image bytea"] if is_whole else [])]
    stage = f"stage_{table.name}"
    return Statements(
        stage_name=stage,
        stage_columns=(*names, "row_hash", "ord", *(["image"] if is_whole else [])),
        # ON COMMIT DROP is the one kind a transaction pooler allows.
        stage=f"CREATE TEMPORARY TABLE {stage} ({', '.join(typed)}) ON COMMIT DROP",
        unstage=f"DROP TABLE {stage}",
        add=_add(table, names),
        insert=_add(table, names) + " ON CONFLICT (school_id, id) DO NOTHING",
        judge=_judge(table),
        displaced=_displaced(table),
        outranked=_outranked(table, names, "s.image" if is_whole else "NULL::bytea"),
        update=_update(table, names),
        keep_whole=_keep_whole(table),
        note_holder=_note_holder(table),
        settle=_settle(table),
    )


def _add(table: Table, names: tuple[str, ...]) -> str:
    return f"""
INSERT INTO {table.name} (school_id, {", ".join(names)}, row_hash, src_epoch, change_no,
                          received_at_ms)
SELECT $1, {_of("s", names)}, s.row_hash, $2, $3 + s.ord, $4
  FROM stage_{table.name} AS s
"""  # noqa: S608 -- names from the registry


def _judge(table: Table) -> str:
    """Count what was there before; the same words as merge.judge."""
    return f"""
SELECT count(*) FILTER (WHERE j.is_same)                                           AS duplicate,
       count(*) FILTER (WHERE NOT j.is_same AND j.is_concurrent)                   AS conflict,
       count(*) FILTER (WHERE NOT j.is_same AND NOT j.is_concurrent AND j.is_later)
                                                                                   AS updated,
       count(*) FILTER (WHERE NOT j.is_same AND NOT j.is_concurrent AND NOT j.is_later)
                                                                                   AS superseded,
       count(*) FILTER (WHERE j.is_later)                                          AS later
  FROM (SELECT {_order(table, "s")} = {_order(table, "t")} AS is_same,
               {_order(table, "s")} > {_order(table, "t")} AS is_later,
               {_concurrent(table)} AS is_concurrent
          FROM stage_{table.name} AS s
          JOIN {table.name} AS t
            ON t.school_id = $1
           AND t.id        = s.id
         WHERE t.change_no <= $3) AS j
"""  # noqa: S608 -- names from the registry


def _displaced(table: Table) -> str:
    """The stored image of each conflict that gives way, and what was sent with it."""
    names = tuple(column.name for column in table.columns)
    return f"""
SELECT {_of("t", names)}, t.row_hash, t.src_epoch, x.image
  FROM stage_{table.name} AS s
  JOIN {table.name} AS t
    ON t.school_id = $1
   AND t.id        = s.id
  LEFT JOIN sync_extra AS x
    ON x.school_id = $1
   AND x.tbl       = {table.number}
   AND x.pk        = t.id
   AND x.row_hash  = t.row_hash
 WHERE t.change_no <= $3
   AND {_order(table, "s")} > {_order(table, "t")}
   AND {_concurrent(table)}
"""  # noqa: S608 -- names from the registry


def _outranked(table: Table, names: tuple[str, ...], image: str) -> str:
    """The incoming image of each conflict that stays behind."""
    return f"""
SELECT {_of("s", names)}, s.row_hash, $2::uuid AS src_epoch, {image} AS image
  FROM stage_{table.name} AS s
  JOIN {table.name} AS t
    ON t.school_id = $1
   AND t.id        = s.id
 WHERE t.change_no <= $3
   AND {_order(table, "s")} < {_order(table, "t")}
   AND {_concurrent(table)}
"""  # noqa: S608 -- names from the registry


def _update(table: Table, names: tuple[str, ...]) -> str:
    changed = ",\n       ".join(f"{name} = s.{name}" for name in names if name != "id")
    return f"""
UPDATE {table.name} AS t
   SET {changed},
       row_hash = s.row_hash, src_epoch = $2, change_no = $3 + s.ord, received_at_ms = $4
  FROM stage_{table.name} AS s
 WHERE t.school_id  = $1
   AND t.id         = s.id
   AND t.change_no <= $3
   AND {_order(table, "s")} > {_order(table, "t")}
"""  # noqa: S608 -- names from the registry


def _keep_whole(table: Table) -> str:
    """Keep the rows as sent whose image is the current one now. $2: what has no place here."""
    return f"""
INSERT INTO sync_extra (school_id, tbl, pk, row_hash, columns, image)
SELECT $1, {table.number}, s.id, s.row_hash, $2, s.image
  FROM stage_{table.name} AS s
  JOIN {table.name} AS t
    ON t.school_id = $1
   AND t.id        = s.id
   AND t.row_hash  = s.row_hash
    ON CONFLICT (school_id, tbl, pk) DO UPDATE
   SET row_hash = excluded.row_hash,
       columns  = excluded.columns,
       image    = excluded.image
"""  # noqa: S608 -- names from the registry


def _note_holder(table: Table) -> str:
    """Note that another epoch holds the current image: it sent the same again (merge.Image)."""
    return f"""
INSERT INTO sync_holder (school_id, tbl, pk, epoch, row_hash)
SELECT $1, {table.number}, t.id, $2, t.row_hash
  FROM stage_{table.name} AS s
  JOIN {table.name} AS t
    ON t.school_id = $1
   AND t.id        = s.id
 WHERE t.change_no <= $3
   AND t.src_epoch <> $2
   AND {_order(table, "s")} = {_order(table, "t")}
    ON CONFLICT (school_id, tbl, pk) DO UPDATE
   SET epoch    = excluded.epoch,
       row_hash = excluded.row_hash
"""  # noqa: S608 -- names from the registry


def _settle(table: Table) -> str:
    """A row that has been merged answers for an earlier image of its own lineage.

    Not for one of another epoch: that may be its rival; and not for one that came later, when
    somebody has let the earlier in. Either would be nowhere any more. $3 epoch, $4 lane, $5 n.
    """
    return f"""
UPDATE sync_quarantine AS q
   SET resolved_at_ms = $2
  FROM stage_{table.name} AS s
 WHERE q.school_id = $1
   AND q.tbl       = '{table.name}'
   AND q.pk        = s.id
   AND q.epoch     = $3
   AND q.lane      = $4
   AND q.n        <= $5
   AND q.resolved_at_ms IS NULL
"""  # noqa: S608 -- names from the registry


def _order(table: Table, alias: str) -> str:
    if table.is_fact:
        return f"{alias}.row_hash"
    return f"({alias}.owner_epoch, {alias}.version, {alias}.row_hash)"


def _concurrent(table: Table) -> str:
    """Two images of a fact carry equal counters, so neither is the other's past.

    The comparison that is always true keeps $2 in use: PostgreSQL asks for its type.
    """
    if table.is_fact:
        return "$2::uuid IS NOT NULL"
    return f"""(t.src_epoch <> $2 AND NOT EXISTS (SELECT 1
                                                    FROM sync_holder AS h
                                                   WHERE h.school_id = $1
                                                     AND h.tbl       = {table.number}
                                                     AND h.pk        = t.id
                                                     AND h.epoch     = $2
                                                     AND h.row_hash  = t.row_hash)
                OR (s.owner_epoch, s.version) = (t.owner_epoch, t.version))"""  # noqa: S608 -- names from the registry


def _of(alias: str, names: tuple[str, ...]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)
