"""What is synced: one declaration per table, and a reason for every table that is not.

Columns stand in the order of both migrations; a row's hash and its place in a
segment follow this order, so it may only grow at the end (before the five
columns every mutable table ends in, which are added here).
"""

from typing import Final, Literal

from msgspec import Struct

ColumnType = Literal["id", "int", "text", "blob"]


class Column(Struct, frozen=True):
    """A column: `id` is a UUID (16 bytes here, `uuid` at the hub).

    `since` is the box's migration that added it to a table already released. Such a column
    may be empty, and an empty one leaves no mark on the row's hash (sync/merge.py).
    """

    name: str
    type: ColumnType
    since: int = 0


class Table(Struct, frozen=True, kw_only=True):
    """How one table travels.

    `number` names the table in `sync_dirty` and never changes. `owner` is who writes it: the
    box, the hub, or whoever each row's `owner_node_id` names. `rank` orders
    sealing: 0 hand-ins and marks, 1 facts, 2 the rest. `day_of` is the instant
    that decides "newest school day first" within rank 0. `subject` is the column
    that names the person a row is about; erasure follows it. `since` is the box's migration
    that made the table: an older box is never sent rows of it.
    """

    number: int
    name: str
    columns: tuple[Column, ...]
    is_fact: bool
    owner: Literal["box", "hub", "row"]
    rank: Literal[0, 1, 2]
    privacy: Literal["P0", "P1", "P2", "P3"]
    retention: Literal["R0", "R1", "R2", "R3", "R5"]
    subject: str | None = None
    day_of: str | None = None
    has_receipt: bool = False
    lane: Literal[0, 1] = 0
    since: int = 1

    def known_at(self, schema_version: int) -> tuple[Column, ...]:
        """Columns a box of that schema has; none when it does not have the table."""
        if self.since > schema_version:
            return ()
        return tuple(column for column in self.columns if column.since <= schema_version)


VERSION_COLUMNS: Final = (
    Column("version", "int"),
    Column("owner_epoch", "int"),
    Column("owner_node_id", "id"),
    Column("updated_at_ms", "int"),
    Column("deleted_at_ms", "int"),
)


def _columns(spec: str) -> tuple[Column, ...]:
    """Read 'id:id org_id:id name:text' into columns; 'room:text:13' came with migration 13."""
    found = (word.split(":") for word in spec.split())
    return tuple(Column(name, kind, *map(int, since)) for name, kind, *since in found)  # type: ignore[arg-type]  # checked by tests against both schemas


def _mutable(
    number: int, name: str, spec: str, owner: Literal["hub", "row"] = "row", **rest: object
) -> Table:
    columns = _columns(spec) + VERSION_COLUMNS
    return Table(number=number, name=name, columns=columns, is_fact=False, owner=owner, **rest)  # type: ignore[arg-type]  # forwarded field by field


def _fact(number: int, name: str, spec: str, **rest: object) -> Table:
    columns = _columns(spec)
    return Table(number=number, name=name, columns=columns, is_fact=True, owner="box", **rest)  # type: ignore[arg-type]  # forwarded field by field


