-- What people decide about rows that were put aside and rows with two versions.

-- A dismissed row stays unresolved: it is not in the tables, and its box must never call it
-- safe. A later version of it that can be merged still answers for it.
ALTER TABLE sync_quarantine ADD COLUMN dismissed_at_ms  bigint;
ALTER TABLE sync_quarantine ADD COLUMN dismissed_by     uuid;
ALTER TABLE sync_quarantine ADD COLUMN dismissed_reason text
      CHECK (length(dismissed_reason) BETWEEN 1 AND 500);
-- Who had it tried again; the reason it was put aside for is then history.
ALTER TABLE sync_quarantine ADD COLUMN replayed_by      uuid;
CREATE INDEX sync_quarantine_groups ON sync_quarantine (school_id, tbl, reason, id)
 WHERE resolved_at_ms IS NULL;

-- Which conflicts somebody at the district has looked at.
CREATE TABLE conflict_look (
    school_id    uuid   NOT NULL,
    conflict_id  uuid   NOT NULL,
    by_person_id uuid   NOT NULL,
    at_ms        bigint NOT NULL,
    PRIMARY KEY (school_id, conflict_id)
);

-- A second epoch that is known to hold the present image of a row: it sent the same again.
-- What it writes next follows that image and is no conflict.
CREATE TABLE sync_holder (
    school_id uuid   NOT NULL,
    tbl       bigint NOT NULL,
    pk        uuid   NOT NULL,
    epoch     uuid   NOT NULL,
    row_hash  bytea  NOT NULL CHECK (length(row_hash) = 32),
    PRIMARY KEY (school_id, tbl, pk)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['conflict_look', 'sync_holder']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (school_id = (SELECT app_school()))'
            ' WITH CHECK (school_id = (SELECT app_school()))', name);
        EXECUTE format(
            'CREATE POLICY district ON %I FOR SELECT TO darasa_web USING ('
            'school_id IN'
            ' (SELECT s.school_id FROM school AS s WHERE s.district_id = (SELECT app_district())))',
            name);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE ON sync_holder TO darasa_ingest;
GRANT SELECT, INSERT ON conflict_look TO darasa_web;
GRANT SELECT ON conflict_look TO darasa_ingest;
GRANT UPDATE (dismissed_at_ms, dismissed_by, dismissed_reason) ON sync_quarantine TO darasa_web;
