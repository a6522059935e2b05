import pytest

from appliance.backups.turns import Backups
from appliance.clock import CERTAIN
from appliance.database.migrate import EDGE_MIGRATIONS, migrate
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.maintenance.box import Box
from appliance.settings import Settings

NOON_MS = 1_790_000_000_000  # Mon 21 September 2026, 14:13 UTC
HOUR_MS = 3_600_000


class Times:
    """What the clocks of one box say, and for how long nobody has asked for anything."""

    def __init__(self):
        self.now_ms, self.up_s, self.idle_s, self.quality = NOON_MS, 0.0, 1e9, CERTAIN

    def run_for(self, ms):
        self.now_ms += ms
        self.up_s += ms / 1_000


@pytest.fixture
def times():
    return Times()


@pytest.fixture
def box(tmp_path, times):
    settings = Settings(data_dir=tmp_path, lesson_hours="")
    migrate(settings.database, EDGE_MIGRATIONS, backups=settings.backups, now_ms=NOON_MS)
    writer = Writer(settings.database)
    writer.start()
    readers = Readers(settings.database)
    yield Box(
        settings,
        writer,
        readers,
        clock=lambda: times.now_ms,
        backups=Backups(settings, readers, lambda: times.now_ms, app_version="0.3.0"),
        idle_for_s=lambda: times.idle_s,
        quality=lambda: times.quality,
        monotonic_s=lambda: times.up_s,
    )
    readers.close()
    writer.stop()
