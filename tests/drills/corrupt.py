"""Damage the card of a played school day in every way a card fails; look at what the box does.

    python -m tests.drills.corrupt [N] [SEED]

A school has worked: a night's copy, then work that the district has, then work that only the box
has, some of it still in the write-ahead log when the power goes. Then N cards are copied from it,
each is damaged, and the box's own start is asked what it stands on. Every committed row must be
there, or be at the hub and come back with the real agent, or be in the report; a box that can
do nothing more must show lessons and keep every byte. Anything else is a silent loss.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, Final

import asyncpg
import msgspec
from litestar.testing import TestClient
from msgspec import Struct, field

from appliance.database.backup import back_up
from appliance.database.connection import open_connection
from appliance.lessons_only.pages import create_reading_app
from appliance.maintenance.stops import note_start
from appliance.repair import REPORT, Footing, find_footing
from appliance.settings import Settings
from demo.processes import box_process, free_port, until_healthy
from tests.drills.board import Board, copy_tree, wait_quiet
from tests.drills.district import SETTLE_S_MAX, Hub, open_district, settled
from tests.drills.hub_rollback import new_school
from tests.drills.lineage import held_by_board, held_by_hub

ROUNDS: Final = 200
WRITES: Final = 250
SEED: Final = 1
NOW_MS: Final = 1_763_800_000_000
PAGE: Final = 4_096
SECTOR: Final = 512
REAL_START_EVERY: Final = 25  # a real process costs two seconds

Facts = dict[bytes, tuple[str, Any]]


class Day(Struct):
    """The card as it lay there when the power went, and what had been promised by then."""

    board: Board
    card: Path
    facts: Facts
    at_hub: set[bytes]


class Tally(Struct):
    """What all rounds came to. `silent` names rows, never their content."""

    states: Counter[str] = field(default_factory=Counter)
    reported: int = 0
    fetched: int = 0
    rounds_fetched: int = 0
    silent: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Nothing went without a word."""
        return not self.silent


class Round(Struct):
    """One damaged card after its start."""

    name: str
    damage: str
    settings: Settings
    footing: Footing
    owed: set[bytes]


# Each takes the card's database, the dice, and damages it.


def some_pages(path: Path, dice: Random) -> None:
    """Blocks that come back as noise."""
    for _ in range(dice.randint(1, 3)):
        overwrite(path, dice.randrange(pages_of(path)) * PAGE, dice.randbytes(PAGE))


def empty_page(path: Path, dice: Random) -> None:
    """A block that was erased and never written."""
    overwrite(path, dice.randrange(pages_of(path)) * PAGE, bytes(PAGE))


