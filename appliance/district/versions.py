"""Rows of which this box keeps two versions: the one in use, and one that met it after a restore.

The box knows nothing of sync's registry, so what is needed of it stands here; a test
compares the two.
"""

from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from appliance.database.reader import Reader
from appliance.errors import NotFound
from appliance.web.versions import Pair, ids_in, side_by_side, table_words

PAGE: Final = 50
NEWEST: Final = (1 << 63) - 1

# What sync_conflict calls a table, and its own columns.
TABLES: Final = {
    1: ("org_unit", "id parent_id kind name locale"),
    2: (
        "person",
        (
            "id org_id display_name given_name family_name grade_level student_no source_id"
            " locale state"
        ),
    ),
    3: ("role_assignment", "id person_id role scope_kind scope_id"),
    4: ("class_group", "id org_id name grade_level source_id"),
    5: ("class_member", "id class_group_id person_id"),
    6: ("course", "id org_id code title language"),
    7: ("course_version", "id course_id number state content_hash"),
    8: ("module", "id course_version_id title rank"),
    9: ("lesson", "id module_id title rank"),
    10: ("section", "id lesson_id title rank body"),
    11: ("course_run", "id org_id course_version_id class_group_id state"),
    12: ("enrolment", "id course_run_id person_id state"),
    13: ("progress_fact", "id enrolment_id section_id person_id percent at_ms clock_quality"),
    14: (
        "assessment",
        "id course_run_id kind title instructions due_at_ms points_max_mp attempts_max",
    ),
    15: (
        "submission",
        "id assessment_id person_id attempt_no state submitted_at_ms late_ms clock_quality",
    ),
    16: ("submission_revision", "id submission_id person_id rev body content_hash saved_at_ms"),
    17: (
        "grade",
        "id submission_id person_id seq points_mp comment state by_person_id graded_at_ms",
    ),
    18: ("announcement", "id org_id title body from_at_ms until_at_ms"),
    19: ("setting", "id org_id key value"),
    20: ("command", "id org_id kind person_id payload by_person_id issued_at_ms expires_at_ms"),
    21: ("command_result", "id command_id person_id state reason at_ms"),
    22: ("proposal", "id kind about_id person_id payload by_person_id at_ms"),
    23: ("proposal_decision", "id proposal_id state reason at_ms"),
    24: ("erasure", "id org_id at_ms"),
    25: ("erasure_answer", "id erasure_id node_id rows_erased at_ms"),
    26: (
        "attachment",
        "id submission_revision_id person_id name mime size_bytes sha256 saved_at_ms",
    ),
    27: (
        "health_sample",
        (
            "id at_ms clock_quality disk_free_bytes database_bytes wal_bytes memory_bytes"
            " temperature_mc clients_max under_voltage backup_away_at_ms copy_checked_at_ms"
        ),
    ),
}
FACTS: Final = frozenset(
    {
        "progress_fact",
        "submission_revision",
        "grade",
        "command_result",
        "proposal",
        "erasure_answer",
        "attachment",
        "health_sample",
    }
)
KEPT_BY: Final = ("version", "owner_epoch", "owner_node_id", "updated_at_ms", "deleted_at_ms")


def columns_of(number: int) -> tuple[str, ...]:
    """Every column of a table; facts have none that say how they are kept."""
    name, own = TABLES[number]
    return (*own.split(), *(() if name in FACTS else KEPT_BY))


# One page, or the one that is asked for.
LISTED: Final[LiteralString] = """
SELECT c.id, c.tbl, c.pk, c.kept_at_ms, k.outcome, k.at_ms AS looked_at_ms,
       p.display_name AS looked_by_name
  FROM sync_conflict AS c
  LEFT JOIN conflict_look AS k
    ON k.tbl      = c.tbl
   AND k.pk       = c.pk
   AND k.row_hash = c.row_hash
  LEFT JOIN person AS p
    ON p.id = k.by_person_id
 WHERE c.id < ?1
   AND (?2 OR k.at_ms IS NULL)
   AND (?3 IS NULL OR c.id = ?3)
 ORDER BY c.id DESC
 LIMIT ?4
"""

IMAGE: Final[LiteralString] = """
SELECT image
  FROM sync_conflict
 WHERE id = ?1
"""

