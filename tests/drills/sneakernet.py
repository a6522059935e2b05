"""A school that never has a link: weeks of sticks that are lost, late, repeated and damaged.

    python -m tests.drills.sneakernet [WEEKS] [SEED]

The real box with a class that works, its agent running beside it without a way to anybody,
the real commands, the real hub and PostgreSQL. The school was at the district's office once,
to join; from then on everything goes by sticks, and a courier whom nobody should hire. At
the end a few sticks are carried with care, and every table of the box is compared with the
hub's copy, row by row, and both with the ledger kept on the phones' side; and every photo that
was handed in with the bytes that the hub has kept.
"""

import asyncio
import hashlib
import sys
import time
import traceback
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from appliance.clock import system_clock
from appliance.database.agent import AgentDatabase
from appliance.ids import uuid7
from demo.compare import Verdict, compare
from demo.day import Classroom, fill_classroom, hang_up
from demo.material import sample_material
from demo.people import Learner, sections_of
from demo.processes import ProcessDied, agent_process, box_process, free_port, until_healthy
from demo.school import School, open_school
from sync.agent import enrolment
from sync.agent.agent import hardware_name
from sync.agent.keys import read_node_key
from sync.agent.link import enrol, open_client
from sync.agent.parcels import unsent_files
from sync.agent.sealing import Stamp
from sync.agent.store import backlog, identity
from tests.drills.board import Board
from tests.drills.courier import Courier, Tally
from tests.drills.district import Hub, open_district
from tests.drills.lineage import Found, Lineage, judge_groups

WEEKS: Final = 12
SEED: Final = 7
PUPILS: Final = 12
AT_WORK: Final = 5  # of them in one week
GROUP_CHANGES: Final = 4  # a week, in the office
CLOSING_MAX: Final = 4  # sticks carried with care; one finds what waits, one brings the receipt

WITH_PHOTO: Final = 0.6
PHOTO_BYTES_MAX: Final = 400_000
OK: Final = 200

REVISIONS = "SELECT submission_id, rev FROM submission_revision WHERE school_id = $1"
WHOLE = "SELECT sha256 FROM sync_blob WHERE school_id = $1 AND whole_at_ms IS NOT NULL"
TWICE = "SELECT count(*) - count(DISTINCT hash) FROM sync_inbox WHERE school_id = $1"


class Result(Struct):
    """What the rows say at the end."""

    weeks: int
    tally: Tally
    verdict: Verdict
    acknowledged: int
    duplicated: int
    waiting: int
    classes: Found
    photos: int
    photos_lost: int
    readable: int = 0
    seconds: float = 0.0

    @property
    def lost(self) -> int:
        """Promises that are not kept on either side."""
        return self.verdict.custody.lost + len(self.classes.lost)

    @property
    def is_good(self) -> bool:
        """Nothing lost, nothing twice, nothing left waiting, both sides alike."""
        left = self.duplicated or self.waiting or self.readable or self.photos_lost
        return self.verdict.is_equal and self.classes.is_good and not left

    def line(self) -> str:
        """One line with all figures."""
        digests = "equal" if all(each.is_equal for each in self.verdict.tables) else "DIFFERENT"
        tally = self.tally
        return (
            f"sneakernet {'PASS' if self.is_good else 'FAIL'}: weeks {self.weeks}, "
            f"sticks {tally.exported} (lost {tally.lost}, late {tally.late}, "
            f"repeated {tally.repeated}, damaged {tally.damaged}), "
            f"acknowledged {self.acknowledged}, lost {self.lost}, "
            f"resurrected {len(self.classes.resurrected)}, "
            f"duplicated {self.duplicated}, waiting {self.waiting}, digests {digests}, "
            f"photos {self.photos}, photos lost {self.photos_lost}, "
            f"names readable on a stick {self.readable}, "
            f"{self.seconds:.0f} s"
        )


async def drill(weeks: int, seed: int, *, pupils: int = PUPILS) -> Result:
    """Play all weeks, then carry with care and compare."""
    began, dice = time.monotonic(), Random(seed)
    async with open_district() as hub:
        data_dir, port = hub.folder / "box", free_port()
        with box_process(data_dir, port, host_name="darasa-sneakernet") as box:
            await until_healthy(box, port)
            school = await open_school(sample_material(pupils)[0], port, data_dir)
            await join_once(hub, school)
            courier = Courier(hub, school, dice)
            office = Board(data_dir, Lineage())
            with agent_process(data_dir):
                room = await arrive(school, seed)
                for _ in range(weeks):
                    await work(room, dice)
                    office.change_groups(dice, GROUP_CHANGES)
                    await asyncio.to_thread(courier.week)
                hang_up([room])
                for _ in range(CLOSING_MAX):
                    await asyncio.to_thread(courier.with_care)
                    if waiting(school) == 0 and not files_left(school):
                        break
        result = await judge(hub, room, weeks, courier.tally, office.book)
        result.seconds = time.monotonic() - began
        return result


