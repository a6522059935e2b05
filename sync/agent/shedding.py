"""Letting go of telemetry: rows of lane 1, the only ones that leave this card unasked.

What the district has is kept for sixty days; by count, five readings a day, because clocks
here are what they are. What it does not have yet is kept longer, up to a bound; on a card
that is almost full, not even that.
"""

from pathlib import Path
from typing import Final, LiteralString

from appliance.database.agent import AgentDatabase
from appliance.room import card_of
from sync.agent.recovery import BEGIN_APPLYING, END_APPLYING
from sync.registry import TABLE

KEPT: Final = 300  # sixty days
KEPT_UNSENT: Final = 1_000
KEPT_IN_NEED: Final = 20
SAMPLES: Final = TABLE["health_sample"].number

# Everything older than the ?1 newest.
OLDEST_KEPT: Final[LiteralString] = """
SELECT id
  FROM health_sample
 ORDER BY id DESC
 LIMIT 1 OFFSET ?1
"""

# Not merely sealed: applied, at a hub that says so.
IS_SENT: Final[LiteralString] = """
SELECT NOT EXISTS (SELECT 1 FROM sync_dirty AS d
                    WHERE d.tbl = ?1 AND d.pk < ?2)
   AND EXISTS (SELECT 1 FROM sync_stream AS s
                 JOIN sync_identity AS i ON i.epoch = s.epoch
                WHERE s.lane = 1 AND s.applied_n = s.cur_n)
"""

HAS_OLDER: Final[LiteralString] = """
SELECT EXISTS (SELECT 1 FROM health_sample WHERE id < ?1)
"""

LET_GO: Final[LiteralString] = "DELETE FROM health_sample WHERE id < ?1"

NOTE_PRUNED: Final[LiteralString] = """
INSERT INTO sync_pruned (tbl, before_pk, pruned_at_ms)
VALUES (?1, ?2, ?3)
    ON CONFLICT (tbl) DO UPDATE
   SET before_pk    = max(before_pk, excluded.before_pk),
       pruned_at_ms = excluded.pruned_at_ms
"""


def shed(db: AgentDatabase, folder: Path, *, now_ms: int) -> int:
    """Let go of old readings; return how many went."""
    for kept in (_bound(folder), KEPT):
        before = db.value(OLDEST_KEPT, (kept - 1,))
        if not isinstance(before, bytes) or not db.value(HAS_OLDER, (before,)):
            continue
        if kept != KEPT or db.value(IS_SENT, (SAMPLES, before)):
            with db.changing() as tx:
                tx.run(BEGIN_APPLYING)
                gone = tx.run(LET_GO, (before,))
                tx.run(END_APPLYING)
                tx.run(NOTE_PRUNED, (SAMPLES, before, now_ms))
            return gone
    return 0


def _bound(folder: Path) -> int:
    return KEPT_IN_NEED if "readings" in card_of(folder).sheds else KEPT_UNSENT
