"""A school box in the simulation: a real file on a disk that forgets, and the real session.

The box's writer and the agent are two connections, as in two processes. A power cut shows
as an I/O error; then both are gone and the disk holds one of the states it may be in.
"""

import contextlib
import shutil
from pathlib import Path
from uuid import UUID

import apsw
from nacl.signing import SigningKey

from appliance.database.agent import AgentDatabase
from appliance.database.connection import open_connection
from appliance.database.migrate import EDGE_MIGRATIONS, migrate
from sync.agent.enrolment import JOIN
from sync.agent.rows import READ_ROW
from sync.agent.sealing import Stamp
from sync.agent.session import Chance, Session
from sync.agent.store import identity, open_streams
from sync.merge import digest, order_of, row_hash
from sync.registry import TABLES
from tests.drills.power_loss_vfs import PowerLossDisk

FILE = "school.db"
SIZE_MAX = 600  # a few rows: every conversation is many segments
BORN_MS = 1_760_000_000_000

CLAIM = """
INSERT INTO sync_identity (node_id, school_id, epoch)
VALUES (?1, ?2, ?3)
"""

CHAIN_AND_STREAM = """
SELECT count(c.n), coalesce(max(c.n), 0), s.cur_n
  FROM sync_stream AS s
  LEFT JOIN sync_chain AS c ON c.epoch = s.epoch AND c.lane = s.lane
 GROUP BY s.lane
"""

ALL_IDS = {table.name: f"SELECT id FROM {table.name}" for table in TABLES}


def make_template(folder):
    """An empty, migrated database: copied for every board instead of migrated."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    migrate(path, EDGE_MIGRATIONS, backups=folder, now_ms=BORN_MS)
    return path


class Board:
    """One box. `disk` is where the power fails."""

    number = 0

    def __init__(self, folder, node_id, school_id, seed, dice):
        self.folder = Path(folder)
        self.node_id = node_id
        self.school_id = school_id
        self.key = SigningKey(seed)
        self.dice = dice
        self.backup = None
        Board.number += 1
        self.disk = PowerLossDisk(f"board-{Board.number}", dice)
        self.is_up = False

    @property
    def path(self):
        return self.folder / FILE

    def boot(self):
        self.connection = open_connection(
            self.path, role="writer", mmap_size_bytes=0, vfs=self.disk.name
        )
        self.connection.pragma("foreign_keys", 0)  # the simulated school has no parents for facts
        self.db = AgentDatabase(self.path, mmap_size_bytes=0, vfs=self.disk.name)
        self.begin_session()
        self.is_up = True

    def begin_session(self):
        dice = self.dice
        chance = Chance(
            epoch=lambda: UUID(bytes=dice.randbytes(16)), nonce=lambda: dice.randbytes(16)
        )
        self.session = Session(self.db, self.key, chance)

    def close(self):
        """Hang up; without power nothing more reaches the disk."""
        for connection in (self.connection, self.db):
            with contextlib.suppress(apsw.Error):
                connection.close()
        self.is_up = False

    def scrap(self):
        if self.is_up:
            self.disk.cut()
            self.close()
        self.disk.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def power_cycle(self):
        self.disk.cut()
        self.close()
        self.disk.power_cycle()
        self.boot()

    # Files: a restored backup and a cloned card are copies of these.

    def image(self):
        """The committed state, as a card reader would copy it."""
        wal = self.path.with_name(FILE + "-wal")
        return self.path.read_bytes(), wal.read_bytes() if wal.exists() else b""

    def put_image(self, image):
        """Replace the card's content while the box is off."""
        if self.is_up:
            self.disk.cut()
            self.close()
            self.disk.power_cycle()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(FILE + suffix).unlink(missing_ok=True)
        self.path.write_bytes(image[0])
        self.path.with_name(FILE + "-wal").write_bytes(image[1])
        self.boot()

    # The box's side.

    @contextlib.contextmanager
    def writing(self):
        """One command: acknowledged once this is left."""
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            yield execute
            execute("COMMIT")
        finally:
            if self.connection.in_transaction:
                with contextlib.suppress(apsw.Error):
                    execute("ROLLBACK")

    def claim(self, hub, epoch):
        """Become the school and one of the district's, in two short transactions."""
        with self.writing() as execute:
            execute(CLAIM, (self.node_id.bytes, self.school_id.bytes, epoch.bytes))
        hub.enrol(self.school_id, self.node_id, self.key.verify_key.encode())
        self.join(hub)

    def join(self, hub):
        with self.db.changing() as tx:
            hub_part = (hub.hub_id, hub.public_key, "https://hub.example", hub.incarnation)
            tx.run(JOIN, hub_part)
            open_streams(tx, identity(tx))

    # Looking, for the oracle. On the agent's connection: it sees what is committed.

    def rows(self):
        for table in TABLES:
            for (pk,) in self.db.tuples(ALL_IDS[table.name]):
                yield table, pk, self.db.tuples(READ_ROW[table.name], (pk,))[0]

    def hashes(self):
        """Every image this board holds: current rows and conflicts."""
        held = {(table.name, pk, row_hash(table, row)) for table, pk, row in self.rows()}
        conflicts = self.db.tuples("SELECT tbl, pk, row_hash FROM sync_conflict")
        return held | {(name_of(tbl), pk, hashed) for tbl, pk, hashed in conflicts}

    def digests(self):
        parts = {table.name: [] for table in TABLES}
        for table, pk, row in self.rows():
            parts[table.name].append((pk, order_of(table, row)[1], row_hash(table, row)))
        return {name: (len(rows), digest(rows)) for name, rows in parts.items()}

    def dirty(self):
        return self.db.value("SELECT count(*) FROM sync_dirty")

    def is_linked(self):
        """I4: the present epoch's chain is 1, 2, 3 … up to where the stream stands."""
        found = self.db.tuples(CHAIN_AND_STREAM)
        return all(number == last == cur_n for number, last, cur_n in found)

    def is_durable(self):
        """I5: whether everything committed would survive a cut right now."""
        return not any(shadow.pending for shadow in self.disk._shadows.values())


def name_of(number):
    return next(table.name for table in TABLES if table.number == number)


def stamp(now_ms):
    return Stamp(now_ms=now_ms, clock_quality=1, schema_version=2, app_version="0.1.0")
