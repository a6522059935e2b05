"""Which copy is the newest, where no clock can be asked and a restore takes every count back.

Every copy, on the card or on a stick, gets the next number, its turn: higher than any that this
box has given or sees. What was made after the copy that a restore has put in place, and before
that restore, is another future: it is kept, and stands behind everything else.

The turns lie in a file beside the copies, which a restore does not take back. Without it the
numbers on the copies themselves tell, and only the other futures are not known as such.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, structs

from appliance.durable import put_private

FILE: Final = "order.json"
FUTURES_MAX: Final = 50  # restores that are remembered


class Order(Struct, frozen=True):
    """The last turn, and the turns nobody goes on from: each after the first, up to the second.

    `aside`: how many nightly copies have passed since each file of `appliance.backups.aside` was
    first seen.
    """

    turn: int = 0
    left: list[tuple[int, int]] = []
    aside: dict[str, int] = {}

    def has_left(self, turn: int) -> bool:
        """Whether a copy belongs to a future that a restore has left."""
        return any(after < turn <= until for after, until in self.left)


def read_order(folder: Path) -> Order:
    """What is known; nothing where the file is lost or torn."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Order)
    except (OSError, msgspec.MsgspecError):
        return Order()


def next_turn(folder: Path, seen: Iterable[int]) -> int:
    """Give a turn higher than every one that was given or seen."""
    with _alone(folder):
        order = read_order(folder)
        turn = 1 + max((order.turn, *seen))
        write_order(folder, structs.replace(order, turn=turn))
    return turn


def note_restored(folder: Path, turn: int, seen: Iterable[int]) -> None:
    """Leave the future of the copy that was put in place; 0: it says nothing of its turn."""
    with _alone(folder):
        order = read_order(folder)
        until = max((order.turn, turn, *seen))
        left = [*order.left, (turn, until)] if 0 < turn < until else order.left
        write_order(folder, structs.replace(order, turn=until, left=left[-FUTURES_MAX:]))


def note_aside(folder: Path, aside: dict[str, int]) -> None:
    """Write down what lies aside."""
    with _alone(folder):
        write_order(folder, structs.replace(read_order(folder), aside=aside))


def write_order(folder: Path, order: Order) -> None:
    """Put it in place for good."""
    put_private(folder / FILE, msgspec.json.encode(order))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A keeper's backup and the night's may come to it at once."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
