"""The sync protocol over HTTP; what the messages mean stands in sync/protocol.py."""

from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from appliance.errors import Invalid, TooLarge
from sync.hub.database import Link, scoped, set_scope
from sync.hub.faults import NodeUnknown, WrongSchool
from sync.hub.identity import identity
from sync.hub.intake.accepting import Address, accept_segment
from sync.hub.intake.digests import (
    FIRST,
    bucket_digests,
    bucket_page,
    own_digests,
    rows_page,
    school_digests,
)
from sync.hub.intake.enrol import enrol
from sync.hub.intake.hello import answer_hello
from sync.hub.intake.nodes import Challenges, NodeClaim, new_token, prove
from sync.hub.intake.pulling import pull_page
from sync.hub.intake.rotating import register_key
from sync.hub.running import Hub
from sync.protocol import (
    CONTENT_TYPE,
    HUB_SEGMENT_BYTES_MAX,
    PAGE_ROWS_MAX,
    TOKEN_S,
    Challenge,
    ChallengeRequest,
    EnrolRequest,
    HelloRequest,
    HubTime,
    NewKeyRequest,
    RowsRequest,
    SignedTime,
    Token,
    TokenRequest,
    decode,
    encode,
    time_message,
)

T = TypeVar("T")
Asked = Request[Any, Any, Any]

MESSAGE_BYTES_MAX: Final = 64 << 10  # hello is under 1 KB; the rest is smaller


@post("/sync/v1/enrol", request_max_body_size=MESSAGE_BYTES_MAX, status_code=200)
async def post_enrol(request: Asked, hub: NamedDependency[Hub]) -> Response[bytes]:
    """Join the district with a one-time token."""
    asked = await _read(request, EnrolRequest)
    async with scoped(hub.pools.ingest) as link:
        return _answer(await enrol(link, asked, now_ms=hub.clock()))


@post("/sync/v1/challenge", request_max_body_size=MESSAGE_BYTES_MAX, status_code=200)
async def post_challenge(
    request: Asked, hub: NamedDependency[Hub], challenges: NamedDependency[Challenges]
) -> Response[bytes]:
    """Give chance to sign; also to nodes that are not enrolled, which learn nothing by it."""
    asked = await _read(request, ChallengeRequest)
    return _answer(Challenge(challenge=challenges.give(asked.node_id, now_ms=hub.clock())))


@post("/sync/v1/token", request_max_body_size=MESSAGE_BYTES_MAX, status_code=200)
async def post_token(
    request: Asked, hub: NamedDependency[Hub], challenges: NamedDependency[Challenges]
) -> Response[bytes]:
    """Give a bearer token to whoever signed the challenge with an enrolled key."""
    asked, now_ms = await _read(request, TokenRequest), hub.clock()
    challenges.take(asked.node_id, asked.challenge, now_ms=now_ms)
    async with scoped(hub.pools.ingest) as link:
        hub_id, district_id = await _here(link)
        await set_scope(link, district_id=district_id)
        node = await prove(link, hub_id, asked, now_ms=now_ms)
    return _answer(Token(token=new_token(hub.key, node, now_ms=now_ms), expires_in_s=TOKEN_S))


@post("/sync/v1/node-key", request_max_body_size=MESSAGE_BYTES_MAX, status_code=200)
async def post_node_key(
    request: Asked, hub: NamedDependency[Hub], challenges: NamedDependency[Challenges]
) -> Response[bytes]:
    """Change a box's key; the old one counts for another month."""
    asked, now_ms = await _read(request, NewKeyRequest), hub.clock()
    challenges.take(asked.node_id, asked.challenge, now_ms=now_ms)
    async with scoped(hub.pools.ingest) as link:
        return _answer(await register_key(link, *await _here(link), asked, now_ms=now_ms))


@post("/sync/v1/hello", request_max_body_size=MESSAGE_BYTES_MAX, status_code=200)
async def post_hello(
    request: Asked, hub: NamedDependency[Hub], claim: NamedDependency[NodeClaim]
) -> Response[bytes]:
    """Say where both stand."""
    return _answer(await answer_hello(hub, claim, await _read(request, HelloRequest)))


@put(
    "/sync/v1/streams/{node_id:uuid}/{epoch:uuid}/{lane:int}/segments/{n:int}",
    request_max_body_size=HUB_SEGMENT_BYTES_MAX,
)
async def put_segment(  # noqa: PLR0913, PLR0917 -- the address has four parts
    request: Asked,
    hub: NamedDependency[Hub],
    claim: NamedDependency[NodeClaim],
    node_id: FromPath[UUID],
    epoch: FromPath[UUID],
    lane: FromPath[int],
    n: FromPath[int],
) -> Response[bytes]:
    """Take in one segment; the same one again gets the same answer."""
    return await _take_in(request, hub, claim, Address(node_id, epoch, lane, n))


