"""What was put aside of a school, and rows with two versions, as the district's staff see them."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from appliance.web.versions import Pair

Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
TableName = Annotated[str, Meta(min_length=1, max_length=63)]


class Group(Struct, frozen=True, kw_only=True):
    """Rows of one table that were put aside for one reason; poison comes by the thousand."""

    tbl: str
    reason: str
    rows: int
    dismissed: int
    since_ms: int


class AsideRow(Struct, frozen=True, kw_only=True):
    """A row in a list: what it is, never what it says."""

    id: UUID
    tbl: str
    pk: UUID | None
    reason: str
    first_at_ms: int
    dismissed_at_ms: int | None
    dismissed_reason: str | None
    dismissed_by_name: str | None


class AsideDetail(Struct, frozen=True, kw_only=True):
    """One row with its content. `is_personal`: it is about somebody."""

    row: AsideRow
    is_personal: bool
    cells: list[Pair]


class RowsListed(Struct, frozen=True, kw_only=True):
    """A page of rows; `next_after` is where the next one begins."""

    rows: list[AsideRow]
    next_after: UUID | None


class Choice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row, or all of one table that were put aside for one reason."""

    row_id: UUID | None = None
    tbl: TableName | None = None
    reason: Annotated[str, Meta(max_length=500)] | None = None

    def __post_init__(self) -> None:
        """Refuse a choice of nothing."""
        if self.row_id is None and (self.tbl is None or self.reason is None):
            raise ValueError("name a row_id, or a tbl and a reason")


class Dismissal(Choice, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The choice, and why it stays out."""

    why: Reason


class Replayed(Struct, frozen=True, kw_only=True):
    """What became of rows that were tried again."""

    merged: int
    still_aside: int
    left: int


class ConflictRow(Struct, frozen=True, kw_only=True):
    """A row with two versions, in a list."""

    id: UUID
    tbl: str
    pk: UUID
    kept_at_ms: int
    looked_at_ms: int | None
    looked_by_name: str | None


class ConflictsListed(Struct, frozen=True, kw_only=True):
    """A page of conflicts, newest first."""

    rows: list[ConflictRow]
    next_before: UUID | None


class ConflictDetail(Struct, frozen=True, kw_only=True):
    """Both versions; `left` of each pair is the present one."""

    row: ConflictRow
    is_personal: bool
    is_current_gone: bool
    cells: list[Pair]
