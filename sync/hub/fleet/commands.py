"""Giving a box the right to join."""

from typing import Final, LiteralString
from uuid import UUID

from appliance.access.hashing import token_hash
from appliance.errors import NotFound
from appliance.ids import uuid7
from sync.hub.database import Link
from sync.hub.fleet.models import NewToken, TokenMade
from sync.hub.keys import new_code, spoken

TOKEN_LETTERS: Final = 20  # 86 bits: nobody guesses it, and it can be read out on a telephone
HOUR_MS: Final = 60 * 60 * 1_000

KNOWS_SCHOOL: Final[LiteralString] = """
SELECT EXISTS (SELECT 1 FROM school AS s WHERE s.school_id = $1 AND s.district_id = $2)
"""

ADD_ENROLMENT: Final[LiteralString] = """
INSERT INTO enrolment_token (school_id, id, token_hash, mode, for_school_id, school_name,
                             by_person_id, created_at_ms, expires_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def make_token(
    link: Link, district_id: UUID, person_id: UUID, new: NewToken, *, now_ms: int
) -> TokenMade:
    """Make a one-time token; only its hash is kept. Raises NotFound for an unknown school."""
    if new.mode == "replace" and not await link.fetchval(KNOWS_SCHOOL, new.school_id, district_id):
        raise NotFound(f"school {new.school_id}")
    code = new_code(TOKEN_LETTERS)
    made = TokenMade(
        id=uuid7(now_ms),
        token=spoken(code),
        mode=new.mode,
        expires_at_ms=now_ms + new.hours * HOUR_MS,
    )
    await link.execute(
        ADD_ENROLMENT,
        district_id,
        made.id,
        token_hash(code),
        new.mode,
        new.school_id,
        new.school_name,
        person_id,
        now_ms,
        made.expires_at_ms,
    )
    return made