@patch(
    "/sync/v1/streams/{node_id:uuid}/{epoch:uuid}/{lane:int}/segments/{n:int}",
    request_max_body_size=HUB_SEGMENT_BYTES_MAX,
    status_code=200,
)
async def patch_segment(  # noqa: PLR0913, PLR0917 -- the address has four parts
    request: Asked,
    hub: NamedDependency[Hub],
    claim: NamedDependency[NodeClaim],
    node_id: FromPath[UUID],
    epoch: FromPath[UUID],
    lane: FromPath[int],
    n: FromPath[int],
    offset: Annotated[int, QueryParameter(ge=1, lt=HUB_SEGMENT_BYTES_MAX)],
) -> Response[bytes]:
    """Take in the rest of a segment whose first `offset` bytes have come before."""
    return await _take_in(request, hub, claim, Address(node_id, epoch, lane, n), offset)


@get("/sync/v1/streams/{node_id:uuid}/{epoch:uuid}/{lane:int}/segments/{n:int}/start")
async def get_segment_start(
    hub: NamedDependency[Hub],
    claim: NamedDependency[NodeClaim],
    node_id: FromPath[UUID],
    epoch: FromPath[UUID],
    lane: FromPath[int],
    n: FromPath[int],
) -> Response[bytes]:
    """Say how much of a segment that was cut is here."""
    address = Address(node_id, epoch, lane, n)
    _require_own(claim, address)
    return _answer(hub.uploads.start(address))


@get("/sync/v1/pull")
async def get_pull(
    hub: NamedDependency[Hub],
    claim: NamedDependency[NodeClaim],
    epoch: FromQuery[UUID],
    cursor: Annotated[int, QueryParameter(ge=0, le=(1 << 63) - 1)],
    limit: Annotated[int, QueryParameter(ge=1)] = PAGE_ROWS_MAX,
) -> Response[bytes]:
    """Give the school's own rows that other epochs wrote."""
    return _answer(await pull_page(hub, claim, epoch, cursor, limit))


@get("/sync/v1/time")
async def get_time(
    hub: NamedDependency[Hub],
    nonce: Annotated[str, QueryParameter(pattern=r"^[0-9a-f]{32}$")],
) -> Response[bytes]:
    """Say what time it is, signed, to whoever asks: a box in 1970 cannot sign in yet."""
    body = encode(HubTime(nonce=bytes.fromhex(nonce), hub_time_ms=hub.clock()))
    return _answer(SignedTime(body=body, signature=hub.key.sign(time_message(body))))


@get("/sync/v1/digests")
async def get_digests(
    hub: NamedDependency[Hub],
    claim: NamedDependency[NodeClaim],
    own: FromQuery[bool] = False,  # noqa: FBT002 -- a query's parameter
    buckets: FromQuery[bool] = False,  # noqa: FBT002 -- a query's parameter
    table: FromQuery[str | None] = None,
) -> Response[bytes]:
    """Say how many rows of each table are here and their digest: all, the box's own, by bucket."""
    if buckets:
        return _answer(await bucket_digests(hub, claim, table))
    return _answer(await (own_digests if own else school_digests)(hub, claim))


@get("/sync/v1/digests/{table:str}/{bucket:int}")
async def get_bucket(
    hub: NamedDependency[Hub],
    claim: NamedDependency[NodeClaim],
    table: FromPath[str],
    bucket: FromPath[int],
    after: FromQuery[UUID] = FIRST,
) -> Response[bytes]:
    """Say which image of each row of one bucket is here."""
    return _answer(await bucket_page(hub, claim, table, bucket, after))


@post("/sync/v1/rows", request_max_body_size=MESSAGE_BYTES_MAX, status_code=200)
async def post_rows(
    request: Asked, hub: NamedDependency[Hub], claim: NamedDependency[NodeClaim]
) -> Response[bytes]:
    """Give rows of the box's own school by id: those it found different or missing."""
    return _answer(await rows_page(hub, claim, await _read(request, RowsRequest)))


ROUTES: Final = (
    post_enrol,
    post_challenge,
    post_token,
    post_node_key,
    post_hello,
    put_segment,
    patch_segment,
    get_segment_start,
    get_pull,
    get_time,
    get_digests,
    get_bucket,
    post_rows,
)


async def _here(link: Link) -> tuple[UUID, UUID]:
    """Say which hub and which district this is; a box is only known in a district."""
    who = await identity(link)
    if who.district_id is None:
        raise NodeUnknown("this hub has no district yet")
    return who.hub_id, who.district_id


async def _take_in(
    request: Asked, hub: Hub, claim: NodeClaim, address: Address, offset: int = 0
) -> Response[bytes]:
    _require_own(claim, address)
    with hub.gate.place():
        payload = await hub.uploads.take(address, request.stream(), offset=offset)
        if len(payload) > HUB_SEGMENT_BYTES_MAX:
            raise TooLarge(f"{len(payload)} bytes in all")
        return _answer(await accept_segment(hub, claim, address, payload))


def _require_own(claim: NodeClaim, address: Address) -> None:
    if address.node_id != claim.node_id:
        raise WrongSchool(f"node {claim.node_id} sends for {address.node_id}")


async def _read(request: Asked, shape: type[T]) -> T:
    try:
        return decode(await request.body(), shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"the body is no {shape.__name__}: {error}") from error


def _answer(message: object) -> Response[bytes]:
    return Response(encode(message), media_type=CONTENT_TYPE)
