"""A school box in the simulation: a real file on a disk that forgets, and the real session.

The box's writer and the agent are two connections, as in two processes. A power cut shows
as an I/O error; then both are gone and the disk holds one of the states it may be in.
"""

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import apsw
from nacl.signing import SigningKey

from appliance.attachments.keeping import clear_incoming
from appliance.database.agent import AgentDatabase
from appliance.database.connection import open_connection
from appliance.database.migrate import EDGE_MIGRATIONS, migrate
from appliance.erasures.listing import IS_HERE, forget, read_list
from sync.agent.blobs import drop_orphans
from sync.agent.budget import Leave
from sync.agent.downstream import Downstream
from sync.agent.enrolment import JOIN
from sync.agent.erasing import erase_people
from sync.agent.sealing import Stamp
from sync.agent.session import Chance, Session, Worked
from sync.agent.store import identity, open_streams
from sync.agent.sweeping import FOREIGN_KEYS, ForeignKey
from sync.core.segment import open_body, read_segment
from sync.registry import TABLE
from tests.drills.power_loss_vfs import PowerLossDisk
from tests.simulation.files import Moving, card_files, put_card_files
from tests.simulation.folders import Folders
from tests.simulation.looking import ALL_ROWS, DIRTY, digests_of, name_of, read, row_of
from tests.simulation.metered import Tap

FILE = "school.db"
LISTED = "erased-people"  # beside the database: a restored backup does not take it back
SIZE_MAX = 600  # a few rows: every conversation is many segments
BORN_MS = 1_760_000_000_000

CLAIM = """
INSERT INTO sync_identity (node_id, school_id, epoch)
VALUES (?1, ?2, ?3)
"""

SEALED = """
SELECT payload
  FROM sync_segment
 WHERE ?1 IS NULL OR (lane = ?1 AND n = ?2)
"""
SURVIVES = "SELECT payload FROM sync_segment WHERE lane = ?1 AND epoch = ?2 AND n = ?3"


def make_template(folder):
    """An empty, migrated database: copied for every board instead of migrated."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    migrate(path, EDGE_MIGRATIONS, backups=folder, now_ms=BORN_MS)
    return path


class BoardDatabase(AgentDatabase):
    """Every conversation asks for the schema's keys; here that is a tenth of all time."""

    def rows(self, shape, sql, args=()):
        return schema_keys(self) if sql is FOREIGN_KEYS else super().rows(shape, sql, args)


KEYS = []


def schema_keys(db):
    if not KEYS:
        KEYS.extend(super(BoardDatabase, db).rows(ForeignKey, FOREIGN_KEYS))
    return KEYS


