"""A board as the hub's tests drive it: its folder, its real agent, its database."""

import httpx

from appliance.database.agent import AgentDatabase
from appliance.database.migrate import EDGE_MIGRATIONS, spoken_version
from appliance.settings import Settings
from sync.agent import enrolment
from sync.agent.agent import Agent, Seams
from sync.agent.keys import make_node_key
from sync.agent.link import Link, Pass, open_client
from sync.agent.rows import READ_ROW
from sync.agent.store import identity
from sync.merge import digest, order_of, row_hash
from sync.protocol import Digests, decode
from sync.registry import TABLE
from tests.hub.cast import NOW_MS

RENAME = "UPDATE person SET display_name = ?2, version = version + 1 WHERE id = ?1"
NAME_OF = "SELECT display_name FROM person WHERE id = ?1"


class RealBox:
    """A board: its folder, its agent, its database."""

    def __init__(self, folder, template, app, watch):
        self.settings = Settings(data_dir=folder)
        self.settings.data_dir.mkdir(exist_ok=True)
        self.settings.database.write_bytes(template)
        self.key = make_node_key(self.settings.keys)
        self.transport = httpx.ASGITransport(app=app)
        self.watch = watch
        self.releases = EDGE_MIGRATIONS
        self.open()

    def open(self):
        seams = Seams(self.watch, self.transport, "test board", "0.1.0")
        here = spoken_version(self.settings.database, self.releases)
        self.agent = Agent(self.settings, seams, schema_version=here)
        self.db = AgentDatabase(self.settings.database)

    def close(self):
        self.agent.close()
        self.db.close()

    def write(self, sql, *args):
        with self.db.changing() as tx:
            assert tx.run(sql, args) == 1

    def wish(self, token):
        self.write(enrolment.WRITE_WISH, "http://hub.test", token, NOW_MS)

    def image(self):
        """The card's content; everything is in one file once the last connection is closed."""
        self.close()
        content = self.settings.database.read_bytes()
        self.open()
        return content

    def put_image(self, content):
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self.settings.database.with_name(f"school.db{suffix}").unlink(missing_ok=True)
        self.settings.database.write_bytes(content)
        self.open()

    def digests(self):
        """What the hub should say, computed here."""
        return {table.name: self._digest(table) for table in TABLE.values()}

    def _digest(self, table):
        found = []
        for (pk,) in self.db.tuples(f"SELECT id FROM {table.name}"):
            (row,) = self.db.tuples(READ_ROW[table.name], (pk,))
            found.append((pk, order_of(table, row)[1], row_hash(table, row)))
        return len(found), digest(found).to_bytes(8, "big")

    async def hub_digests(self):
        me = identity(self.db)
        async with open_client("http://hub.test", self.transport) as client:
            link = Link(client, me, self.key, Pass(), lambda: 0.0)
            answer = await link._call("GET", "/sync/v1/digests", b"")
        told = decode(answer, Digests).tables
        return {name: (each.rows, each.digest) for name, each in told.items()}
