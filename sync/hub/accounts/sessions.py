"""From a password to a cookie, and from the cookie to the person who acts."""

from typing import Any, Final, LiteralString
from uuid import UUID

from litestar import Response
from litestar.datastructures import Cookie
from msgspec import Struct

from appliance.access.hashing import new_token, password_matches, token_hash
from appliance.errors import SignInNeeded
from sync.hub.accounts.models import SignIn, Visitor
from sync.hub.database import row, scoped, set_scope
from sync.hub.identity import identity
from sync.hub.running import Hub

COOKIE: Final = "darasa_hub_session"
SESSION_MS: Final = 12 * 60 * 60 * 1_000  # a working day


class WrongPassword(SignInNeeded):
    """The name, or the password, is not right; which one is not told."""

    code = "wrong-password"
    title = "That name or password is not right"
    hint = "Check the name and the password and try again."


class Stored(Struct, frozen=True):
    """A credential."""

    person_id: UUID
    secret_hash: bytes


CREDENTIAL: Final[LiteralString] = """
SELECT c.person_id, c.secret_hash
  FROM credential AS c
 WHERE c.school_id           = $1
   AND lower(c.sign_in_name) = lower($2)
"""

OPEN_SESSION: Final[LiteralString] = """
INSERT INTO session (school_id, token_hash, person_id, created_at_ms, expires_at_ms)
VALUES ($1, $2, $3, $4, $5)
"""

# Whoever signs in sweeps what has expired; the table stays as small as the staff.
DROP_EXPIRED: Final[LiteralString] = """
DELETE FROM session
 WHERE school_id      = $1
   AND expires_at_ms <= $2
"""

CLOSE_SESSION: Final[LiteralString] = """
DELETE FROM session
 WHERE school_id  = $1
   AND token_hash = $2
"""

VISITOR: Final[LiteralString] = """
SELECT p.id AS person_id, p.display_name, d.id AS district_id, d.name AS district_name
  FROM session AS s
  JOIN person AS p
    ON p.school_id = s.school_id
   AND p.id        = s.person_id
  JOIN role_assignment AS r
    ON r.school_id = s.school_id
   AND r.person_id = s.person_id
   AND r.role      = 'district_admin'
   AND r.scope_id  = s.school_id
   AND r.deleted_at_ms IS NULL
  JOIN org_unit AS d
    ON d.school_id = s.school_id
   AND d.id        = s.school_id
 WHERE s.school_id     = $1
   AND s.token_hash    = $2
   AND s.expires_at_ms > $3
   AND p.state         = 'active'
   AND p.deleted_at_ms IS NULL
 LIMIT 1
"""


async def sign_in(hub: Hub, secret: SignIn) -> str:
    """Return the token of a new session. Raises WrongPassword, TooManyRequests, Busy."""
    account, now_ms = secret.sign_in_name.casefold(), hub.clock()
    await hub.guesses.take(account, now_ms=now_ms)
    async with scoped(hub.pools.web) as link:
        district_id = (await identity(link)).district_id
        await set_scope(link, school_id=district_id)
        stored = await row(link, Stored, CREDENTIAL, district_id, secret.sign_in_name)
    known = stored.secret_hash if stored is not None else None
    if not await hub.hasher.run(password_matches, known, secret.password):
        raise WrongPassword("the name or the password does not match")
    assert stored is not None
    await hub.guesses.forgive(account)
    token = new_token()
    until_ms = now_ms + SESSION_MS
    async with scoped(hub.pools.web, school_id=district_id) as link:
        await link.execute(DROP_EXPIRED, district_id, now_ms)
        await link.execute(
            OPEN_SESSION, district_id, token_hash(token), stored.person_id, now_ms, until_ms
        )
    return token


async def sign_out(hub: Hub, token: str) -> None:
    """End a session; one that is not there has ended already."""
    async with scoped(hub.pools.web) as link:
        district_id = (await identity(link)).district_id
        await set_scope(link, school_id=district_id)
        await link.execute(CLOSE_SESSION, district_id, token_hash(token))


async def visitor_with(hub: Hub, token: str) -> Visitor | None:
    """Return who this session belongs to, None when it has ended."""
    async with scoped(hub.pools.web) as link:
        district_id = (await identity(link)).district_id
        await set_scope(link, school_id=district_id)
        return await row(link, Visitor, VISITOR, district_id, token_hash(token), hub.clock())


def session_cookie(token: str, *, is_https: bool) -> Cookie:
    """Let the browser prove this session; `Secure` wherever the hub is reached by HTTPS."""
    return Cookie(
        key=COOKIE,
        value=token,
        httponly=True,
        samesite="lax",
        path="/",
        max_age=SESSION_MS // 1_000,
        secure=is_https,
    )


def end_cookie(response: Response[Any]) -> None:
    """Take the cookie away."""
    response.delete_cookie(COOKIE, path="/")
