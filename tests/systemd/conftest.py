import shutil
import socket
from collections import deque

import pytest

from tests.cast import new_id


@pytest.fixture
def needs_systemd():
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here: apt-get install systemd")


@pytest.fixture
def heard():
    """What a service says to systemd: `address` for NOTIFY_SOCKET, `next()` for its words."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        yield Ear(ear)


class Ear:
    def __init__(self, ear, *, patience_s=30.0):
        name = f"darasa-test-{new_id().hex}"
        ear.bind(f"\0{name}")
        ear.settimeout(patience_s)
        self.address = f"@{name}"
        self._ear = ear
        self._words = deque()

    def until(self, word):
        """Wait for `word`; return everything said before it."""
        before = []
        while True:
            if not self._words:
                self._words.extend(self._ear.recv(4_096).decode().splitlines())
            said = self._words.popleft()
            if said == word:
                return before
            before.append(said)
