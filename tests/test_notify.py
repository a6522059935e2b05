import os
import socket

import pytest

from appliance.notify import (
    notify_ready,
    notify_stopping,
    notify_watchdog,
    watchdog_interval_s,
)


@pytest.fixture(params=["a path", "an abstract name"])
def listener(request, tmp_path, monkeypatch):
    """Bind as systemd does: on a path, or in Linux's abstract namespace."""
    name = str(tmp_path / "notify") if request.param == "a path" else f"@darasa-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0"))
        listener.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listener


@pytest.mark.parametrize(
    ("say", "heard"),
    [
        (notify_ready, b"READY=1"),
        (notify_watchdog, b"WATCHDOG=1"),
        (notify_stopping, b"STOPPING=1"),
    ],
)
def test_systemd_hears_one_datagram(listener, say, heard):
    say()
    assert listener.recv(64) == heard


def test_started_by_hand_nothing_is_said_and_nothing_fails(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify_ready()


@pytest.mark.parametrize(
    ("deadline_us", "pid", "interval_s"),
    [
        ("30000000", None, 15.0),
        ("30000000", os.getpid(), 15.0),
        ("30000000", os.getpid() + 1, None),  # meant for our parent
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_the_beat_is_half_the_deadline(monkeypatch, deadline_us, pid, interval_s):
    for name, value in (("WATCHDOG_USEC", deadline_us), ("WATCHDOG_PID", pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, str(value))
    assert watchdog_interval_s() == interval_s
