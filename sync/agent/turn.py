"""Whose turn it is: the running agent's, or a command's that carries a stick.

Each holds the turn for one conversation. The kernel drops it with the process.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

TURN: Final = "agent.turn"
LOOK_S: Final = 0.5


@contextmanager
def turn(data_dir: Path, *, within_s: float = 0.0) -> Iterator[bool]:
    """Take the turn; yield whether it is ours, at the latest after `within_s`."""
    until = time.monotonic() + within_s
    with (data_dir / TURN).open("ab") as lock:
        while not (is_ours := _taken(lock.fileno())) and time.monotonic() < until:
            time.sleep(LOOK_S)
        yield is_ours


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
