"""A box joins the district with a one-time token.

adopt:   the district takes a school over as it is, under the id its box made.
replace: an empty box becomes a school the district already has; the old box may still
         bring what it had not sent, and is marked replaced.

An adopt token that names its school is for a second board of it: two boards that ran on
copies of one card, one of which becomes a node of its own.
"""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.access.hashing import token_hash
from appliance.errors import Invalid
from sync.hub.database import Link, row, rows, set_scope
from sync.hub.faults import SchoolTaken, TokenExpired, TokenUnknown, TokenUsed
from sync.hub.identity import Identity, identity
from sync.hub.intake.nodes import NODE, Node
from sync.hub.keys import read_code
from sync.protocol import LOG_BEGIN, EnrolAnswer, EnrolRequest

NAMELESS: Final = "School"


class EnrolmentToken(Struct, frozen=True):
    """A token as it is stored: by its hash, and who has used it."""

    id: UUID
    mode: str
    for_school_id: UUID | None
    school_name: str | None
    expires_at_ms: int
    used_by_node: UUID | None
    used_by_key: bytes | None


class School(Struct, frozen=True):
    """A row of the district's directory."""

    school_id: UUID
    name: str


# FOR UPDATE: of two boxes that use one token at once, one waits and then reads "used".
READ_ENROLMENT: Final[LiteralString] = """
SELECT t.id, t.mode, t.for_school_id, t.school_name, t.expires_at_ms, t.used_by_node,
       t.used_by_key
  FROM enrolment_token AS t
 WHERE t.school_id  = $1
   AND t.token_hash = $2
   FOR UPDATE
"""

USE_ENROLMENT: Final[LiteralString] = """
UPDATE enrolment_token
   SET used_at_ms    = $3,
       used_by_node  = $4,
       used_by_key   = $5,
       for_school_id = $6
 WHERE school_id = $1
   AND id        = $2
"""

SCHOOL: Final[LiteralString] = """
SELECT s.school_id, s.name
  FROM school AS s
 WHERE s.school_id = $1
"""

ADD_SCHOOL: Final[LiteralString] = """
INSERT INTO school (school_id, district_id, name, created_at_ms)
VALUES ($1, $2, $3, $4)
"""

START_LOG: Final[LiteralString] = """
INSERT INTO school_sync (school_id, change_no, log_no, log_hash)
VALUES ($1, 0, 0, $2)
"""

REPLACE_OTHERS: Final[LiteralString] = """
UPDATE node
   SET state = 'replaced'
 WHERE school_id = $1
   AND id       <> $2
   AND state     = 'active'
"""

ADD_NODE: Final[LiteralString] = """
INSERT INTO node (school_id, id, node_key, state, hardware, app_version, schema_version,
                  enrolled_at_ms)
VALUES ($1, $2, $3, 'active', $4, $5, $6, $7)
    ON CONFLICT (school_id, id) DO UPDATE
   SET node_key       = excluded.node_key,
       state          = excluded.state,
       hardware       = excluded.hardware,
       app_version    = excluded.app_version,
       schema_version = excluded.schema_version,
       enrolled_at_ms = excluded.enrolled_at_ms
"""


async def enrol(connection: Link, request: EnrolRequest, *, now_ms: int) -> EnrolAnswer:
    """Enrol once; the same box may ask again and gets the same answer.

    Raises TokenUnknown, TokenExpired, TokenUsed, SchoolTaken, Invalid.
    """
    hub = await identity(connection)
    district_id = hub.district_id
    if district_id is None:
        raise TokenUnknown("this hub has no district yet")
    await set_scope(connection, school_id=district_id, district_id=district_id)
    hashed = token_hash(read_code(request.token))
    token = await row(connection, EnrolmentToken, READ_ENROLMENT, district_id, hashed)
    if token is None:
        raise TokenUnknown("no such enrolment token")
    if token.used_by_node is not None:
        return _again(hub, token, request)
    school_id = _school_for(token, request, now_ms=now_ms)
    if school_id == district_id:  # its rows are the district's own staff
        raise SchoolTaken(f"{school_id} is the district itself")
    await set_scope(connection, school_id=school_id, district_id=district_id)
    await _open_school(connection, token, request, district_id, school_id, now_ms)
    await set_scope(connection, school_id=district_id, district_id=district_id)
    await connection.execute(
        USE_ENROLMENT, district_id, token.id, now_ms, request.node_id, request.node_key, school_id
    )
    return _answer(hub, token, school_id)


def _again(hub: Identity, token: EnrolmentToken, request: EnrolRequest) -> EnrolAnswer:
    if (token.used_by_node, token.used_by_key) != (request.node_id, request.node_key):
        raise TokenUsed("the enrolment token was used by another box")
    assert token.for_school_id is not None
    return _answer(hub, token, token.for_school_id)


def _school_for(token: EnrolmentToken, request: EnrolRequest, *, now_ms: int) -> UUID:
    if token.expires_at_ms < now_ms:
        raise TokenExpired("the enrolment token has expired")
    if token.mode != request.mode:
        raise Invalid(f"this token is for mode {token.mode}, the box asks for {request.mode}")
    if token.mode == "replace":
        assert token.for_school_id is not None, "the table's CHECK"
        return token.for_school_id
    if request.school_id is None:
        raise Invalid("mode adopt needs the school_id the box has made")
    if token.for_school_id not in {None, request.school_id}:
        raise TokenUnknown("this token is for another school")
    return request.school_id


async def _open_school(
    connection: Link,
    token: EnrolmentToken,
    request: EnrolRequest,
    district_id: UUID,
    school_id: UUID,
    now_ms: int,
) -> None:
    known = await row(connection, School, SCHOOL, school_id)
    if known is None:
        name = request.school_name or token.school_name or NAMELESS
        await connection.execute(ADD_SCHOOL, school_id, district_id, name, now_ms)
        await connection.execute(START_LOG, school_id, LOG_BEGIN)
    elif token.mode == "adopt" and token.for_school_id is None:
        await _require_same_box(connection, request, school_id)
    if token.mode == "replace":
        await connection.execute(REPLACE_OTHERS, school_id, request.node_id)
    await connection.execute(
        ADD_NODE,
        school_id,
        request.node_id,
        request.node_key,
        request.hardware,
        request.app_version,
        request.schema_version,
        now_ms,
    )


async def _require_same_box(connection: Link, request: EnrolRequest, school_id: UUID) -> None:
    """Let nobody adopt a school that is already here under another box's key."""
    found = await rows(connection, Node, NODE, school_id, request.node_id)
    if not any(node.node_key == request.node_key for node in found):
        raise SchoolTaken(f"school {school_id} is already at the district")


def _answer(hub: Identity, token: EnrolmentToken, school_id: UUID) -> EnrolAnswer:
    assert hub.district_id is not None
    return EnrolAnswer(
        hub_id=hub.hub_id,
        hub_key=hub.hub_key,
        incarnation=hub.incarnation,
        school_id=school_id,
        district_id=hub.district_id,
        mode="replace" if token.mode == "replace" else "adopt",
    )
