import shutil
import socket
from queue import SimpleQueue
from threading import Thread

import pytest

from tests.cast import new_id

PATIENCE_S = 30.0


@pytest.fixture
def needs_systemd():
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here: apt-get install systemd")


@pytest.fixture
def heard():
    """What a service says to systemd: `address` for NOTIFY_SOCKET, `until(word)` to wait."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        yield Ear(ear)


class Ear:
    """Listens on a thread: a service whose words nobody takes stands still at the eleventh."""

    def __init__(self, ear):
        name = f"darasa-test-{new_id().hex}"
        ear.bind(f"\0{name}")
        ear.settimeout(PATIENCE_S)
        self.address = f"@{name}"
        self._words = SimpleQueue()
        Thread(target=self._listen, args=(ear,), daemon=True).start()

    def until(self, word):
        """Wait for `word`; return everything said before it."""
        before = []
        while (said := self._words.get(timeout=PATIENCE_S)) != word:
            before.append(said)
        return before

    def _listen(self, ear):
        try:
            while True:
                for word in ear.recv(4_096).decode().splitlines():
                    self._words.put(word)
        except OSError:  # closed at the end of the test
            return
