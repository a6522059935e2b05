-- Keys that change, boxes that are closed, people who are forgotten.

-- A key a box signed with before its present one. Until then it still opens the door;
-- afterwards segments it signed are kept, and their rows wait for a person to look.
CREATE TABLE former_key (
    school_id     uuid   NOT NULL,
    node_id       uuid   NOT NULL,
    node_key      bytea  NOT NULL CHECK (length(node_key) = 32),
    good_until_ms bigint NOT NULL,
    PRIMARY KEY (school_id, node_id, node_key)
);
CREATE INDEX former_key_node ON former_key (node_id);

-- A row that waits is looked for by its content before it is kept a second time: a broken
-- box may send the same thousand rows every morning.
CREATE INDEX sync_quarantine_image ON sync_quarantine (school_id, md5(image))
 WHERE resolved_at_ms IS NULL;

ALTER TABLE node ADD COLUMN revoked_at_ms  bigint;
ALTER TABLE node ADD COLUMN revoked_by     uuid;
ALTER TABLE node ADD COLUMN revoked_reason text CHECK (length(revoked_reason) BETWEEN 1 AND 500);

-- Who asked to have a person forgotten, and why; beside the row `erasure`, which travels.
-- It never names the person but by an id that leads nowhere any more.
CREATE TABLE erasure_request (
    school_id    uuid   NOT NULL,
    id           uuid   NOT NULL,
    reason       text   NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    by_person_id uuid   NOT NULL,
    at_ms        bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['former_key', 'erasure_request']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (school_id = (SELECT app_school()))'
            ' WITH CHECK (school_id = (SELECT app_school()))', name);
        EXECUTE format(
            'CREATE POLICY district ON %I FOR SELECT TO darasa_web USING ('
            'school_id = (SELECT app_district()) OR school_id IN'
            ' (SELECT s.school_id FROM school AS s WHERE s.district_id = (SELECT app_district())))',
            name);
    END LOOP;
END $$;

-- Asked before a node has said which school it is of, like the directory of nodes.
CREATE POLICY directory ON former_key FOR SELECT TO darasa_ingest
    USING (school_id IN (SELECT s.school_id FROM school AS s
                          WHERE s.district_id = (SELECT app_district())));

GRANT SELECT, INSERT, UPDATE ON former_key TO darasa_ingest;
GRANT SELECT ON former_key TO darasa_web;
GRANT SELECT, INSERT ON erasure_request TO darasa_web;
GRANT UPDATE (state, revoked_at_ms, revoked_by, revoked_reason) ON node TO darasa_web;

-- Rows of a staged set that a constraint of their table refuses, and which one: asked of
-- thousands at once, where trying them one by one takes minutes.
CREATE FUNCTION unfit_rows(stage text, target text) RETURNS TABLE (ord bigint, why text)
    LANGUAGE plpgsql AS $$
DECLARE
    tests text;
BEGIN
    SELECT string_agg(t.test, ' ' ORDER BY t.test)
      INTO tests
      FROM (SELECT format('WHEN %I IS NULL THEN %L', a.attname,
                          'NotNullViolationError ' || a.attname) AS test
              FROM pg_attribute AS a
              JOIN pg_attribute AS s
                ON s.attrelid = stage::regclass
               AND s.attname  = a.attname
             WHERE a.attrelid = target::regclass
               AND a.attnum   > 0
               AND a.attnotnull
             UNION ALL
            -- A column that was not sent and has no default.
            SELECT format('WHEN true THEN %L', 'NotNullViolationError ' || a.attname)
              FROM pg_attribute AS a
             WHERE a.attrelid = target::regclass
               AND a.attnum   > 0
               AND a.attnotnull
               AND NOT a.atthasdef
               AND a.attname NOT IN ('school_id', 'src_epoch', 'change_no', 'received_at_ms')
               AND NOT EXISTS (SELECT FROM pg_attribute AS s
                                WHERE s.attrelid = stage::regclass
                                  AND s.attname  = a.attname)
             UNION ALL
            SELECT format('WHEN (%s) IS FALSE THEN %L', pg_get_expr(c.conbin, c.conrelid),
                          'CheckViolationError ' || c.conname)
              FROM pg_constraint AS c
             WHERE c.conrelid = target::regclass
               AND c.contype  = 'c'
               AND NOT EXISTS (SELECT FROM unnest(c.conkey) AS k (attnum)
                                 JOIN pg_attribute AS a
                                   ON a.attrelid = c.conrelid
                                  AND a.attnum   = k.attnum
                                WHERE NOT EXISTS (SELECT FROM pg_attribute AS s
                                                   WHERE s.attrelid = stage::regclass
                                                     AND s.attname  = a.attname))) AS t;
    RETURN QUERY EXECUTE format(
        'SELECT s.ord, s.why FROM (SELECT ord, CASE %s END AS why FROM %s) AS s'
        ' WHERE s.why IS NOT NULL', tests, stage::regclass);
