"""A district, its schools' boxes as the hub meets them, and rows of a small school."""

import hashlib
import secrets
from uuid import UUID

from nacl.signing import SigningKey

from appliance.ids import uuid7
from sync.core.columns import Rows
from sync.core.segment import Sealed, pack_rows, seal
from sync.protocol import (
    Backlog,
    Challenge,
    ChallengeRequest,
    Digests,
    EnrolAnswer,
    EnrolRequest,
    Hello,
    HelloRequest,
    PullPage,
    Receipt,
    SegmentAnswer,
    SegmentHeader,
    SignedHello,
    StreamState,
    Token,
    TokenRequest,
    decode,
    encode,
    genesis,
    sign_in_message,
)
from sync.registry import TABLE

NOW_MS = 1_760_000_000_000
PASSWORD = "mango river seven clouds"
LANE = 0


class Watch:
    """A clock the test winds."""

    def __init__(self):
        self.now_ms = NOW_MS

    def __call__(self):
        self.now_ms += 1
        return self.now_ms


class District:
    """The claimed hub, as its administrator uses it."""

    def __init__(self, client, settings):
        self.client = client
        self.settings = settings

    async def claim(self):
        body = {
            "code": self.settings.claim_file.read_text(),
            "district_name": "Lakeside",
            "admin_name": "Fatuma Noor",
            "sign_in_name": "fatuma",
            "password": PASSWORD,
        }
        answer = await self.client.post("/api/v1/claim", json=body)
        assert answer.status_code == 201, answer.text
        self.id = UUID(answer.json()["district_id"])
        return answer.json()

    async def sign_in(self):
        body = {"sign_in_name": "fatuma", "password": PASSWORD}
        answer = await self.client.post("/api/v1/sessions", json=body)
        assert answer.status_code == 201, answer.text

    async def token(self, **wish):
        answer = await self.client.post("/api/v1/enrolment-tokens", json={"mode": "adopt"} | wish)
        assert answer.status_code == 201, answer.text
        return answer.json()["token"]

    async def school(self, name="Hilltop School"):
        """A school whose box is enrolled and signed in."""
        box = Box(self.client, name)
        await box.enrol(await self.token())
        await box.sign_in()
        return box