TABLES: Final = (
    _mutable(
        1,
        "org_unit",
        "id:id parent_id:id kind:text name:text locale:text",
        rank=2,
        privacy="P1",
        retention="R0",
    ),
    _mutable(
        2,
        "person",
        "id:id org_id:id display_name:text given_name:text family_name:text grade_level:text"
        " student_no:text source_id:text locale:text state:text",
        rank=2,
        privacy="P2",
        retention="R0",
        subject="id",
    ),
    _mutable(
        3,
        "role_assignment",
        "id:id person_id:id role:text scope_kind:text scope_id:id",
        rank=2,
        privacy="P2",
        retention="R0",
        subject="person_id",
    ),
    _mutable(
        4,
        "class_group",
        "id:id org_id:id name:text grade_level:text source_id:text",
        rank=2,
        privacy="P1",
        retention="R0",
    ),
    _mutable(
        5,
        "class_member",
        "id:id class_group_id:id person_id:id",
        rank=2,
        privacy="P2",
        retention="R0",
        subject="person_id",
    ),
    _mutable(
        6,
        "course",
        "id:id org_id:id code:text title:text language:text",
        rank=2,
        privacy="P1",
        retention="R5",
    ),
    _mutable(
        7,
        "course_version",
        "id:id course_id:id number:int state:text content_hash:blob",
        rank=2,
        privacy="P1",
        retention="R5",
    ),
    _mutable(
        8,
        "module",
        "id:id course_version_id:id title:text rank:int",
        rank=2,
        privacy="P0",
        retention="R5",
    ),
    _mutable(
        9, "lesson", "id:id module_id:id title:text rank:int", rank=2, privacy="P0", retention="R5"
    ),
    _mutable(
        10,
        "section",
        "id:id lesson_id:id title:text rank:int body:text",
        rank=2,
        privacy="P0",
        retention="R5",
    ),
    _mutable(
        11,
        "course_run",
        "id:id org_id:id course_version_id:id class_group_id:id state:text",
        rank=2,
        privacy="P1",
        retention="R0",
    ),
    _mutable(
        12,
        "enrolment",
        "id:id course_run_id:id person_id:id state:text",
        rank=2,
        privacy="P2",
        retention="R0",
        subject="person_id",
    ),
    _fact(
        13,
        "progress_fact",
        "id:id enrolment_id:id section_id:id person_id:id percent:int at_ms:int clock_quality:int",
        rank=1,
        privacy="P2",
        retention="R0",
        subject="person_id",
    ),
    _mutable(
        14,
        "assessment",
        "id:id course_run_id:id kind:text title:text instructions:text due_at_ms:int"
        " points_max_mp:int attempts_max:int",
        rank=2,
        privacy="P1",
        retention="R0",
    ),
    _mutable(
        15,
        "submission",
        "id:id assessment_id:id person_id:id attempt_no:int state:text submitted_at_ms:int"
        " late_ms:int clock_quality:int",
        rank=0,
        privacy="P2",
        retention="R0",
        subject="person_id",
        day_of="submitted_at_ms",
    ),
    _fact(
        16,
        "submission_revision",
        "id:id submission_id:id person_id:id rev:int body:text content_hash:blob saved_at_ms:int",
        rank=0,
        privacy="P2",
        retention="R1",
        subject="person_id",
        day_of="saved_at_ms",
        has_receipt=True,
    ),
    _fact(
        17,
        "grade",
        "id:id submission_id:id person_id:id seq:int points_mp:int comment:text state:text"
        " by_person_id:id graded_at_ms:int",
        rank=0,
        privacy="P2",
        retention="R0",
        subject="person_id",
        day_of="graded_at_ms",
        has_receipt=True,
    ),
    _mutable(
        18,
        "announcement",
        "id:id org_id:id title:text body:text from_at_ms:int until_at_ms:int",
        owner="hub",
        rank=2,
        privacy="P1",
        retention="R1",
        since=4,
    ),
    _mutable(
        19,
        "setting",
        "id:id org_id:id key:text value:text",
        owner="hub",
        rank=2,
        privacy="P1",
        retention="R0",
        since=4,
    ),
    _mutable(
        20,
        "command",
        "id:id org_id:id kind:text person_id:id payload:text by_person_id:id"
        " issued_at_ms:int expires_at_ms:int",
        owner="hub",
        rank=2,
        privacy="P2",
        retention="R1",
        subject="person_id",
        since=4,
    ),
    _fact(
        21,
        "command_result",
        "id:id command_id:id person_id:id state:text reason:text at_ms:int",
        rank=1,
        privacy="P2",
        retention="R1",
        subject="person_id",
        since=4,
    ),
    _fact(
        22,
        "proposal",
        "id:id kind:text about_id:id person_id:id payload:text by_person_id:id at_ms:int",
        rank=1,
        privacy="P2",
        retention="R1",
        subject="person_id",
        since=4,
    ),
    _mutable(
        23,
        "proposal_decision",
        "id:id proposal_id:id state:text reason:text at_ms:int",
        owner="hub",
        rank=2,
        privacy="P1",
        retention="R1",
        since=4,
    ),
    _mutable(
        24,
        "erasure",
        "id:id org_id:id at_ms:int",
        owner="hub",
        rank=2,
        privacy="P1",
        retention="R0",
        since=4,
    ),
    _fact(
        25,
        "erasure_answer",
        "id:id erasure_id:id node_id:id rows_erased:int at_ms:int",
        rank=1,
        privacy="P1",
        retention="R0",
        since=4,
    ),
    _fact(
        26,
        "attachment",
        "id:id submission_revision_id:id person_id:id name:text mime:text size_bytes:int"
        " sha256:blob saved_at_ms:int",
        rank=0,
        privacy="P2",
        retention="R1",
        subject="person_id",
        day_of="saved_at_ms",
        has_receipt=True,
        since=4,
    ),
    _fact(
        27,
        "health_sample",
        "id:id at_ms:int clock_quality:int disk_free_bytes:int database_bytes:int"
        " wal_bytes:int memory_bytes:int temperature_mc:int clients_max:int"
        " under_voltage:int:13 backup_away_at_ms:int:13 copy_checked_at_ms:int:13",
        rank=2,
        privacy="P0",
        retention="R2",
        lane=1,
        since=4,
    ),
)

TABLE: Final = {table.name: table for table in TABLES}
TABLE_NUMBERED: Final = {table.number: table for table in TABLES}
# A board that went back to this release may hold marks of tables that only a later one knows.
TABLE_NUMBER_MAX: Final = max(TABLE_NUMBERED)

NOT_SYNCED: Final = {
    "section_progress": "a projection: both sides compute it from progress_fact",
    "credential": "secrets never leave the box; a second box gets fresh PINs",
    "session": "lives a day, on this box only",
    "submission_draft": "unfinished words belong to the learner until handed in",
    "job_run": "this machine's own housekeeping",
    "hub_enrolment": "what this box asked of the hub, not what the school is",
    "schema_migration": "describes this file",
    "sync_identity": "the change log itself",
    "sync_stream": "the change log itself",
    "sync_dirty": "the change log itself",
    "sync_chain": "the change log itself",
    "sync_segment": "the change log itself",
    "sync_custody": "the change log itself",
    "sync_exception": "what the hub said of single rows, asked again at each hello",
    "sync_conflict": "kept on the side where two images met",
    "sync_blob": "which files the hub has; the files themselves travel beside the rows",
    "sync_scope": "how far this box has read what the hub writes",
    "sync_seen": "what a scope that is read anew has brought so far",
    "sync_parked": "rows of tables that only a later release has",
    "sync_budget": "what this box's own link cost, day by day",
    "sync_pruned": "which telemetry is no longer on this card",
    "sync_forgotten": "what this very file has done; a copy of the card must do it itself",
    "sync_check": "what the last comparison with the district found",
    "conflict_look": "who looked at two versions of a row on this box",
}
