"""The hub becomes a district: once, by whoever can read its console."""

from typing import Final, LiteralString
from uuid import UUID

from appliance.access.hashing import password_hash
from appliance.ids import uuid7
from sync.hub.accounts.models import Claim, Claimed
from sync.hub.database import Link, scoped, set_scope
from sync.hub.faults import AlreadyClaimed, WrongClaimCode
from sync.hub.identity import Identity, identity
from sync.hub.intake.statements import POSTGRES_TYPE
from sync.hub.keys import is_claim_code
from sync.hub.running import Hub
from sync.merge import row_hash
from sync.protocol import LOG_BEGIN, Cell
from sync.registry import TABLE, Table

LOCALE: Final = "en"
CLAIM_GUESSES: Final = "the claim code"  # no sign-in name has a blank

# Of two claims at once the second finds a district.
TAKE_DISTRICT: Final[LiteralString] = """
UPDATE hub_identity
   SET district_id = $1
 WHERE id = 1
   AND district_id IS NULL
"""

START_NUMBERS: Final[LiteralString] = """
INSERT INTO school_sync (school_id, change_no, log_no, log_hash)
VALUES ($1, $2, 0, $3)
"""

ADD_CREDENTIAL: Final[LiteralString] = """
INSERT INTO credential (school_id, person_id, kind, sign_in_name, secret_hash)
VALUES ($1, $2, 'password', $3, $4)
"""


def insert_sql(table: Table) -> str:
    """Write the statement that adds one row of the hub's own."""
    names = [column.name for column in table.columns]
    typed = [
        f"${number}::{POSTGRES_TYPE[column.type]}"
        for number, column in enumerate(table.columns, start=6)
    ]
    return f"""
INSERT INTO {table.name} (school_id, src_epoch, change_no, received_at_ms, row_hash,
                          {", ".join(names)})
VALUES ($1, $2, $3, $4, $5, {", ".join(typed)})
"""  # noqa: S608 -- names from the registry


INSERT_ROW: Final = {
    name: insert_sql(TABLE[name]) for name in ("org_unit", "person", "role_assignment")
}


async def claim_district(hub: Hub, claim: Claim) -> Claimed:
    """Make the district and its first administrator.

    Raises WrongClaimCode, AlreadyClaimed, TooManyRequests. The code is not used up by a
    wrong guess, only by the claim itself.
    """
    async with scoped(hub.pools.web) as link:
        if (await identity(link)).district_id is not None:
            raise AlreadyClaimed("this hub already has a district")
    await hub.guesses.take(CLAIM_GUESSES, now_ms=hub.clock())
    if not is_claim_code(hub.settings.claim_file, claim.code):
        raise WrongClaimCode("the claim code does not match")
    secret_hash = await hub.hasher.run(password_hash, claim.password)
    async with scoped(hub.pools.web) as link:
        claimed = await _make_district(link, claim, secret_hash, now_ms=hub.clock())
    hub.settings.claim_file.unlink(missing_ok=True)
    return claimed


async def _make_district(link: Link, claim: Claim, secret_hash: bytes, *, now_ms: int) -> Claimed:
    district_id, person_id = uuid7(now_ms), uuid7(now_ms)
    if await link.execute(TAKE_DISTRICT, district_id) != "UPDATE 1":
        raise AlreadyClaimed("this hub already has a district")
    who = await identity(link)
    await set_scope(link, school_id=district_id, district_id=district_id)
    made = _first_rows(claim, district_id, person_id, now_ms)
    for change_no, (name, named) in enumerate(made, start=1):
        await _add_row(link, who, TABLE[name], named, change_no, now_ms)
    await link.execute(START_NUMBERS, district_id, len(made), LOG_BEGIN)
    await link.execute(ADD_CREDENTIAL, district_id, person_id, claim.sign_in_name, secret_hash)
    return Claimed(hub_id=who.hub_id, district_id=district_id, person_id=person_id)


def _first_rows(
    claim: Claim, district_id: UUID, person_id: UUID, now_ms: int
) -> list[tuple[str, dict[str, UUID | str]]]:
    return [
        (
            "org_unit",
            {
                "id": district_id,
                "kind": "district",
                "name": claim.district_name.strip(),
                "locale": LOCALE,
            },
        ),
        (
            "person",
            {
                "id": person_id,
                "org_id": district_id,
                "display_name": claim.admin_name.strip(),
                "locale": LOCALE,
                "state": "active",
            },
        ),
        (
            "role_assignment",
            {
                "id": uuid7(now_ms),
                "person_id": person_id,
                "role": "district_admin",
                "scope_kind": "org",
                "scope_id": district_id,
            },
        ),
    ]


async def _add_row(
    link: Link,
    who: Identity,
    table: Table,
    named: dict[str, UUID | str],
    change_no: int,
    now_ms: int,
) -> None:
    """Add a row the hub itself has written: its epoch is the hub's own id."""
    complete = {"version": 1, "owner_epoch": 0, "updated_at_ms": now_ms} | named
    values = [complete.get(column.name) for column in table.columns]
    hashed: list[Cell] = [value.bytes if isinstance(value, UUID) else value for value in values]
    own = (who.district_id, who.hub_id, change_no, now_ms, row_hash(table, hashed))
    await link.execute(INSERT_ROW[table.name], *own, *values)
