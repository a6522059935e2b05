-- A box may be newer than the hub: columns it sends that have no place here are kept as sent,
-- until a migration makes a place for them.

CREATE TABLE sync_extra (
    school_id uuid   NOT NULL,
    tbl       bigint NOT NULL,
    pk        uuid   NOT NULL,
    -- Which image of the row this is, and what stands in it that the table does not have.
    row_hash  bytea  NOT NULL CHECK (length(row_hash) = 32),
    columns   text   NOT NULL,
    -- msgpack map of column to value, every column that was sent.
    image     bytea  NOT NULL,
    PRIMARY KEY (school_id, tbl, pk)
);
ALTER TABLE sync_extra ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_extra FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sync_extra USING (school_id = (SELECT app_school()))
    WITH CHECK (school_id = (SELECT app_school()));
CREATE POLICY district ON sync_extra FOR SELECT TO darasa_web USING (
    school_id IN (SELECT s.school_id FROM school AS s WHERE s.district_id = (SELECT app_district())));
GRANT SELECT, INSERT, UPDATE ON sync_extra TO darasa_ingest;
GRANT SELECT ON sync_extra TO darasa_web;