END $$;
GRANT EXECUTE ON FUNCTION unfit_rows(text, text) TO darasa_ingest, darasa_web;

-- Take every trace of one person out of one school's rows. Only this may delete: it runs as
-- the owner, whom row security binds to the school the transaction names, and only for
-- somebody whose erasure that school's list holds. Safe to repeat.
--
-- A row the district keeps in a person's place (state 'erased', owned by the hub) stays:
-- the marks a teacher gave are their pupils', and name who gave them.
CREATE FUNCTION erase_person(erased uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    school  CONSTANT uuid := app_school();
    -- As msgpack has it in an image: the key, then 16 bytes.
    trace   CONSTANT bytea := '\xa9'::bytea || 'person_id'::bytea || '\xc410'::bytea
                              || uuid_send(erased);
    subject record;
    deleted bigint;
    total   bigint := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM erasure AS e WHERE e.school_id = school AND e.id = erased) THEN
        RAISE EXCEPTION 'no erasure of % in this school', erased USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM section_progress AS p
     WHERE p.school_id = school
       AND p.enrolment_id IN (SELECT e.id FROM enrolment AS e
                               WHERE e.school_id = school AND e.person_id = erased);
    FOR subject IN
        SELECT * FROM (VALUES
            (26, 'attachment', 'person_id'), (22, 'proposal', 'person_id'),
            (21, 'command_result', 'person_id'), (20, 'command', 'person_id'),
            (17, 'grade', 'person_id'), (16, 'submission_revision', 'person_id'),
            (15, 'submission', 'person_id'), (13, 'progress_fact', 'person_id'),
            (12, 'enrolment', 'person_id'), (5, 'class_member', 'person_id'),
            (3, 'role_assignment', 'person_id'), (2, 'person', 'id')) AS s (tbl, name, col)
    LOOP
        EXECUTE format(
            'WITH gone AS (DELETE FROM %1$I AS t WHERE t.school_id = $1 AND t.%2$I = $2 %3$s'
            ' RETURNING t.id), fed AS (UPDATE sync_feed AS f'
            ' SET xid = pg_current_xact_id(), no = nextval(''sync_feed_no'') FROM gone'
            ' WHERE f.school_id = $1 AND f.tbl = $3 AND f.pk = gone.id)'
            ' SELECT count(*) FROM gone',
            subject.name, subject.col,
            CASE WHEN subject.tbl = 2
                 THEN 'AND NOT (t.state = ''erased'' AND t.owner_node_id IS NOT NULL)' END)
           INTO deleted USING school, erased, subject.tbl;
        total := total + deleted;
    END LOOP;
    DELETE FROM sync_quarantine AS q
     WHERE q.school_id = school
       AND (q.tbl = 'person' AND q.pk = erased OR position(trace IN q.image) > 0);
    DELETE FROM sync_conflict AS c
     WHERE c.school_id = school
       AND (c.tbl = 2 AND c.pk = erased OR position(trace IN c.image) > 0);
    DELETE FROM sync_extra AS x
     WHERE x.school_id = school
       AND (x.pk = erased OR position(trace IN x.image) > 0);
    -- What is not applied yet is judged row by row when it is.
    UPDATE sync_inbox AS i
       SET raw = NULL
      FROM sync_stream AS s
     WHERE i.school_id  = school
       AND i.raw IS NOT NULL
       AND s.school_id  = school
       AND s.node_id    = i.node_id
       AND s.epoch      = i.epoch
       AND s.lane       = i.lane
       AND s.applied_n >= i.n;
    -- What came on a stick before its turn is acknowledged to nobody and cannot be looked
    -- into here; its box has it still and brings it again.
    UPDATE sync_held AS h
       SET raw = NULL
     WHERE h.school_id = school
       AND h.raw IS NOT NULL;
    RETURN total;
END $$;
REVOKE EXECUTE ON FUNCTION erase_person(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_person(uuid) TO darasa_web;
