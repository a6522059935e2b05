"""What an address answers when a box asks for a newer release: taken, or a plain sentence."""

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import BaseRequestHandler, TCPServer

import pytest

from tests.sources import ROOT

SCRIPT = ROOT / "image-build/overlay/usr/lib/darasa/update"
NEWER = {"version": "0.10.0", "build": "b2", "bundle": "darasa-0.10.0.raucb"}


@pytest.fixture
def check(tmp_path):
    """Ask an address as a box of 0.3.0; return exit status and words."""
    (tmp_path / "build.json").write_text('{"version": "0.3.0", "build": "b1"}')
    text = SCRIPT.read_text()
    for place in ("/usr/share/darasa/build.json", "/run/darasa-update/offer.json"):
        assert place in text
        text = text.replace(place, str(tmp_path / place.rpartition("/")[2]))
    script = tmp_path / "update"
    script.write_text(text)

    def ask(url):
        words = [sys.executable, script, "check"]
        done = subprocess.run(
            words, env={"DARASA_UPDATE_URL": url}, capture_output=True, text=True, check=False
        )
        assert done.stderr == ""
        return done.returncode, done.stdout.strip()

    return ask


@pytest.fixture
def offer(tmp_path):
    return tmp_path / "offer.json"


@contextmanager
def listening(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/releases/latest.json"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def answering(body):
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_):
            pass

    with listening(HTTPServer(("127.0.0.1", 0), Answer)) as url:
        yield url


def test_a_newer_release_is_noted_with_the_place_of_its_file(check, offer):
    with answering(NEWER) as url:
        assert check(url) == (0, "release 0.10.0 can be installed")
        place = url.replace("latest.json", "darasa-0.10.0.raucb")
    assert json.loads(offer.read_text()) == {"version": "0.10.0", "place": place}


@pytest.mark.parametrize("version", ["0.3.0", "0.2.99"])
def test_an_offer_goes_once_it_is_nothing_new(check, offer, version):
    offer.write_text("{}")
    with answering(NEWER | {"version": version}) as url:
        assert check(url) == (0, "this box has the newest release")
    assert not offer.exists()


@pytest.mark.parametrize(
    "body",
    [
        NEWER | {"version": "0.4.0-rc1"},
        NEWER | {"version": "٤.٠"},
        NEWER | {"version": "9" * 5_000},
        NEWER | {"version": 4},
        {"version": "0.4.0"},
        {"bundle": "new.raucb"},
        NEWER | {"bundle": None},
        NEWER | {"bundle": "file:///etc/passwd"},
        NEWER | {"bundle": "http://[/"},
        NEWER | {"bundle": "b" * 5_000},
        [NEWER],
        "0.4.0",
        b"<html>Sign in to this Wi-Fi</html>",
        b"\xff\xfe",
        b"[" * 60_000,
        NEWER | {"notes": "n" * 70_000},
    ],
    ids=lambda body: str(body)[:40],
)
def test_an_answer_that_names_no_release_is_a_sentence_and_the_last_offer_stays(check, offer, body):
    offer.write_text("{}")
    with answering(body) as url:
        status, said = check(url)
        assert (status, said) == (1, f"what {url} answers names no release")
    assert offer.read_text() == "{}"


def test_whoever_does_not_answer_or_speaks_otherwise_is_a_sentence(check):
    class Noise(BaseRequestHandler):
        def handle(self):
            self.request.recv(65_536)
            self.request.sendall(b"220 mail ready\r\n")

    with listening(TCPServer(("127.0.0.1", 0), Noise)) as url:
        status, said = check(url)
        assert (status, said.partition(":")[0]) == (0, "nobody answered at http")
    assert check(url)[0] == 0
    assert check("no address at all")[0] == 0
