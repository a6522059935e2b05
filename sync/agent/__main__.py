"""`darasa-agent`: carries the school's work to the district, as a process of its own."""

import argparse
import asyncio
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from appliance.clock import clock_quality, listen, system_clock
from appliance.database.agent import AgentDatabase
from appliance.database.faults import DataDirInUse
from appliance.database.lock import shared_lock
from appliance.database.migrate import file_version, require_schema, spoken_version
from appliance.district.queries import sync_status
from appliance.district.words import plain_lines
from appliance.errors import DarasaError
from appliance.notify import notify_ready, notify_stopping, notify_watchdog, watchdog_interval_s
from appliance.settings import Settings
from appliance.settings_reading import load_settings, unknown_variables
from sync.agent import answers, arriving, enrolment, status, stick, verifying
from sync.agent.agent import Agent, Seams, hardware_name
from sync.agent.boards import fingerprint
from sync.agent.faults import AgentRunsAlready, NotJoined, StickTrouble
from sync.agent.keys import read_next_key, read_node_key
from sync.agent.recovery import notice_restored
from sync.agent.rotation import begin_rotation
from sync.agent.sealing import Stamp
from sync.agent.store import identity
from sync.agent.turn import turn
from sync.stick import Stick, StickFailed

logger = logging.getLogger(__name__)

FAILED: Final = 1
TURN_S_MAX: Final = 30.0  # a conversation on a slow link may last longer; then a part is done
NOTHING_NEW: Final = 3  # of import: the stick can go back to the district as it is
AGENT_LOCK: Final = "agent.lock"
CHECK_S_MAX: Final = 600  # a running agent may have a backlog before it
WAIT_FOR_BOX_S: Final = 1.0


def main() -> None:
    """Run one command; a refusal is one sentence and a hint, not a traceback."""
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Run the command in `words` and return the exit status."""
    told = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # one line a request is no event
    try:
        for unknown in unknown_variables(os.environ):
            print(unknown, file=sys.stderr)
        settings = load_settings(told.config, os.environ)
        answer: int = told.command(settings, told)
    except DarasaError as error:
        print(f"{error.title}: {error.detail}\n{error.hint}", file=sys.stderr)
        return FAILED
    return answer


def _run(settings: Settings, _told: argparse.Namespace) -> int:
    asyncio.run(_serve(settings))
    return 0


def _status(settings: Settings, told: argparse.Namespace) -> int:
    require_schema(settings.database)
    with closing(AgentDatabase(settings.database)) as db:
        if told.json:
            print(msgspec.json.format(msgspec.json.encode(status.status(db)), indent=2).decode())
        else:
            lines = plain_lines(sync_status(db), now_ms=system_clock())
            print("\n".join(lines + status.room_lines(db, settings.blobs)))
    return 0


def _verify(settings: Settings, _told: argparse.Namespace) -> int:
    """Have everything compared now; a running agent does it, or this process alone."""
    require_schema(settings.database)
    with closing(AgentDatabase(settings.database)) as db:
        with db.changing() as tx:
            verifying.ask(tx)
        try:
            with _alone(settings.data_dir), shared_lock(settings.data_dir):
                asyncio.run(_try_once(settings))
        except DataDirInUse:
            asyncio.run(_wait_for_check(db))
        found = status.status(db)
        is_done = not verifying.is_asked(db)
        print("\n".join(status.check_lines(db) if is_done else []))
        print("\n".join(plain_lines(sync_status(db), now_ms=system_clock())))
    return 0 if is_done and not found.different else FAILED


async def _wait_for_check(db: AgentDatabase) -> None:
    """The running agent has seen the wish; without a link it keeps it for later."""
    for _ in range(CHECK_S_MAX):
        if not verifying.is_asked(db):
            return
        await asyncio.sleep(1)


def _enrol(settings: Settings, told: argparse.Namespace) -> int:
    """Ask as the box's district page would, then try once at once, unless the agent runs."""
    require_schema(settings.database)
    with closing(AgentDatabase(settings.database)) as db:
        is_empty = identity(db) is None
        recovery_code = arriving.make_keys(settings.keys) if is_empty else None
        with db.changing() as tx:
            tx.run(enrolment.WRITE_WISH, (told.url.rstrip("/"), told.token, system_clock()))
        if is_empty:
            return _take_over(settings, db, recovery_code)
    return _try_now(settings, told)


