-- How far each box has read what the district writes, as of its last hello, and since when each
-- line waits: without both nobody sees that a word of the district does not come through.

ALTER TABLE sync_feed ADD COLUMN at_ms bigint NOT NULL
      DEFAULT (extract(epoch FROM now()) * 1000)::bigint;

-- By PostgreSQL's clock, whoever moves the line and for whatever reason.
CREATE FUNCTION date_feed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.at_ms := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
    RETURN NEW;
END $$;
CREATE TRIGGER sync_feed_dated BEFORE INSERT OR UPDATE ON sync_feed
    FOR EACH ROW EXECUTE FUNCTION date_feed();

CREATE TABLE feed_cursor (
    school_id uuid   NOT NULL,
    node_id   uuid   NOT NULL,
    scope_id  uuid   NOT NULL, -- the school, or its district
    xid       xid8   NOT NULL,
    no        bigint NOT NULL,
    PRIMARY KEY (school_id, node_id, scope_id)
);
ALTER TABLE feed_cursor ENABLE ROW LEVEL SECURITY;
ALTER TABLE feed_cursor FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON feed_cursor USING (school_id = (SELECT app_school()))
    WITH CHECK (school_id = (SELECT app_school()));
CREATE POLICY district ON feed_cursor FOR SELECT TO darasa_web USING (
    school_id IN
    (SELECT s.school_id FROM school AS s WHERE s.district_id = (SELECT app_district())));
GRANT SELECT, INSERT, UPDATE ON feed_cursor TO darasa_ingest;
GRANT SELECT ON feed_cursor TO darasa_web;
