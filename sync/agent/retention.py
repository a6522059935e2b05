"""Which sealed payloads are still kept.

A payload stays until the hub has applied it and it is old, because a hub that fell behind
can then simply be sent it again; past that its rows are marked and sealed anew. Hashes
stay for ever. Nothing that the hub has not applied is ever dropped.
"""

from typing import Final, LiteralString

from appliance.database.agent import AgentDatabase
from sync.agent.store import identity, streams

KEEP_MS: Final = 14 * 86_400_000
KEEP_BYTES_MAX: Final = 64 << 20
TRIM_AT_ONCE: Final = 50  # payloads in one transaction

# The newest applied segment of each lane that is too old, or has too much behind it.
LAST_TO_TRIM: Final[LiteralString] = """
SELECT max(c.n)
  FROM (SELECT k.n, k.sealed_at_ms,
               sum(k.size_bytes) OVER (ORDER BY k.n DESC) AS kept_bytes
          FROM sync_chain AS k
         WHERE k.lane = ?1 AND k.epoch = ?2 AND k.n > ?3) AS c
 WHERE c.n <= ?4
   AND (c.sealed_at_ms < ?5 OR c.kept_bytes > ?6)
"""

DROP_PAYLOADS: Final[LiteralString] = """
DELETE FROM sync_segment
 WHERE lane = ?1 AND epoch = ?2 AND n <= ?3
"""

NOTE_TRIMMED: Final[LiteralString] = """
UPDATE sync_stream
   SET trimmed_n = ?3
 WHERE lane = ?1 AND epoch = ?2 AND trimmed_n < ?3 AND ?3 <= applied_n
"""


def trim(
    db: AgentDatabase,
    *,
    now_ms: int,
    keep_ms: int = KEEP_MS,
    keep_bytes: int = KEEP_BYTES_MAX,
) -> None:
    """Drop payloads the hub has applied, a few at a time."""
    me = identity(db)
    if me is None:
        return
    for stream in streams(db, me.epoch):
        last = db.value(
            LAST_TO_TRIM,
            (
                stream.lane,
                me.epoch,
                stream.trimmed_n,
                min(stream.applied_n, stream.trimmed_n + TRIM_AT_ONCE),
                now_ms - keep_ms,
                keep_bytes,
            ),
        )
        if isinstance(last, int):
            with db.changing() as tx:
                tx.run(NOTE_TRIMMED, (stream.lane, me.epoch, last))
                tx.run(DROP_PAYLOADS, (stream.lane, me.epoch, last))
