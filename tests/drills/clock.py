"""Throw the clock about during a task that is due, and look at what pupils were told.

    python -m tests.drills.clock [N]

The real box answers a class of N pupils, over HTTP as phones see it, on a board whose kernel
clock the drill turns: it wakes in 1970 after a power cut, learns the time from a teacher's phone
and from the hub, jumps fifty years ahead and back while a task is due, and is restarted in
between. After each turn everybody hands in once more.

Nobody may be called late for work that came before the task was due, nobody may be thrown out,
every hand-in must be there, in the order it came, and time on receipts may only be wrong where
they say so.
"""

import asyncio
import logging
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
from msgspec import Struct, field

from appliance.access.commands import open_session
from appliance.access.hashing import new_token, token_hash
from appliance.access.sessions import COOKIE
from appliance.accounts.keys import NODE_KEY, PIN_PEPPER, SEALING_KEY
from appliance.app import create_app
from appliance.clock import YEAR_MS, Board, Clock, box_clock, listen, system_clock, tell
from appliance.database.transaction import Transaction
from appliance.database.writer import Writer
from appliance.health.timekeeping import take_step
from appliance.ids import uuid7
from appliance.settings import Settings
from tests.drills.small_school import NOW_MS, SmallSchool, make_small_school

PUPILS: Final = 40
OK: Final = 200
UNAUTHORIZED: Final = 401
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DUE_MS: Final = NOW_MS + 4 * HOUR_MS
SET_DUE: Final = "UPDATE assessment SET due_at_ms = ?2, version = version + 1 WHERE id = ?1"
ROLE: Final = """
INSERT INTO role_assignment (id, person_id, role, scope_kind, scope_id, version, updated_at_ms)
VALUES (?1, ?2, ?3, 'org', ?4, 1, 0)
"""


class Machine(Struct):
    """The kernel's clock of one board, and the true time nobody on it knows."""

    true_ms: int = NOW_MS
    wall_ms: int = NOW_MS
    up_ms: int = 5 * MINUTE_MS
    boot: int = 1
    is_synchronised: bool = False

    def pass_time(self, ms: int) -> None:
        self.true_ms += ms
        self.wall_ms += ms
        self.up_ms += ms

    def board(self) -> Board:
        return Board(
            wall_ms=lambda: self.wall_ms,
            since_boot_ms=lambda: self.up_ms,
            is_synchronised=lambda: self.is_synchronised,
            boot_id=lambda: f"boot-{self.boot}",
        )


class Verdict(Struct):
    """What the drill found."""

    turns: int = 0
    handed_in: int = 0
    missing: int = 0
    late_wrongly: int = 0
    late_missed: int = 0
    out_of_order: int = 0
    thrown_out: int = 0
    sure_and_wrong: int = 0

    @property
    def is_good(self) -> bool:
        faults = (
            self.missing
            + self.late_wrongly
            + self.late_missed
            + self.out_of_order
            + self.thrown_out
            + self.sure_and_wrong
        )
        return faults == 0 and self.handed_in > 0

    def __str__(self) -> str:
        return (
            f"clock: {self.turns} turns of the clock, {self.handed_in} handed in, missing"
            f" {self.missing}, late wrongly {self.late_wrongly}, lateness missed"
            f" {self.late_missed}, out of order {self.out_of_order}, thrown out"
            f" {self.thrown_out}, sure and wrong {self.sure_and_wrong}"
        )


class Phone(Struct):
    """A phone: a session, and what it was told about its owner's work."""

    person_id: UUID
    token: str = ""
    handed_in: list[str] = field(default_factory=list)
    submission_id: str = ""


class Room(Struct):
    """The class in front of the box, whatever its clock does. The latecomer hands in last."""

    machine: Machine
    settings: Settings
    school: SmallSchool
    phones: list[Phone]
    latecomer: Phone
    teacher: Phone
    verdict: Verdict
    is_steady: bool  # False: the wall clock is simply believed, to see that the drill can fail


class Box(Struct):
    """A box that serves: how phones reach it, and its writer."""

    client: httpx.AsyncClient
    writer: Writer
    clock: Clock


def drill(pupils: int, *, is_steady: bool = True) -> Verdict:
    """Play one school day. A clock that is simply believed must make it fail."""
    with tempfile.TemporaryDirectory(prefix="clock-") as name:
        settings = Settings(data_dir=Path(name))
        school = make_small_school(settings.database, pupils + 2)
        _prepare(settings, school)
        *phones, latecomer, teacher = (Phone(pupil.person_id) for pupil in school.pupils)
        room = Room(Machine(), settings, school, phones, latecomer, teacher, Verdict(), is_steady)
        try:
            asyncio.run(_day(room))
        finally:
            listen(None)
    return room.verdict


def _prepare(settings: Settings, school: SmallSchool) -> None:
    settings.keys.mkdir()
    for name in (NODE_KEY, PIN_PEPPER, SEALING_KEY):
        (settings.keys / name).write_bytes(bytes(32))

    def fill(tx: Transaction) -> None:
        tx.run(SET_DUE, (school.assessment_id, DUE_MS))
        roles = ["learner"] * (len(school.pupils) - 1) + ["teacher"]
        for pupil, role in zip(school.pupils, roles, strict=True):
            tx.run(ROLE, (uuid7(NOW_MS), pupil.person_id, role, school.school_id))

    writer = Writer(settings.database)
    writer.start()
    writer.write_blocking(fill)
    writer.stop()


