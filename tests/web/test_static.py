"""Static files: an address that names the content, an answer that spares the radio."""

import gzip

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from appliance.problems import PROBLEM_HANDLERS
from appliance.web import pages, static
from appliance.web.static import COMPRESSION, static_url
from appliance.web.templates import template_config


@pytest.fixture(scope="module")
def client():
    app = Litestar(
        [*static.ROUTES, *pages.ROUTES],
        exception_handlers=PROBLEM_HANDLERS,
        compression_config=COMPRESSION,
        template_config=template_config(),
    )
    with TestClient(app) as client:
        yield client


def test_the_address_with_the_digest_may_be_kept_for_ever(client):
    answer = client.get(static_url("darasa.css"))
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"] == "text/css; charset=utf-8"


def test_an_address_without_or_with_an_old_digest_is_asked_for_again(client):
    for path in ("/static/darasa.css", "/static/0123456789/darasa.css"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"


def test_a_browser_that_has_the_file_is_told_so_and_sent_nothing(client):
    first = client.get("/static/darasa.css")
    again = client.get("/static/darasa.css", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get("/static/darasa.css", headers={"if-none-match": '"other"'})
    assert other.status_code == 200


def test_text_is_compressed_once_and_pictures_never(client):
    raw = client.build_request("GET", "/static/darasa.css", headers={"accept-encoding": "gzip"})
    with client.stream("GET", raw.url, headers={"accept-encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())
    assert (
        gzip.decompress(packed)
        == client.get("/static/darasa.css", headers={"accept-encoding": "identity"}).content
    )
    assert "content-encoding" not in client.get("/static/icon.png").headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../templates/base.html",
        "/static/%2e%2e/templates/base.html",
        "/static/0123456789/%2e%2e/%2e%2e/static.py",
        "/static//etc/passwd",
        "/static/",
        "/static/no-such.css",
    ],
)
def test_nothing_outside_the_folder_is_served(client, path):
    assert client.get(path).status_code == 404


def test_a_changed_file_gets_a_new_address(tmp_path, monkeypatch):
    monkeypatch.setattr(static, "STATIC", tmp_path.resolve())
    (tmp_path / "page.js").write_text("one()")
    before = static_url("page.js")
    (tmp_path / "page.js").write_text("another()")
    assert static_url("page.js") != before


def test_the_design_page_shows_every_component_within_the_budget_of_a_first_page(client):
    page = client.get("/design")
    assert page.status_code == 200
    for part in ("notice-error", "custody", "receipt-code", "pin-keys", "empty", "lesson-section"):
        assert part in page.text
    assets = ("darasa.css", "page.js", "icon.png")
    sizes = [len(gzip.compress(client.get(f"/static/{name}").content)) for name in assets]
    assert len(gzip.compress(page.content)) + sum(sizes) < 60_000


@pytest.mark.parametrize("name", ["a%00b", "x" * 300, "../static.py", "%2e%2e/static.py"])
def test_a_name_no_file_can_have_is_not_found(client, name):
    assert client.get(f"/static/{name}").status_code == 404
