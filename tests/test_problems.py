"""Every failure has one shape, for scripts and for people."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from litestar import Litestar, get, post
from litestar.exceptions import HTTPException, TooManyRequestsException
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template import TemplateConfig
from litestar.testing import TestClient
from msgspec import Meta, Struct

from appliance import errors
from appliance.errors import Busy, DarasaError, Invalid, NotFound, StorageFull, TooManyRequests
from appliance.problems import PROBLEM_HANDLERS, Problem, field_error

PAGE = "<h1>{{ problem.title }}</h1><p>{{ problem.detail }} {{ problem.hint }}</p>"


class Answer(Struct, forbid_unknown_fields=True):
    body: Annotated[str, Meta(max_length=10)]
    points_mp: int


class Sheet(Struct, forbid_unknown_fields=True):
    answers: list[Answer]


RAISED = {
    "gone": NotFound("course 7"),
    "queue": Busy("4096 writes are already waiting", retry_after_s=2),
    "tries": TooManyRequests("pupil 3", retry_after_s=30),
    "disk": StorageFull("the storage card is full"),
    "bug": ZeroDivisionError("Amina's secret"),
    "framework": HTTPException(status_code=502, detail="elsewhere"),
    "teapot": HTTPException(status_code=418, detail="short and stout"),
    "rate": TooManyRequestsException(headers={"retry-after": "9"}),
}


@get("/raise/{what:str}")
async def fail(what: FromPath[str]) -> None:
    raise RAISED[what]


@get("/api/v1/raise")
async def fail_for_scripts() -> None:
    raise NotFound("course 7")


@get("/page")
async def page(number: FromQuery[int]) -> int:
    return number


@post("/sheets")
async def sheets(data: JSONBody[Sheet]) -> int:
    return len(data.answers)


@post("/decoded")
async def decoded() -> None:
    msgspec.json.decode(b'{"answers": [{"body": "4"}]}', type=Sheet)


def app(template_config):
    return Litestar(
        [fail, fail_for_scripts, page, sheets, decoded],
        exception_handlers=PROBLEM_HANDLERS,
        template_config=template_config,
        request_max_body_size=200,
    )


@pytest.fixture
def client():
    with TestClient(app(None), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def browser(tmp_path):
    (tmp_path / "web/templates").mkdir(parents=True)
    (tmp_path / "web/templates/problem.html").write_text(PAGE)
    templates = TemplateConfig(directory=Path(tmp_path), engine=JinjaTemplateEngine)
    with TestClient(app(templates), raise_server_exceptions=False) as client:
        client.headers["accept"] = "text/html,application/xhtml+xml,*/*;q=0.8"
        yield client


@pytest.mark.parametrize(
    ("request_line", "status", "code"),
    [
        ("GET /raise/gone", 404, "not-found"),
        ("GET /raise/queue", 503, "busy"),
        ("GET /raise/tries", 429, "too-many-requests"),
        ("GET /raise/disk", 507, "storage-full"),
        ("GET /raise/bug", 500, "error"),
        ("GET /raise/framework", 502, "error"),
        ("GET /raise/teapot", 418, "invalid"),
        ("GET /raise/rate", 429, "too-many-requests"),
        ("GET /nowhere", 404, "not-found"),
        ("POST /page", 405, "method-not-allowed"),
        ("GET /page", 400, "invalid"),
        ("GET /page?number=two", 400, "invalid"),
        ("POST /decoded", 400, "invalid"),
    ],
)
def test_every_failure_is_a_problem(client, request_line, status, code):
    method, url = request_line.split()
    response = client.request(method, url)
    assert response.headers["content-type"] == "application/problem+json"
    problem = msgspec.json.decode(response.content, type=Problem)
    assert (response.status_code, problem.status, problem.code) == (status, status, code)
    assert problem.type == f"urn:darasa:problem:{code}"
    assert problem.title
    assert problem.detail
    assert problem.hint


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        (b'{"answers": [{"body": "4", "points_mp": "x"}]}', "answers[0].points_mp", "Expected"),
        (b'{"answers": [{"body": "12345678901", "points_mp": 1}]}', "answers[0].body", "length"),
        (b'{"answers": [{"body": "4"}]}', "answers[0].points_mp", "missing"),
        (b'{"answers": [], "sneaked": 1}', "sneaked", "unknown"),
    ],
)
def test_the_field_at_fault_is_named(client, body, field, message):
    response = client.post("/sheets", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["field"] == field
    assert message in error["message"]


@pytest.mark.parametrize("body", [b'{"answers": ', b"\xff\xfe", b"", b"[]"])
def test_a_body_that_is_no_json_is_the_senders_fault(client, body):
    response = client.post("/sheets", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["code"] == "invalid"


def test_a_body_that_is_too_large_is_said_to_be(client):
    response = client.post("/sheets", content=b" " * 1_000)
    assert (response.status_code, response.json()["code"]) == (413, "too-large")


@pytest.mark.parametrize(("what", "seconds"), [("queue", "2"), ("tries", "30"), ("rate", "9")])
def test_when_to_come_back_is_said(client, what, seconds):
    assert client.get(f"/raise/{what}").headers["retry-after"] == seconds


def test_the_right_verb_is_said(client):
    assert "GET" in client.post("/page").headers["allow"]


def test_our_own_bug_tells_nothing_but_the_log(client, caplog):
    assert "Amina" not in client.get("/raise/bug").text
    assert "unhandled error path=/raise/bug" in caplog.text


def test_a_person_gets_a_page_with_the_same_words(browser):
    response = browser.get("/raise/gone")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")
    assert response.text == (f"<h1>{NotFound.title}</h1><p>course 7 {NotFound.hint}</p>")


@pytest.mark.parametrize(
    ("url", "headers", "is_page"),
    [
        ("/raise/gone", {}, True),
        ("/nowhere", {}, True),
        ("/raise/gone", {"accept": "*/*", "hx-request": "true"}, True),
        ("/raise/gone", {"accept": "*/*"}, False),
        ("/raise/gone", {"accept": "application/json"}, False),
        ("/api/v1/raise", {}, False),
        ("/sync/v1/hello", {}, False),
    ],
)
def test_who_gets_a_page(browser, url, headers, is_page):
    kind = browser.get(url, headers=headers).headers["content-type"]
    assert kind.startswith("text/html" if is_page else "application/problem+json")


def test_codes_are_words_and_belong_to_one_class():
    tree = [one for one in vars(errors).values() if inspect.isclass(one)]
    tree = [one for one in tree if issubclass(one, DarasaError)]
    codes = [one.code for one in tree]
    assert len(set(codes)) == len(codes) > 10
    assert all(one.title and one.hint and one.__doc__ for one in tree)


def test_an_error_carries_its_fields():
    error = Invalid("the roster", [field_error("Expected `int` - at `$.rows[3].age`")])
    assert error.errors[0].field == "rows[3].age"
    assert error.detail == "the roster"


def test_the_leaves_that_the_hub_shares_know_no_sqlite():
    leaves = "appliance.errors, appliance.problems, appliance.clock, appliance.ids"
    code = f"import sys, {leaves}; sys.exit('apsw' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