async def join_once(hub: Hub, school: School) -> None:
    """Bring the box to the office, join, and take it home; not a row travels by this link."""
    token, now_ms = await hub.token("adopt"), system_clock()
    nowhere = f"http://127.0.0.1:{free_port()}"
    asked = enrolment.Wish(nowhere, token, now_ms)
    stamp = Stamp(now_ms=now_ms, clock_quality=1, schema_version=2, app_version="0.2.0")
    with opened(school) as db:
        key = read_node_key(school.data_dir / "keys")
        request = enrolment.request_for(db, asked, key, stamp, hardware_name())
        async with open_client(hub.url) as client:
            answer = await enrol(client, request)
        enrolment.join(db, asked, request, answer, lambda: uuid7(now_ms))


async def arrive(school: School, seed: int) -> Classroom:
    """Everybody signs in once; sessions last as long as the drill."""
    room = fill_classroom(school, seed=seed)
    for learner in room.learners:
        await learner.sign_in()
        await learner.open_course()
    for teacher in room.teachers:
        await teacher.sign_in()
    return room


async def work(room: Classroom, dice: Random) -> None:
    """A week: some read, some hand in, a teacher marks what is there."""
    for learner in dice.sample(room.learners, AT_WORK):
        revision_id = await read_and_write(learner, dice)
        if dice.random() < WITH_PHOTO:
            await add_photo(learner, revision_id, dice)
    teacher = dice.choice(room.teachers)
    await teacher.mark_some(await teacher.board(), most=AT_WORK - 1)


async def read_and_write(learner: Learner, dice: Random) -> UUID:
    assert learner.run is not None
    for section_id in dice.sample(sections_of(learner.run), 2):
        await learner.report(section_id, dice.randrange(101))
    revision_id = uuid7(system_clock())
    await learner.hand_in(revision_id, learner.some_words(4))
    return revision_id


async def add_photo(learner: Learner, revision_id: UUID, dice: Random) -> None:
    """A photo with a name in it, in pieces and not a multiple of them."""
    content = learner.pupil.name.encode() + dice.randbytes(dice.randrange(1_000, PHOTO_BYTES_MAX))
    address = f"/api/v1/submission-revisions/{revision_id}/files/{uuid7(system_clock())}"
    kind = {"content-type": "application/octet-stream"}
    answer = await learner.phone.send("PUT", f"{address}?name=picha.jpg", content, kind)
    assert answer.status == OK, answer


async def judge(hub: Hub, room: Classroom, weeks: int, tally: Tally, classes: Lineage) -> Result:
    """Read both sides' rows; nothing they say about their own progress is believed."""
    school = room.school
    connection = await asyncpg.connect(hub.dsn)
    try:
        verdict = await compare(school.database, connection, school.school_id, room.book)
        duplicated = await count_duplicates(connection, school, verdict)
        found = await judge_groups(classes, connection, school.school_id)
        whole = {found["sha256"] for found in await connection.fetch(WHOLE, school.school_id)}
    finally:
        await connection.close()
    photos = photos_of(school)
    kept = hub.data / "blobs" / str(school.school_id)
    return Result(
        weeks=weeks,
        tally=tally,
        verdict=verdict,
        acknowledged=room.book.acknowledged,
        duplicated=duplicated + len(found.duplicated),
        waiting=waiting(school),
        classes=found,
        photos=len(photos),
        photos_lost=sum(each not in whole or not is_kept(kept, each) for each in photos),
        readable=tally.readable,
    )


def photos_of(school: School) -> list[bytes]:
    """Hash what lies on the box's card; the rows that name it are compared with the rest."""
    return [
        hashlib.sha256(path.read_bytes()).digest()
        for path in (school.data_dir / "blobs").glob("*")
        if path.is_file()
    ]


def is_kept(folder: Path, sha256: bytes) -> bool:
    """Whether the hub has these very bytes."""
    path = folder / sha256.hex()
    return path.exists() and hashlib.sha256(path.read_bytes()).digest() == sha256


async def count_duplicates(hub: Any, school: School, verdict: Verdict) -> int:
    """Rows the box does not have, numbers given twice, segments accepted twice."""
    more = sum(max(0, each.hub.rows - each.box.rows) for each in verdict.tables)
    numbers = Counter(map(tuple, await hub.fetch(REVISIONS, school.school_id)))
    twice = sum(count - 1 for count in numbers.values())
    return more + twice + int(await hub.fetchval(TWICE, school.school_id))


def opened(school: School) -> closing[AgentDatabase]:
    return closing(AgentDatabase(school.database))


def waiting(school: School) -> int:
    """How many changes the district has not acknowledged."""
    with opened(school) as db:
        me = identity(db)
        assert me is not None
        return backlog(db, me.epoch).waiting


def files_left(school: School) -> int:
    """How many files the district has not spoken of."""
    with opened(school) as db:
        return len(unsent_files(db))


def main() -> int:
    weeks = int(sys.argv[1]) if len(sys.argv) > 1 else WEEKS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    try:
        result = asyncio.run(drill(weeks, seed))
    except (AssertionError, ExceptionGroup, ProcessDied) as error:
        traceback.print_exception(error)
        print(f"sneakernet FAIL: the drill was broken off: {error}")  # noqa: T201 -- as below
        return 1
    for table in result.verdict.tables:
        if not table.is_equal:
            print(f"  {table.table}: box {table.box}, hub {table.hub}", file=sys.stderr)  # noqa: T201
    print(result.line())  # noqa: T201 -- the verdict line is the drill's whole purpose
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