REPLACED: Final[LiteralString] = """
SELECT k.replaced
  FROM sync_conflict AS c
  JOIN conflict_look AS k
    ON k.tbl      = c.tbl
   AND k.pk       = c.pk
   AND k.row_hash = c.row_hash
 WHERE c.id = ?1
"""

NAME_OF: Final[LiteralString] = """
SELECT display_name
  FROM person
 WHERE id = ?1
"""

# The hub keeps the other version of these; its staff look at it there.
AT_DISTRICT: Final[LiteralString] = """
SELECT count(*)
  FROM sync_exception
 WHERE reason = 'conflict'
"""


def current_sql(number: int) -> LiteralString:
    """Read one row."""
    names = ", ".join(columns_of(number))
    return f"SELECT {names} FROM {TABLES[number][0]} WHERE id = ?1"  # noqa: S608 -- names from above


def shape_of(number: int) -> type[Struct]:
    """A Struct with a field for each column, as it comes from SQLite."""
    fields = [(name, object) for name in columns_of(number)]
    return msgspec.defstruct(f"Row{number}", fields, frozen=True)


CURRENT: Final = {number: current_sql(number) for number in TABLES}
SHAPE: Final = {number: shape_of(number) for number in TABLES}

Image = dict[str, Any]


class Version(Struct, frozen=True):
    """A row with two versions, in a list."""

    id: int
    tbl: int
    pk: UUID
    kept_at_ms: int
    outcome: str | None
    looked_at_ms: int | None
    looked_by_name: str | None

    @property
    def what(self) -> str:
        """What the row is, in a word."""
        return table_words(TABLES[self.tbl][0]) if self.tbl in TABLES else "row"


class VersionsListed(Struct, frozen=True, kw_only=True):
    """A page, newest first, and how many rows the district keeps another version of."""

    rows: list[Version]
    next_before: int | None
    at_district: int


class VersionDetail(Struct, frozen=True, kw_only=True):
    """Both versions. `version` is that of the row in use; None: it cannot be put back.

    `replaced`: beside the row in use, what was in use until a restore.
    """

    row: Version
    cells: list[Pair]
    replaced: list[Pair]
    version: int | None
    is_current_gone: bool
    is_districts: bool


def versions(db: Reader, before: int, *, is_all: bool) -> VersionsListed:
    """List rows nobody has looked at, or all."""
    found = db.rows(Version, LISTED, (before, is_all, None, PAGE + 1))
    at_district = db.value(AT_DISTRICT)
    assert isinstance(at_district, int)
    return VersionsListed(
        rows=found[:PAGE],
        next_before=found[PAGE - 1].id if len(found) > PAGE else None,
        at_district=at_district,
    )


def version_detail(db: Reader, conflict_id: int) -> VersionDetail:
    """Both versions of one row. Raises NotFound."""
    row = db.row(Version, LISTED, (NEWEST, True, conflict_id, 1))
    if row is None:
        raise NotFound(f"version {conflict_id}")
    other, current = image_of(db, conflict_id), current_of(db, row)
    before = _unpacked(db.value(REPLACED, (conflict_id,)))
    ids = ids_in(current, other, before)
    names = {pk: name for pk in ids if (name := _name(db, pk)) is not None}
    is_districts = current.get("owner_node_id") is not None
    may_restore = "version" in current and not is_districts
    return VersionDetail(
        row=row,
        cells=side_by_side(current, other, names),
        replaced=side_by_side(current, before, names) if before else [],
        version=current["version"] if may_restore else None,
        is_current_gone=not current,
        is_districts=is_districts,
    )


def image_of(db: Reader, conflict_id: int) -> Image:
    """The version that is kept beside."""
    return _unpacked(db.value(IMAGE, (conflict_id,)))


def packed(image: Image) -> bytes:
    """As images are kept."""
    return msgspec.msgpack.encode(image)


def _unpacked(found: object) -> Image:
    """An image, or nothing where nothing is kept."""
    return msgspec.msgpack.decode(found, type=dict[str, Any]) if isinstance(found, bytes) else {}


def current_of(db: Reader, row: Version) -> Image:
    """The version in use; empty when there is none any more."""
    if row.tbl not in TABLES:
        return {}
    found = db.row(SHAPE[row.tbl], CURRENT[row.tbl], (row.pk,))
    return {} if found is None else structs.asdict(found)


def _name(db: Reader, pk: bytes) -> str | None:
    found = db.value(NAME_OF, (pk,))
    assert found is None or isinstance(found, str)
    return found
