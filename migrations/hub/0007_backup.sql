-- Which backups of this hub were restored, looked at and found whole, and how much of each
-- school's work the newest of them holds: what a box calls "in the district's backup".

CREATE TABLE hub_backup (
    school_id      uuid   NOT NULL, -- the district
    id             uuid   NOT NULL,
    taken_at_ms    bigint NOT NULL,
    verified_at_ms bigint NOT NULL,
    size_bytes     bigint NOT NULL CHECK (size_bytes >= 0),
    segments       bigint NOT NULL CHECK (segments >= 0),
    PRIMARY KEY (school_id, id)
);

CREATE TABLE sync_backed_up (
    school_id uuid   NOT NULL,
    node_id   uuid   NOT NULL,
    epoch     uuid   NOT NULL,
    lane      bigint NOT NULL,
    n         bigint NOT NULL CHECK (n >= 1),
    PRIMARY KEY (school_id, node_id, epoch, lane)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['hub_backup', 'sync_backed_up']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (school_id = (SELECT app_school()))'
            ' WITH CHECK (school_id = (SELECT app_school()))', name);
    END LOOP;
END $$;

GRANT SELECT, INSERT ON hub_backup TO darasa_ingest;
GRANT SELECT ON hub_backup TO darasa_web;
GRANT SELECT, INSERT, UPDATE ON sync_backed_up TO darasa_ingest;
