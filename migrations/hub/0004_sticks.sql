-- Segments that came on a stick before their turn: a stick that was lost or is late leaves a
-- gap. They are whole, signed and not acknowledged; when the gap closes, from a stick or over
-- the net, they are taken in like any other. `raw` goes when that has happened.
CREATE TABLE sync_held (
    school_id   uuid   NOT NULL,
    node_id     uuid   NOT NULL,
    epoch       uuid   NOT NULL,
    lane        bigint NOT NULL CHECK (lane >= 0),
    n           bigint NOT NULL CHECK (n >= 1),
    -- Two boards with one card seal the same number twice; which of them fits is found out
    -- when its turn comes.
    hash        bytea  NOT NULL CHECK (length(hash) = 32),
    prev_hash   bytea  NOT NULL CHECK (length(prev_hash) = 32),
    raw         bytea,
    held_at_ms  bigint NOT NULL,
    taken_at_ms bigint,
    PRIMARY KEY (school_id, node_id, epoch, lane, n, hash),
    CHECK (raw IS NULL OR taken_at_ms IS NULL)
);
ALTER TABLE sync_held ALTER COLUMN raw SET STORAGE EXTERNAL;

ALTER TABLE sync_held ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_held FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sync_held USING (school_id = (SELECT app_school()))
    WITH CHECK (school_id = (SELECT app_school()));
CREATE POLICY district ON sync_held FOR SELECT TO darasa_web USING (
    school_id IN
    (SELECT s.school_id FROM school AS s WHERE s.district_id = (SELECT app_district())));

GRANT SELECT, INSERT, UPDATE ON sync_held TO darasa_ingest;
GRANT SELECT ON sync_held TO darasa_web;
