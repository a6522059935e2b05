"""The memory hub behind HTTP, and what the tests of the agent write into a box."""

import asyncio
from random import Random
from uuid import UUID

import httpx
import msgspec
from nacl.signing import VerifyKey

from sync.agent import enrolment
from sync.protocol import (
    Challenge,
    ChallengeRequest,
    EnrolAnswer,
    EnrolRequest,
    HelloRequest,
    ScopeCursor,
    Token,
    TokenRequest,
    decode,
    encode,
    sign_in_message,
)
from tests.simulation.hub import Broken, Hub
from tests.simulation.outlet import feed_page
from tests.sync import digesting

NOW_MS = 1_760_000_000_000


class Web:
    """The memory hub behind HTTP. `trouble` is called first and may answer instead."""

    def __init__(self, folder):
        self.hub = Hub(Random(3), folder)
        self.school_id = UUID(int=77)
        self.asked = []
        self.trouble = lambda _request: None
        self.came = asyncio.Condition()

    async def __call__(self, request):
        body = await request.aread()
        self.asked.append((request.method, request.url.path))
        answer = self.trouble(request)
        answer = answer if answer is not None else self.answer(request, body)
        async with self.came:
            self.came.notify_all()
        return answer

    async def rows_came(self, number):
        async with self.came:
            await self.came.wait_for(
                lambda: sum(len(school.rows) for school in self.hub.schools.values()) == number
            )

    def answer(self, request, body):
        match request.method, request.url.path.removeprefix("/sync/v1/").split("/"):
            case "POST", ["enrol"]:
                return self.enrol(decode(body, EnrolRequest))
            case "POST", ["challenge"]:
                decode(body, ChallengeRequest)
                return told(Challenge(challenge=bytes(32)))
            case "POST", ["token"]:
                return self.token(decode(body, TokenRequest))
            case "POST", ["hello"]:
                return told(self.hub.hello(decode(body, HelloRequest)))
            case "PUT", ["streams", _, _, _, "segments", _]:
                return self.put(body)
            case "GET", ["pull"]:
                query = request.url.params
                node = list(self.hub.node_keys)[-1]
                epoch, cursor = UUID(query["epoch"]), int(query["cursor"])
                return told(self.hub.pull(node, epoch, cursor, int(query["limit"])))
        return self.answer_more(request, body)

    def answer_more(self, request, body):
        """What a conversation asks after the school's own work has gone."""
        parts = request.url.path.removeprefix("/sync/v1/").split("/")
        query = request.url.params
        node = list(self.hub.node_keys)[-1]
        if parts == ["feed"]:
            return told(feed_page(self.hub, node, cursor_of(query), 100))
        school_id, _ = self.hub.node_keys[node]
        found = digesting.answer(self.hub, school_id, parts, query, body)
        if found is None:
            raise AssertionError(request)
        return told(found)

    def enrol(self, asked):
        if asked.token != "right":
            return problem(403, "token-unknown", "This enrolment token is not known")
        school_id = asked.school_id or self.school_id
        self.hub.enrol(school_id, asked.node_id, asked.node_key)
        return told(
            EnrolAnswer(
                hub_id=self.hub.hub_id,
                hub_key=self.hub.public_key,
                incarnation=self.hub.incarnation,
                school_id=school_id,
                district_id=UUID(int=5),
                mode=asked.mode,
            )
        )

    def token(self, asked):
        _, (key, *_) = self.hub.node_keys[asked.node_id]
        words = sign_in_message(self.hub.hub_id, asked.challenge)
        VerifyKey(key).verify(words, asked.signature)
        return told(Token(token="t", expires_in_s=900))

    def put(self, body):
        try:
            return told(self.hub.put(list(self.hub.node_keys)[-1], body))
        except Broken:
            return problem(409, "chain-broken", "This does not continue what is here")


def cursor_of(query):
    return ScopeCursor(
        scope_id=UUID(query["scope_id"]),
        incarnation=UUID(query["incarnation"]) if query["incarnation"] else None,
        system=query["system"],
        timeline=int(query["timeline"]),
        xid=int(query["xid"]),
        no=int(query["no"]),
    )


def told(message):
    return httpx.Response(200, content=encode(message))


def problem(status_code, code, title):
    body = {"code": code, "title": title, "detail": "", "hint": "", "status": status_code}
    return httpx.Response(status_code, content=msgspec.json.encode(body))


def claim(box):
    box.execute(
        "INSERT INTO sync_identity (node_id, school_id, epoch) VALUES (?1, ?2, ?3)",
        (UUID(int=1), UUID(int=2), UUID(int=3)),
    )
    box.execute(
        "INSERT INTO org_unit (id, kind, name, locale, version, updated_at_ms)"
        " VALUES (?1, 'school', 'Shule ya Ziwa', 'sw', 1, 0)",
        (UUID(int=2),),
    )


def wish(box, token="right", url="http://hub.example"):
    box.execute(enrolment.WRITE_WISH, (url, token, NOW_MS))


def add_group(box, number):
    box.execute(
        "INSERT INTO class_group (id, org_id, name, version, updated_at_ms)"
        " VALUES (?1, ?2, 'Kidato', 1, 0)",
        (UUID(int=number), UUID(int=2)),
    )
