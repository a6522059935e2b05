"""Cut the power a thousand times and look for what was acknowledged.

    python -m tests.drills.powercut [N] [SEED]

The real Writer with its checkpoints runs on a disk that forgets what was not synced.
Pupils hand in until the power fails at a random write or sync; then one of the disks
that could have been left is opened by an ordinary connection. Everything that was ever
acknowledged must be there, whole, and the file must be sound.
"""

import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final, LiteralString
from uuid import UUID

import apsw
from msgspec import Struct

from appliance.database.checkpoint import WalLimits
from appliance.database.connection import open_connection
from appliance.database.faults import WriteFailed
from appliance.database.integrity import full_check
from appliance.database.migrate import migrate
from appliance.database.reader import Reader
from appliance.database.transaction import Transaction
from appliance.database.writer import Writer
from appliance.ids import uuid7
from tests.drills.power_loss_vfs import PowerLossDisk

CUTS: Final = 1_000
SEED: Final = 2
PUPILS: Final = 12
CUTS_PER_FILE: Final = 20  # then a new school: a file that only grows makes every cut slower
OPERATIONS_MAX: Final = (60, 600, 3_000)  # while starting, among commits, among checkpoints
BODY_BYTES: Final = (40, 600, 6_000)  # within a page, and over several

SCHEMA: Final = """
CREATE TABLE submission (id BLOB NOT NULL PRIMARY KEY, revisions INTEGER NOT NULL) STRICT;
CREATE TABLE submission_revision (
    id BLOB NOT NULL PRIMARY KEY, submission_id BLOB NOT NULL REFERENCES submission (id),
    rev INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX submission_revision_of ON submission_revision (submission_id, rev);
CREATE TABLE sync_dirty (pk BLOB NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TRIGGER submission_revision_dirty AFTER INSERT ON submission_revision
 BEGIN INSERT INTO sync_dirty VALUES (new.id); END;
"""

COUNT_REVISION: Final[LiteralString] = """
INSERT INTO submission (id, revisions)
VALUES (?1, 1)
    ON CONFLICT (id) DO UPDATE
   SET revisions = revisions + 1
"""

ADD_REVISION: Final[LiteralString] = """
INSERT INTO submission_revision (id, submission_id, rev, body)
SELECT ?1, id, revisions, ?3
  FROM submission
 WHERE id = ?2
"""

REVISIONS: Final[LiteralString] = """
SELECT revision.id, revision.body
  FROM submission_revision AS revision
  JOIN sync_dirty AS dirty ON dirty.pk = revision.id
"""

Sabotage = Callable[[Writer], None]


class Revision(Struct, frozen=True):
    """What was handed in."""

    id: UUID
    body: str


class Verdict(Struct):
    """What the drill found."""

    cuts: int = 0
    acknowledged: int = 0
    lost: int = 0
    corrupt: int = 0

    @property
    def is_good(self) -> bool:
        return self.lost == 0 and self.corrupt == 0 and self.acknowledged > 0

    def __str__(self) -> str:
        return (
            f"powercut: {self.cuts} cuts, acknowledged {self.acknowledged}, "
            f"lost {self.lost}, corrupt {self.corrupt}"
        )


def hand_in(transaction: Transaction, submission_id: UUID, revision: Revision) -> None:
    transaction.run(COUNT_REVISION, (submission_id,))
    transaction.run(ADD_REVISION, (revision.id, submission_id, revision.body))


def drill(
    cuts: int, seed: int, *, is_lying: bool = False, sabotage: Sabotage | None = None
) -> Verdict:
    """Run `cuts` power cuts. A lying disk or a sabotaged writer must make it fail."""
    chance = Random(seed)
    verdict = Verdict()
    with tempfile.TemporaryDirectory(prefix="powercut-") as name:
        template = _new_school(Path(name))
        path = template.with_name("school.db")
        ledger: dict[UUID, str] = {}
        is_sound = False
        for number in range(cuts):
            if number % CUTS_PER_FILE == 0 or not is_sound:
                ledger.clear()
                shutil.copyfile(template, path)
                path.with_name("school.db-wal").unlink(missing_ok=True)
            disk = PowerLossDisk(f"powercut-{seed}-{number}", chance, is_lying=is_lying)
            before = len(ledger)
            _work_until_dark(path, disk, chance, ledger, sabotage)
            disk.power_cycle()
            disk.close()
            verdict.cuts += 1
            verdict.acknowledged += len(ledger) - before
            is_sound = _judge(path, ledger, verdict)
    return verdict


def _new_school(folder: Path) -> Path:
    migrations = folder / "migrations"
    migrations.mkdir()
    (migrations / "0001_school.sql").write_text(SCHEMA)
    template = folder / "template.db"
    migrate(template, migrations, backups=folder, now_ms=0)
    return template


def _work_until_dark(
    path: Path,
    disk: PowerLossDisk,
    chance: Random,
    ledger: dict[UUID, str],
    sabotage: Sabotage | None,
) -> None:
    disk.cut_after(chance.randint(1, chance.choice(OPERATIONS_MAX)))
    limits = WalLimits(
        passive=chance.choice((5, 50, 1_000)), restart=chance.choice((60, 300)), retry=10
    )
    try:
        writer = Writer(path, wal_limits=limits, mmap_size_bytes=0, vfs=disk.name)
    except apsw.IOError:
        return  # the cut came while the box was starting up
    if sabotage is not None:
        sabotage(writer)
    writer.start()
    asyncio.run(_lesson(writer, chance, ledger))
    writer.stop()


async def _lesson(writer: Writer, chance: Random, ledger: dict[UUID, str]) -> None:
    async with asyncio.TaskGroup() as pupils:
        for _ in range(PUPILS):
            pupils.create_task(_pupil(writer, chance, ledger))


async def _pupil(writer: Writer, chance: Random, ledger: dict[UUID, str]) -> None:
    submission_id = uuid7(0)
    while True:
        body = chr(chance.randint(0x61, 0x6FF)) * chance.choice(BODY_BYTES)
        revision = Revision(uuid7(0), body)
        try:
            await writer.write(hand_in, submission_id, revision)
        except WriteFailed:
            return
        ledger[revision.id] = body  # acknowledged: from here on it is ours to keep


def _judge(path: Path, ledger: dict[UUID, str], verdict: Verdict) -> bool:
    """Open the disk that was left and count; tell whether the school can go on with it."""
    kept, is_sound = _left_on(path)
    lost = [known for known, body in ledger.items() if kept.get(known) != body]
    verdict.lost += len(lost)
    verdict.corrupt += not is_sound
    return is_sound and not lost


def _left_on(path: Path) -> tuple[dict[UUID, str], bool]:
    try:
        with closing(open_connection(path, role="writer")) as connection:
            reader = Reader(connection)
            kept = {one.id: one.body for one in reader.rows(Revision, REVISIONS)}
            return kept, full_check(reader).is_ok
    except (apsw.Error, AssertionError):
        return {}, False


def main() -> int:
    logging.disable(logging.ERROR)  # a thousand cuts make ten thousand expected complaints
    cuts = int(sys.argv[1]) if len(sys.argv) > 1 else CUTS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    verdict = drill(cuts, seed)
    print(verdict)  # noqa: T201 -- the verdict line is the drill's whole purpose
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
