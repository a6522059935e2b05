"""The box's own readings, kept for the district: a few a day, the first to be shed.

They travel in lane 1, behind all of the school's work. The agent lets go of old ones.
"""

from typing import Final, LiteralString

from appliance.database.transaction import Transaction
from appliance.ids import uuid7
from appliance.telemetry.safety import Safety
from appliance.telemetry.vitals import Vitals

OWNS: Final = ("health_sample",)

ADD_SAMPLE: Final[LiteralString] = """
INSERT INTO health_sample (id, at_ms, clock_quality, disk_free_bytes, database_bytes, wal_bytes,
                           memory_bytes, temperature_mc, clients_max, under_voltage,
                           backup_away_at_ms, copy_checked_at_ms)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, count(*), ?9, ?10, ?11
  FROM session
 WHERE expires_at_ms > ?2
"""


def add_sample(
    tx: Transaction, vitals: Vitals, safety: Safety, *, now_ms: int, clock_quality: int
) -> None:
    """Keep one reading. `clients_max`: sessions that are open; nobody is named."""
    celsius = vitals.temperature_c
    tx.run(
        ADD_SAMPLE,
        (
            uuid7(now_ms),
            now_ms,
            clock_quality,
            vitals.disk_free_bytes,
            vitals.database_bytes,
            vitals.wal_bytes,
            vitals.uss_bytes,
            None if celsius is None else int(celsius * 1_000),
            int(vitals.power.under_voltage),
            safety.backup_away_at_ms,
            safety.copy_checked_at_ms,
        ),
    )
