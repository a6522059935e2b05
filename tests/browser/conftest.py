"""A real Chromium against the real server process, which can be stopped and killed."""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from appliance.access.commands import put_pin
from appliance.access.hashing import pin_hash
from appliance.accounts.keys import NODE_KEY, PIN_PEPPER, SEALING_KEY
from appliance.database.writer import Writer
from tests.cast import School

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
READY_S_MAX = 20
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}
PIN = "4071"


class Server:
    """`darasa-box serve` as its own process on a fixed free port."""

    def __init__(self, data_dir):
        self.data_dir = data_dir
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        environ = os.environ | {
            "DARASA_DATA_DIR": str(self.data_dir),
            "DARASA_HOST": "127.0.0.1",
            "DARASA_PORT": str(self.port),
        }
        words = [sys.executable, "-m", "appliance", "serve"]
        self.log = (self.data_dir / "server.log").open("ab")
        self.process = subprocess.Popen(words, env=environ, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + READY_S_MAX
        while not self._answers():
            assert self.process.poll() is None, (self.data_dir / "server.log").read_text()
            assert time.monotonic() < deadline, (self.data_dir / "server.log").read_text()
            time.sleep(0.05)

    def stop(self, how=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=20)
            self.process = None
            self.log.close()

    def kill(self):
        self.stop(signal.SIGKILL)

    def _answers(self):
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=1) as answer:
                return answer.status in {200, 503}
        except OSError:
            return False


@pytest.fixture(scope="module")
def chromium():
    """Return the browser; without one the test says that it was skipped.

    For a module and not the session: until it is closed, Playwright leaves an event loop
    running in this thread, and no other test could start its own.
    """
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: browser test not run (apt install chromium)")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def server(database):
    """Serve this test's school; every one of the cast has the PIN of `PIN`."""
    data_dir = database.parent
    (data_dir / "keys").mkdir()
    for name in (NODE_KEY, PIN_PEPPER, SEALING_KEY):
        (data_dir / "keys" / name).write_bytes(secrets.token_bytes(32))
    server = Server(data_dir)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def written(server, school):
    """Run a command on the stopped server's file, then start it again."""

    def written(command, *args, **kwargs):
        server.stop()
        writer = Writer(server.data_dir / "school.db")
        writer.start()
        try:
            return writer.write_blocking(command, *args, **kwargs)
        finally:
            writer.stop()
            server.start()

    return written


@pytest.fixture
def pins(database, school, server):
    """Give everybody a PIN; done before the test's first sign-in."""
    pepper = (server.data_dir / "keys" / PIN_PEPPER).read_bytes()

    def give(tx):
        people = [name for name in School.__struct_fields__ if name in CAST]
        for name in people:
            person = getattr(school, name)
            put_pin(tx, person, pin_hash(pepper, person, PIN))

    writer = Writer(database)
    writer.start()
    writer.write_blocking(give)
    writer.stop()


CAST = {"mr_otieno", "ms_wanjiru", "amina", "jose", "noor", "anh", "baraka", "jomo", "keeper"}


@pytest.fixture
def phone(chromium, server, school, pins):
    """Open a phone of its own (or a desk), signed in as one of the cast."""
    opened = []

    def phone(who=None, *, viewport=PHONE, **options):
        context = chromium.new_context(
            viewport=viewport, base_url=server.url, has_touch=viewport == PHONE, **options
        )
        context.set_default_timeout(15_000)
        opened.append(context)
        if who is not None:
            sign_in(context, getattr(school, who))
        return context

    yield phone
    for context in opened:
        context.close()


def sign_in(context, person_id):
    """Sign in as the sign-in page does; the session cookie lands in the context."""
    answer = context.request.post(
        "/api/v1/sessions", data={"person_id": str(person_id), "pin": PIN}
    )
    assert answer.status == 201, answer.text()


def receipt_code(page):
    """Wait for a receipt and return its six letters."""
    code = page.locator("#receipts .receipt-code")
    code.wait_for()
    text = code.inner_text()
    assert re.fullmatch(r"[BCDFGHJKMNPQRSTVWXYZ]{6}", text), text
    return text
