-- How much of each file this hub has. The bytes lie in the hub's data folder, by school: one
-- school's files say nothing about another's. A file counts once its content was hashed here.

CREATE TABLE sync_blob (
    school_id   uuid   NOT NULL,
    sha256      bytea  NOT NULL CHECK (length(sha256) = 32),
    size_bytes  bigint NOT NULL CHECK (size_bytes >= 0),
    have_bytes  bigint NOT NULL CHECK (have_bytes BETWEEN 0 AND size_bytes),
    whole_at_ms bigint,
    PRIMARY KEY (school_id, sha256)
);
ALTER TABLE sync_blob ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_blob FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sync_blob USING (school_id = (SELECT app_school()))
    WITH CHECK (school_id = (SELECT app_school()));
CREATE POLICY district ON sync_blob FOR SELECT TO darasa_web USING (
    school_id = (SELECT app_district()) OR school_id IN
    (SELECT s.school_id FROM school AS s WHERE s.district_id = (SELECT app_district())));
GRANT SELECT, INSERT, UPDATE ON sync_blob TO darasa_ingest;
GRANT SELECT ON sync_blob TO darasa_web;

-- Files nobody's work names any more: their people were erased. Returns what to unlink.
CREATE FUNCTION forget_blobs() RETURNS SETOF bytea
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DELETE FROM sync_blob AS b
     WHERE b.school_id = app_school()
       AND NOT EXISTS (SELECT 1
                         FROM attachment AS a
                        WHERE a.school_id = b.school_id
                          AND a.sha256    = b.sha256)
    RETURNING b.sha256
$$;
REVOKE EXECUTE ON FUNCTION forget_blobs() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_blobs() TO darasa_ingest, darasa_web;