def _take_over(settings: Settings, db: AgentDatabase, recovery_code: str | None) -> int:
    """Become a lost board's school, and stay until all of it is here."""
    if recovery_code is not None:
        print(f"Recovery code of this board, shown this once: {recovery_code}")
    try:
        with _alone(settings.data_dir), shared_lock(settings.data_dir):
            is_here = asyncio.run(_fetch_school(settings, db))
    except DataDirInUse:
        print("The running agent has been told.")
        is_here = asyncio.run(arriving.follow(db, print))
    if not is_here:
        print("\n".join(plain_lines(sync_status(db), now_ms=system_clock())))
    return 0 if is_here else FAILED


async def _fetch_school(settings: Settings, db: AgentDatabase) -> bool:
    with closing(_agent(settings)) as agent:
        fetching = asyncio.create_task(agent.run())
        is_here = await arriving.follow(db, print)
        fetching.cancel()
        await asyncio.wait([fetching])
    return is_here


def _new_identity(settings: Settings, told: argparse.Namespace) -> int:
    """Ask for a node of this board's own, when another board has a copy of its card."""
    require_schema(settings.database)
    with closing(AgentDatabase(settings.database)) as db, db.changing() as tx:
        if not tx.run(enrolment.WRITE_IDENTITY_WISH, (told.token, system_clock())):
            raise NotJoined("this box is in no district yet")
    return _try_now(settings, told)


def _try_now(settings: Settings, told: argparse.Namespace) -> int:
    """Carry out what was just asked for; a running agent does it by itself."""
    try:
        with _alone(settings.data_dir), shared_lock(settings.data_dir):
            asyncio.run(_try_once(settings))
    except DataDirInUse:
        print("The running agent has been told; `darasa-agent status` shows the outcome.")
        return 0
    told.json = False
    return _status(settings, told)


def _rotate_key(settings: Settings, _told: argparse.Namespace) -> int:
    """Make the new key; whoever talks to the district next brings it into use."""
    read_node_key(settings.keys)
    begin_rotation(settings.keys)
    try:
        with _alone(settings.data_dir), shared_lock(settings.data_dir):
            require_schema(settings.database)
            asyncio.run(_try_once(settings))
    except DataDirInUse:
        print("The running agent changes the key at its next contact with the district.")
        return 0
    is_done = read_next_key(settings.keys) is None
    print("The key was changed." if is_done else "Not yet: the district has not said yes.")
    return 0 if is_done else FAILED


def _export(settings: Settings, told: argparse.Namespace) -> int:
    with _carrying(settings, told.folder) as (tools, folder):
        sent = stick.export_stick(tools, folder, _stamp(settings))
    for line in stick.words_of(sent):
        print(line)
    return 0


def _import(settings: Settings, told: argparse.Namespace) -> int:
    with _carrying(settings, told.folder) as (tools, folder):
        found = answers.import_stick(tools, folder, now_ms=system_clock())
    for each in found:
        print(f"{each.name}: {each.words}")
    if not found:
        print("There is no answer for this box on the stick.")
    return 0 if any(each.is_news for each in found) else NOTHING_NEW


@contextmanager
def _carrying(settings: Settings, folder: Path) -> Iterator[tuple[stick.Tools, Stick]]:
    """Open the database and the stick; the agent goes on running and waits its turn."""
    require_schema(settings.database)
    with ExitStack() as opened:
        opened.enter_context(shared_lock(settings.data_dir))
        is_ours = opened.enter_context(turn(settings.data_dir, within_s=TURN_S_MAX))
        tools = stick.Tools(
            db=opened.enter_context(closing(AgentDatabase(settings.database))),
            key=read_node_key(settings.keys),
            is_alone=is_ours,
            erased_people=settings.erased_people,
            files=settings.blobs,
            say=partial(print, flush=True),
        )
        if is_ours:
            now_ms = system_clock()
            notice_restored(tools.db, stick.system_chance(now_ms).epoch, now_ms=now_ms)
        try:
            yield tools, stick.open_stick(folder, settings.data_dir, tools.say)
        except StickFailed as error:
            raise StickTrouble(str(error)) from error


