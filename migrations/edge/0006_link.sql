-- What the way to the district costs, and which telemetry this box has let go of.

-- Bytes as the kernel counted them, by day. `day` counts local days (0001-01-01 is 1) and is
-- moved only by a clock that somebody vouches for, or by 24 hours of running (`ran_s`): a
-- wrong clock neither opens the tap nor closes it for ever.
CREATE TABLE sync_budget (
    day        INTEGER NOT NULL PRIMARY KEY,
    up_bytes   INTEGER NOT NULL DEFAULT 0,
    down_bytes INTEGER NOT NULL DEFAULT 0,
    ran_s      INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Rows of `tbl` with an id below `before_pk` may be missing here: not lost, let go of.
CREATE TABLE sync_pruned (
    tbl          INTEGER NOT NULL PRIMARY KEY,
    before_pk    BLOB    NOT NULL CHECK (length(before_pk) = 16),
    pruned_at_ms INTEGER NOT NULL
) STRICT;