async def _day(room: Room) -> None:
    """Each block is one boot of the board; between two of them the power was cut."""
    machine = room.machine
    async with _served(room) as box:  # a clock that is right, and nobody says so
        await _sign_in(box, [*room.phones, room.teacher])
        await _turn(room, box)
        machine.wall_ms += 50 * YEAR_MS
        await _turn(room, box)
        machine.wall_ms = 0
        await _turn(room, box)
    _power_cut(room, wall_ms=0)
    room.settings.clock_floor.unlink()  # a card that has lost even that
    async with _served(room) as box:  # 1970; then a teacher's phone
        await _sign_in(box, room.phones[::2])  # half of them come only now
        await _turn(room, box)
        await _tap(room, box)
        await _turn(room, box)
        machine.wall_ms = machine.true_ms + 50 * YEAR_MS
        await _turn(room, box)
        tell(room.settings.clock_file, machine.true_ms - 20_000)  # the hub, a little off
        await _turn(room, box)
        tell(room.settings.clock_file, machine.true_ms)
    _power_cut(room, wall_ms=machine.true_ms + 50 * YEAR_MS)
    async with _served(room) as box:  # a battery gone mad; then the network
        await _turn(room, box)
        machine.wall_ms, machine.is_synchronised = machine.true_ms, True
        await _turn(room, box)
        machine.pass_time(DUE_MS + HOUR_MS - machine.true_ms)
        await _sign_in(box, [room.latecomer])
        await _hand_in(room, box, room.latecomer)  # late, by a clock that is certain


@asynccontextmanager
async def _served(room: Room) -> AsyncIterator[Box]:
    settings, board = room.settings, room.machine.board()
    listen(settings.clock_file, settings.clock_floor, board=board, waits=room.is_steady)
    app = create_app(settings, clock=system_clock if room.is_steady else board.wall_ms)
    async with app.lifespan():
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://box") as client:
            yield Box(client, app.state.writer, app.state.clock)


def _power_cut(room: Room, *, wall_ms: int) -> None:
    """Off for half an hour; what the clock says afterwards is the board's own affair."""
    machine = room.machine
    machine.true_ms += HOUR_MS // 2
    machine.wall_ms, machine.up_ms, machine.boot = wall_ms, MINUTE_MS, machine.boot + 1
    machine.is_synchronised = False


async def _turn(room: Room, box: Box) -> None:
    """The box notices whatever was turned; a minute later everybody hands in once more."""
    its = box_clock()
    assert its is not None
    room.machine.pass_time(3_000)
    its.now_ms()
    if room.is_steady:
        await take_step(its, box.writer)
    room.machine.pass_time(MINUTE_MS)
    room.verdict.turns += 1
    for phone in room.phones:
        await _hand_in(room, box, phone)
    for phone in room.phones:
        await _look(room, box, phone)


async def _sign_in(box: Box, phones: list[Phone]) -> None:
    """As the door does, without the PIN."""
    for phone in phones:
        phone.token = new_token()
        now_ms = box.clock()
        await box.writer.write(
            open_session, phone.person_id, token_hash(phone.token), now_ms=now_ms
        )


async def _tap(room: Room, box: Box) -> None:
    """The teacher's phone says what time it is; its owner has set it to the half minute."""
    phone_ms = room.machine.true_ms + 15_000
    answer = await box.client.put(
        "/api/v1/clock", json={"phone_ms": phone_ms}, headers=_as(room.teacher)
    )
    room.verdict.thrown_out += answer.status_code == UNAUTHORIZED
    assert answer.status_code in {OK, UNAUTHORIZED}, answer.text


async def _hand_in(room: Room, box: Box, phone: Phone) -> None:
    revision_id = str(uuid7(room.machine.true_ms))
    work = {
        "assessment_id": str(room.school.assessment_id),
        "body": f"Work {len(phone.handed_in) + 1}",
    }
    path = f"/api/v1/submission-revisions/{revision_id}"
    answer = await box.client.put(path, json=work, headers=_as(phone))
    if answer.status_code == UNAUTHORIZED:
        room.verdict.thrown_out += 1
        await _sign_in(box, [phone])
        answer = await box.client.put(path, json=work, headers=_as(phone))
    assert answer.status_code == OK, answer.text
    receipt = answer.json()
    phone.handed_in.append(revision_id)
    phone.submission_id = receipt["submission_id"]
    room.verdict.handed_in += 1
    _judge(room, receipt)


def _judge(room: Room, receipt: dict[str, Any]) -> None:
    verdict, true_ms = room.verdict, room.machine.true_ms
    is_late = true_ms > DUE_MS
    verdict.late_wrongly += receipt["late_ms"] > 0 and not is_late
    verdict.late_missed += receipt["late_ms"] == 0 and is_late
    off_ms = abs(receipt["saved_at_ms"] - true_ms)
    verdict.sure_and_wrong += receipt["is_clock_sure"] and off_ms > MINUTE_MS


async def _look(room: Room, box: Box, phone: Phone) -> None:
    """Everything that was acknowledged is there, newest first."""
    path = f"/api/v1/my/hand-ins/{phone.submission_id}"
    answer = await box.client.get(path, headers=_as(phone))
    assert answer.status_code == OK, answer.text
    shown = [each["receipt"]["revision_id"] for each in answer.json()["revisions"]]
    room.verdict.missing += len(set(phone.handed_in) - set(shown))
    room.verdict.out_of_order += shown != phone.handed_in[::-1]


def _as(phone: Phone) -> dict[str, str]:
    return {"cookie": f"{COOKIE}={phone.token}", "origin": "http://box"}


def main() -> int:
    logging.disable(logging.ERROR)
    pupils = int(sys.argv[1]) if len(sys.argv) > 1 else PUPILS
    verdict = drill(pupils)
    print(verdict)  # noqa: T201 -- the verdict line is the drill's whole purpose
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