class Box:
    """A school's box, as far as the hub can tell: keys, a chain, sealed rows."""

    def __init__(self, client, name="Hilltop School"):
        self.client = client
        self.name = name
        self.key = SigningKey.generate()
        self.node_id = uuid7(NOW_MS)
        self.school_id = uuid7(NOW_MS)
        self.headers = {}
        self.receipt = None
        self.incarnation = None
        self.self_cursor = 0
        self.begin_epoch()

    def begin_epoch(self):
        self.epoch = uuid7(NOW_MS)
        self.n = 0
        self.hash = None

    async def post(self, path, message):
        return await self.client.post(path, content=encode(message), headers=self.headers)

    def enrol_request(self, token, **changes):
        said = {
            "token": token,
            "mode": "adopt",
            "node_id": self.node_id,
            "node_key": bytes(self.key.verify_key),
            "school_id": self.school_id,
            "school_name": self.name,
            "hardware": "test",
            "app_version": "0.1.0",
            "schema_version": 2,
        }
        return EnrolRequest(**(said | changes))

    async def enrol(self, token, **changes):
        answer = await self.post("/sync/v1/enrol", self.enrol_request(token, **changes))
        assert answer.status_code == 200, answer.text
        self.hub = decode(answer.content, EnrolAnswer)
        self.school_id = self.hub.school_id
        self.incarnation = self.hub.incarnation
        return self.hub

    async def challenge(self):
        answer = await self.post("/sync/v1/challenge", ChallengeRequest(node_id=self.node_id))
        return decode(answer.content, Challenge).challenge

    async def prove(self, challenge, key=None):
        words = sign_in_message(self.hub.hub_id, challenge)
        proof = TokenRequest(
            node_id=self.node_id,
            challenge=challenge,
            signature=(key or self.key).sign(words).signature,
        )
        return await self.post("/sync/v1/token", proof)

    async def sign_in(self):
        answer = await self.prove(await self.challenge())
        assert answer.status_code == 200, answer.text
        self.headers = {"authorization": f"Bearer {decode(answer.content, Token).token}"}

    # Sealing and sending.

    def seal(self, *tables, n=None, prev_hash=None, key=None, **changes) -> Sealed:
        body, raw_size = pack_rows(tables)
        said = {
            "hub_id": self.hub.hub_id,
            "node_id": self.node_id,
            "school_id": self.school_id,
            "epoch": self.epoch,
            "lane": LANE,
            "n": n or self.n + 1,
            "prev_hash": prev_hash or self.hash or self.genesis(),
            "rows": sum(len(table.rows) for table in tables),
            "body_size": len(body),
            "body_raw_size": raw_size,
            "body_sha256": hashlib.sha256(body).digest(),
            "schema_version": 2,
            "app_version": "0.1.0",
            "sealed_at_ms": NOW_MS,
            "clock_quality": 1,
        }
        return seal(SegmentHeader(**(said | changes)), body, key or self.key)

    def genesis(self):
        return genesis(self.hub.hub_id, self.node_id, self.epoch, LANE)

    async def put(self, sealed, n=None):
        path = f"/sync/v1/streams/{self.node_id}/{self.epoch}/{LANE}/segments/{n or self.n + 1}"
        return await self.client.put(path, content=sealed.payload, headers=self.headers)

    async def send(self, *tables) -> SegmentAnswer:
        """Seal, send, and go on from there."""
        sealed = self.seal(*tables)
        answer = await self.put(sealed)
        assert answer.status_code == 200, answer.text
        self.n, self.hash = self.n + 1, sealed.hash
        told = decode(answer.content, SegmentAnswer)
        self.receipt = told.receipt
        return told

    async def hello_answer(self, **changes):
        said = {
            "node_id": self.node_id,
            "epoch": self.epoch,
            "streams": [
                StreamState(
                    lane=LANE, cur_n=self.n, cur_hash=self.hash or self.genesis(), trimmed_n=0
                )
            ],
            "incarnation": self.incarnation,
            "self_cursor": self.self_cursor,
            "receipt": self.receipt,
            "nonce": secrets.token_bytes(16),
            "backlog": Backlog(waiting=3, oldest_since_ms=NOW_MS - 1_000),
            "schema_version": 2,
            "app_version": "0.1.0",
            "clock_ms": NOW_MS,
            "clock_quality": 1,
        }
        return await self.post("/sync/v1/hello", HelloRequest(**(said | changes)))

    async def hello(self, **changes) -> Hello:
        answer = await self.hello_answer(**changes)
        assert answer.status_code == 200, answer.text
        return decode(decode(answer.content, SignedHello).body, Hello)

    async def pull(self, cursor=0, limit=500) -> PullPage:
        path = f"/sync/v1/pull?epoch={self.epoch}&cursor={cursor}&limit={limit}"
        answer = await self.client.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return decode(answer.content, PullPage)

    async def digests(self) -> Digests:
        answer = await self.client.get("/sync/v1/digests", headers=self.headers)
        assert answer.status_code == 200, answer.text
        return decode(answer.content, Digests)


def receipt_of(signed) -> Receipt:
    return decode(signed.body, Receipt)


# Rows as they travel: ids are 16 bytes.


def new_id() -> bytes:
    return uuid7(NOW_MS).bytes


FILLED = {
    "id": new_id,
    "int": lambda: 1,
    "text": lambda: "text",
    "blob": lambda: bytes(32),
}
USUAL = {
    "kind": "school",
    "role": "learner",
    "scope_kind": "org",
    "owner_node_id": None,
    "deleted_at_ms": None,
    "owner_epoch": 0,
    "version": 1,
    "clock_quality": 1,
}
STATE = {
    "person": "active",
    "course_version": "published",
    "course_run": "running",
    "enrolment": "active",
    "submission": "submitted",
    "grade": "provisional",
    "command_result": "applied",
    "proposal_decision": "accepted",
}
KIND = {
    "org_unit": "school",
    "assessment": "assignment",
    "command": "create_person",
    "proposal": "other",
}


def values(table_name: str, school_id: UUID | None = None, **given) -> tuple:
    """A row that passes every check, in the registry's order."""
    usual = USUAL | {"state": STATE.get(table_name), "kind": KIND.get(table_name)}
    if school_id is not None:
        usual |= {"org_id": school_id.bytes}
        if table_name == "org_unit":
            usual |= {"id": school_id.bytes, "parent_id": None}
    known = usual | given
    return tuple(
        known[column.name] if column.name in known else FILLED[column.type]()
        for column in TABLE[table_name].columns
    )


def rows(table_name: str, *found: tuple) -> Rows:
    names = tuple(column.name for column in TABLE[table_name].columns)
    return Rows(table_name, names, list(found))


def facts(count: int, **given) -> Rows:
    """Many progress facts."""
    return rows("progress_fact", *(values("progress_fact", **given) for _ in range(count)))
