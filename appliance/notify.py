"""What systemd hears from us: ready, still alive, stopping.

The protocol is one datagram to the socket named in NOTIFY_SOCKET (man 3 sd_notify). Started by hand
there is no such socket and every call does nothing.
"""

import os
import socket

# One late beat on a busy board is no restart (man 3 sd_watchdog_enabled).
BEATS_PER_DEADLINE = 2


def notify_ready() -> None:
    """Say that requests are served from now on."""
    _send(b"READY=1")


def notify_watchdog() -> None:
    """Say that the loop which calls this still turns."""
    _send(b"WATCHDOG=1")


def notify_stopping() -> None:
    """Say that the end is wanted, so that systemd waits instead of restarting."""
    _send(b"STOPPING=1")


def watchdog_interval_s() -> float | None:
    """Return how often to call `notify_watchdog`, or None when nobody listens for it."""
    deadline_us = os.environ.get("WATCHDOG_USEC", "")
    meant_for = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not deadline_us.isdecimal() or meant_for != str(os.getpid()):
        return None
    return int(deadline_us) / 1_000_000 / BEATS_PER_DEADLINE


def _send(message: bytes) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # Linux's abstract namespace begins with a zero byte
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as listener:
        listener.connect(address)
        listener.send(message)