class Board:
    """One box. `disk` is where the power fails; `life` counts the states put under it."""

    number = 0
    in_use: ClassVar = set()  # tables any board has ever written; the others are empty

    def __init__(self, folder, node_id, school_id, seed, dice):
        self.folder = Path(folder)
        self.node_id = node_id
        self.school_id = school_id
        self.key = SigningKey(seed)
        self.dice = dice
        self.backup = None
        self.life = 0
        self.touched = set()
        self.handed_over = []  # (table, before, after): the hub lost a row that the school keeps
        Board.number += 1
        self.disk = PowerLossDisk(f"board-{Board.number}", dice)
        self.day_bytes, self.ran_s = 0, lambda: 0.0  # a link that costs nothing
        self.disk.lies_about = "-wal"  # pages of different days are for a backup to mend
        self._rows_of, self._stale = None, set()  # of which life what was read is
        self.files.mkdir()
        self.folders = Folders(self.files, self.disk, dice)
        self.moving = None
        self.is_up = False

    @property
    def path(self):
        return self.folder / FILE

    @property
    def connections(self):
        return self.connection, self.db._connection

    @property
    def files(self):
        return self.folder / "blobs"

    def boot(self):
        clear_incoming(self.files)
        self._forget_again()
        self.connection = open_connection(
            self.path, role="writer", mmap_size_bytes=0, vfs=self.disk.name
        )
        self.connection.pragma("foreign_keys", 0)  # the simulated school has no parents for facts
        self.db = BoardDatabase(self.path, mmap_size_bytes=0, vfs=self.disk.name)
        for connection in self.connections:
            connection.preupdate_hook(self._changed)
        self.tap = Tap(self.db, self.day_bytes, self.ran_s)
        self.begin_session()
        self.is_up = True
        self.life += 1
        self._seen = None
        self.touched.clear()
        self.trust(is_lying=self.disk.is_lying)

    def _forget_again(self):
        """Before it serves anybody: a backup may have brought somebody back."""
        if people := sorted(read_list(self.folder / LISTED)):
            db = AgentDatabase(self.path, mmap_size_bytes=0, vfs=self.disk.name)
            with contextlib.closing(db):
                for person_id in people:
                    if db.value(IS_HERE, (person_id,)):
                        forget(db, person_id, files=self.files, now_ms=BORN_MS)

    def begin_session(self):
        dice = self.dice
        chance = Chance(
            epoch=lambda: UUID(bytes=dice.randbytes(16)), nonce=lambda: dice.randbytes(16)
        )
        self.session = Session(self.db, self.key, chance)
        self.reading = self._agreed = None
        self._give_files_up()
        self._looked_after = self  # the hello after which people were forgotten; none yet

    def next_request(self, now_ms):
        """Up first, then down, then whom the list names, as the agent does."""
        leave = self.tap.leave
        if self.moving is not None and self.moving.has_heard and leave is Leave.ALL:
            piece = self.moving.next_request()
            if piece is not None:
                return piece
        if self.session.agreed is None:
            self._forget_people(now_ms)
        if leave is Leave.NOTHING:
            return None
        self.session.share = self.tap.share(leave)
        request = self.session.next_request(stamp(now_ms), self.tap.size(leave, SIZE_MAX))
        if request is not None:
            return request
        if self.session.agreed is None or leave is not Leave.ALL:
            return None
        if self._agreed is not self.session.agreed:
            self._agreed = self.session.agreed
            self.reading = Downstream(self.db, self._agreed)
        return self.reading.next_request(now_ms=now_ms) or self._do_the_rest(now_ms)

    def _do_the_rest(self, now_ms):
        """Once after each hello, in the agent's order: orphans, people, files."""
        if self._looked_after is not self.session.agreed and self.session.is_complete:
            drop_orphans(self.db, self.files)
        if self._forget_people(now_ms):
            return Worked()
        if self._moved_after is self.session.agreed:
            return None
        self._moved_after = self.session.agreed
        self.moving = Moving(self, now_ms)
        return self.moving.next_request()

    def _give_files_up(self):
        if self.moving is not None:
            self.moving.close()
        self.moving, self._moved_after = None, self  # the hello after which files moved; none yet

    def _forget_people(self, now_ms):
        """Once before hello and once after what it brought; whether anything was done."""
        if self._looked_after is self.session.agreed:
            return False
        self._looked_after = self.session.agreed
        me, listed = identity(self.db), self.folder / LISTED
        erasing = erase_people(self.db, me, listed, files=self.files, now_ms=now_ms)
        return sum(1 for _ in erasing) > 0

    def _changed(self, update):
        """SQLite's own word about every changed row, whatever the triggers say (I16)."""
        table = TABLE.get(update.table_name)
        if table is not None:
            values = update.new or update.old
            self.in_use.add(table.name)
            self._stale.add(table.name)
            self.touched.add((table, (update.old or values)[0]))
            if update.old and update.new and is_handed_over(table, update.old, update.new):
                self.handed_over.append((table, update.old, update.new))

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
        self.folders.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def meter(self, day_bytes, ran_s):
        """From now on its link costs money, and so many bytes a day may be spent."""
        self.day_bytes, self.ran_s = day_bytes, ran_s
        self.tap = Tap(self.db, day_bytes, ran_s)

    def trust(self, *, is_lying):
        """From now on the card keeps its word about syncing, or does not."""
        self.disk.is_lying = is_lying
        self.born = self.look() if is_lying else None

    def power_cycle(self):
        self.disk.cut()
        self.close()
        self.disk.power_cycle()
        self.folders.power_cycle()
        self.boot()

    def kill(self):
        """The processes are gone at once; what they wrote stays in the system's cache."""
        self.disk.cut()
        self.close()
        self.disk.restart()
        self.boot()

    # Files: a restored backup and a cloned card are copies of these.

    def image(self):
        """The committed state, as a card reader would copy it."""
        wal = self.path.with_name(FILE + "-wal")
        return self.path.read_bytes(), wal.read_bytes() if wal.exists() else b""

    def card(self):
        """Everything that is on it, as somebody who copies the whole card gets it."""
        listed = self.folder / LISTED
        return (*self.image(), listed.read_bytes() if listed.exists() else b"", card_files(self))

    def put_card(self, card):
        """The list and the files go with the card, and are those that were on it then."""
        (self.folder / LISTED).write_bytes(card[2])
        self.put_image(card, card[3])

    def put_image(self, image, files=None):
        """Replace the card's content while the box is off; `files`: also what stood beside."""
        if self.is_up:
            self.disk.cut()
            self.close()
            self.disk.power_cycle()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(FILE + suffix).unlink(missing_ok=True)
        self.path.write_bytes(image[0])
        self.path.with_name(FILE + "-wal").write_bytes(image[1])
        if files is not None:
            put_card_files(self, files)
        self.folders.everything_is_there()
        self.boot()

    # The box's side.

    @contextlib.contextmanager
    def writing(self):
        """One command: acknowledged once this is left."""
        execute = self.connection.execute
        self.touched.clear()
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
        with self.db.changing() as tx:
            hub_part = (hub.hub_id, hub.public_key, "https://hub.example", hub.incarnation)
            tx.run(JOIN, hub_part)
            open_streams(tx, identity(tx))

    @property
    def asked_in_vain(self):
        """Requests of this conversation that brought no file anywhere."""
        return self.moving.asked if self.moving is not None and not self.moving.moved else 0

    # Looking, for the invariants. On the agent's connection: it sees what is committed.

    def look(self):
        """What is committed now; read again only when something was."""
        version = (self.life, *(each.total_changes() for each in self.connections))
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, self._read())
        return self._seen[1]

    def _read(self):
        return read(self.db, self._read_rows())

    def _read_rows(self):
        """Tables that SQLite has said nothing of are as they were."""
        if self._rows_of != self.life:
            self._rows_of, self._rows, self._stale = self.life, {}, set(self.in_use)
        for name in self._stale:
            self._rows[name] = {
                (name, values[0]): row_of(TABLE[name], values)
                for values in self.db.tuples(ALL_ROWS[name])
            }
        self._stale.clear()
        return {key: row for rows in self._rows.values() for key, row in rows.items()}

    def dirty(self):
        return {(name_of(tbl), pk) for tbl, pk in self.db.tuples(DIRTY)}

    def hashes(self):
        """Every image this board holds: current rows and conflicts."""
        look = self.look()
        return look.conflicts | {(*key, row.hash) for key, row in look.rows.items()}

    def digests(self, without=frozenset()):
        return digests_of(self.look().rows, without)

    def payload_rows(self, lane=None, n=None):
        """Rows that are still in sealed segments, or in one: table, id, values."""
        for (payload,) in self.db.tuples(SEALED, (lane, n)):
            for block in open_body(read_segment(payload)):
                yield from ((block.table, row[0], row) for row in block.rows)

    def pruned(self):
        """Readings up to here are no longer on this card."""
        return self.db.value("SELECT before_pk FROM sync_pruned") or b""

    def traces_of(self, texts):
        """Those that stand in the files, in rows or in what was left of them."""
        found = b"".join((*self.image(), *card_files(self).values())) if texts else b""
        return [text for text in texts if text.encode() in found]

    def would_survive(self, sent):
        """I5: whether a sealed segment is still there after a cut right now."""
        shadows = self.disk._shadows
        if not any(shadow.pending for shadow in shadows.values()):
            return True
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            for path, shadow in shadows.items():
                (Path(name) / Path(path).name).write_bytes(shadow.durable)
            with contextlib.closing(apsw.Connection(f"{name}/{FILE}")) as disk:
                found = disk.execute(SURVIVES, (sent.lane, sent.epoch.bytes, sent.n)).fetchall()
        return found == [(sent.payload,)]


def stamp(now_ms):
    return Stamp(now_ms=now_ms, clock_quality=1, schema_version=2, app_version="0.1.0")


def is_handed_over(table, before, after):
    """The same content under the same number, and nobody's but the school's from now on."""
    if table.is_fact or before[-3] is None or after[-3] is not None:
        return False
    return (before[:-5], before[-4]) == (after[:-5], after[-4])