def _stamp(settings: Settings) -> Stamp:
    return Stamp(
        now_ms=system_clock(),
        clock_quality=clock_quality(),
        schema_version=spoken_version(settings.database),
        app_version=version("darasa"),
    )


async def _try_once(settings: Settings) -> None:
    with closing(_agent(settings)) as agent:
        await agent.one_try()


async def _serve(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    with _alone(settings.data_dir):
        notify_ready()
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(_beat()), tasks.create_task(_talk(settings))]
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, lambda: [task.cancel() for task in working])
    notify_stopping()


async def _talk(settings: Settings) -> None:
    """Talk for ever, and let go of the files whenever the box has to repair them."""
    while True:
        await _until_the_box_has_started(settings)
        with shared_lock(settings.data_dir):
            require_schema(settings.database)
            with closing(_agent(settings)) as agent:
                await _until_asked_away(settings, agent)


async def _until_the_box_has_started(settings: Settings) -> None:
    """The box makes or repairs the database at its start, and needs the files alone for that."""
    while is_busy_with_it(settings):  # noqa: ASYNC110 -- another process makes it
        await asyncio.sleep(WAIT_FOR_BOX_S)


def is_busy_with_it(settings: Settings) -> bool:
    """Whether there is no database to talk about yet, or not now."""
    return settings.hands_off.exists() or not file_version(settings.database)


async def _until_asked_away(settings: Settings, agent: Agent) -> None:
    talking = asyncio.create_task(agent.run())
    try:
        while not settings.hands_off.exists() and not talking.done():
            await asyncio.wait([talking], timeout=WAIT_FOR_BOX_S)
    finally:
        talking.cancel()
        await asyncio.wait([talking])
    if not talking.cancelled():
        talking.result()  # raises what ended it


async def _beat() -> None:
    interval_s = watchdog_interval_s()
    while interval_s is not None:
        notify_watchdog()
        await asyncio.sleep(interval_s)


def _agent(settings: Settings) -> Agent:
    listen(settings.clock_file, settings.clock_floor)
    seams = Seams(
        system_clock, None, hardware_name(), version("darasa"), fingerprint(settings.data_dir)
    )
    return Agent(settings, seams, schema_version=spoken_version(settings.database))


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Two agents would number segments twice. The kernel drops the lock with the process."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / AGENT_LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AgentRunsAlready(f"it looks after {data_dir}") from error
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="darasa-agent", description=__doc__)
    parser.add_argument("--config", type=Path, help="the box's TOML file")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("run", help="talk to the district for ever").set_defaults(command=_run)
    told = commands.add_parser("status", help="what waits, and what the hub last said")
    told.add_argument("--json", action="store_true", help="the numbers, for a program")
    told.set_defaults(command=_status)
    commands.add_parser(
        "verify", help="compare everything with the district's copy, and mend what differs"
    ).set_defaults(command=_verify)
    enrol = commands.add_parser("enrol", help="join a district with a one-time token")
    enrol.add_argument("url", help="the hub's address, https://…")
    enrol.add_argument("token", help="the token the district gave you")
    enrol.set_defaults(command=_enrol)
    words = "become a node of one's own, when another board has a copy of this card"
    own = commands.add_parser("new-identity", help=words, description=words)
    own.add_argument("token", help="the token the district gave you for this board")
    own.set_defaults(command=_new_identity)
    words = "change this box's key; the old one counts for another month"
    rotate = commands.add_parser("rotate-key", help=words, description=words)
    rotate.set_defaults(command=_rotate_key)
    for name, call, words in (
        ("export", _export, "put what waits on a stick, locked for the district"),
        ("import", _import, "take in the district's answers from a stick"),
    ):
        carry = commands.add_parser(name, help=words, description=words)
        carry.add_argument("folder", type=Path, metavar="DIR", help="where the stick is mounted")
        carry.set_defaults(command=call)
    return parser


if __name__ == "__main__":
    main()