def one_sector(path: Path, dice: Random) -> None:
    """Half-written: the rest of the page is good."""
    overwrite(path, dice.randrange(path.stat().st_size // SECTOR) * SECTOR, dice.randbytes(SECTOR))


def header(path: Path, _dice: Random) -> None:
    """The first hundred bytes."""
    overwrite(path, 0, bytes(100))


def first_page(path: Path, dice: Random) -> None:
    """The header and the way to every table."""
    overwrite(path, 0, dice.randbytes(PAGE))


def cut_short(path: Path, dice: Random) -> None:
    """The file ends too early."""
    cut(path, dice.randrange(path.stat().st_size))


def nothing_left(path: Path, _dice: Random) -> None:
    """An empty file is the most dangerous one: it looks like a new box."""
    cut(path, 0)


def not_there(path: Path, _dice: Random) -> None:
    """The directory lost it."""
    path.unlink()


def all_noise(path: Path, dice: Random) -> None:
    """Nothing of it is good."""
    path.write_bytes(dice.randbytes(path.stat().st_size))


def lost_log(path: Path, _dice: Random) -> None:
    """The write-ahead log is gone, and with it what was not yet in the file."""
    log_of(path).unlink()


def damaged_log(path: Path, dice: Random) -> None:
    """Noise in the middle of the log."""
    log = log_of(path)
    overwrite(log, dice.randrange(log.stat().st_size - SECTOR), dice.randbytes(SECTOR))


def short_log(path: Path, dice: Random) -> None:
    """The log ends too early."""
    log = log_of(path)
    cut(log, dice.randrange(1, log.stat().st_size))


DAMAGES: Final[tuple[Callable[[Path, Random], None], ...]] = (
    *[some_pages] * 6,
    *[empty_page] * 3,
    *[one_sector] * 3,
    header,
    first_page,
    *[cut_short] * 2,
    nothing_left,
    not_there,
    all_noise,
    lost_log,
    damaged_log,
    short_log,
)


async def drill(rounds: int, seed: int, writes: int = WRITES) -> Tally:
    """Play the day, damage the cards, and let the agents fetch what is owed."""
    dice, tally = Random(seed), Tally()
    async with open_district() as hub:
        day = await play(hub, dice, writes)
        played = [one_round(day, dice, number, tally) for number in range(rounds)]
        for each in played:
            judge(day, each, tally)
            if each.footing.state != "reading" and int(each.name) % REAL_START_EVERY == 0:
                await start_really(each, tally)
        for each in played:
            if each.owed and each.footing.state != "reading":
                await fetch_back(day, each, tally)
    return tally


async def play(hub: Hub, dice: Random, writes: int) -> Day:
    """A night's copy, work the district has, work it has not, and the power goes."""
    board = await new_school(hub, 1, dice, writes)
    back_up(board.database, board.data_dir / "backups" / "nightly-20261120.db")
    board.work(dice, writes)
    await settled(hub, [board])
    with closing(open_connection(board.database, role="writer")):  # so the log stays
        board.work(dice, writes // 2)
        card = hub.folder / "card"
        copy_tree(board.data_dir, card)
    note_start(card / "running", port=None)
    return Day(board, card, dict(board.book.facts), await facts_at(hub, board))


async def facts_at(hub: Hub, board: Board) -> set[bytes]:
    """What the district has acknowledged."""
    assert board.school is not None
    connection = await asyncpg.connect(hub.dsn)
    try:
        return set((await held_by_hub(connection, board.school.school_id)).facts)
    finally:
        await connection.close()


def one_round(day: Day, dice: Random, number: int, tally: Tally) -> Round:
    """Damage a copy of the card and let the box look at it."""
    settings = Settings(data_dir=day.card.parent / f"card-{number}")
    copy_tree_to(day.card, settings.data_dir)
    damage = dice.choice(DAMAGES)
    damage(settings.database, dice)
    nightly = settings.backups / "nightly-20261120.db"
    fate = dice.random()
    if fate < 1 / 4:
        nightly.unlink()
    elif fate < 1 / 3:
        some_pages(nightly, dice)
    before = settings.database.read_bytes() if settings.database.exists() else b""
    footing = find_footing(settings, now_ms=NOW_MS + number)
    tally.states[footing.state] += 1
    is_kept = is_old_file_kept(settings, footing, before)
    if not is_kept:
        tally.silent.append(f"round {number}: {damage.__name__}: the old file is not kept")
    return Round(str(number), damage.__name__, settings, footing, set())


def is_old_file_kept(settings: Settings, footing: Footing, before: bytes) -> bool:
    """Whether every byte of the damaged file is still there."""
    if footing.state == "sound" or not before:
        return True
    kept = [settings.database, *settings.data_dir.glob("before-*/school.db")]
    return any(path.exists() and path.read_bytes() == before for path in kept)


def judge(day: Day, each: Round, tally: Tally) -> None:
    """Every fact is there as it was written, or owed by the hub, or in the report."""
    if each.footing.state == "reading":
        tally.silent += reads_lessons(each)
        return
    there = held_by_board(each.settings.database).facts
    missing = {pk for pk, said in day.facts.items() if there.get(pk) != said}
    each.owed = missing & day.at_hub
    excused = {pk for pk in missing - day.at_hub if is_reported(each, pk, day.facts[pk][0])}
    tally.reported += len(excused)
    for pk in missing - day.at_hub - excused:
        tally.silent.append(
            f"round {each.name}: {each.damage}, {each.footing.state}: {day.facts[pk][0]} {pk.hex()}"
        )
    if strangers := [pk for pk in there if pk not in day.facts]:
        tally.silent.append(f"round {each.name}: {len(strangers)} rows nobody wrote")


def is_reported(each: Round, pk: bytes, table: str) -> bool:
    """Whether the box said so: by the row's key, or that its table may lack rows."""
    if each.footing.state in {"restored", "sound"}:
        return bool(each.footing.words)
    (report,) = each.settings.data_dir.glob(f"before-repair-*/{REPORT}")
    losses = {loss["table"]: loss for loss in msgspec.json.decode(report.read_bytes())["losses"]}
    loss = losses.get(table)
    is_named = loss is not None and (loss["may_miss_more"] or pk.hex() in loss["missing"])
    return is_named or any("write-ahead log" in words for words in each.footing.words)


def reads_lessons(each: Round) -> list[str]:
    """A box that can do no more says so, refuses work, and keeps it on the phone."""
    with TestClient(create_reading_app(each.settings, each.footing.words)) as client:
        page = client.get("/")
        refused = client.post("/api/v1/sessions", json={})
    says_so = page.status_code == 200 and "damaged" in page.text
    return [] if says_so and refused.status_code == 503 else [f"round {each.name}: no page"]


async def start_really(each: Round, tally: Tally) -> None:
    """The whole box serves on what the ladder left."""
    keys = each.settings.keys
    for name in ("pin.pepper", "sealing.key"):
        (keys / name).write_bytes(bytes(32))
    port = free_port()
    with box_process(each.settings.data_dir, port, host_name="darasa-corrupt") as box:
        try:
            await until_healthy(box, port)
        except (AssertionError, OSError, TimeoutError) as error:
            tally.silent.append(f"round {each.name}: it does not serve: {error}")


async def fetch_back(day: Day, each: Round, tally: Tally) -> None:
    """The real agent brings what the district has."""
    board = Board(each.settings.data_dir, day.board.book)
    await asyncio.to_thread(wait_quiet, [board], within_s=SETTLE_S_MAX)
    board.agent.stop()
    there = held_by_board(board.database).facts
    back = {pk for pk in each.owed if there.get(pk) == day.facts[pk]}
    tally.fetched += len(back)
    tally.rounds_fetched += 1
    tally.silent += [f"round {each.name}: {pk.hex()} is at the hub" for pk in each.owed - back]


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def pages_of(path: Path) -> int:
    return path.stat().st_size // PAGE


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def copy_tree_to(here: Path, there: Path) -> None:
    there.mkdir()
    copy_tree(here, there)


def verdict(tally: Tally, rounds: int) -> str:
    """One line with all figures."""
    states = ", ".join(f"{state} {count}" for state, count in sorted(tally.states.items()))
    return (
        f"corrupt {'PASS' if tally.is_good else 'FAIL'}: cards {rounds}: {states}; "
        f"rows fetched back from the hub {tally.fetched} on {tally.rounds_fetched} cards, "
        f"reported {tally.reported}, silently lost {len(tally.silent)}"
    )


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    tally = asyncio.run(drill(rounds, seed))
    for found in tally.silent[:20]:
        print(f"  {found}", file=sys.stderr)  # noqa: T201 -- what a person looks at next
    print(verdict(tally, rounds), flush=True)  # noqa: T201 -- the verdict is the whole purpose
    return 0 if tally.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
