-- Forgetting a person again, wider: whatever table has a column `person_id`, also one that a
-- later release adds, and what hangs on the rows that go: decisions about a proposal, answers to
-- a command, who has looked at two versions, who holds an image.
--
-- Ids that lead nowhere stay: the list itself, the lines by which a box lets go of a row, and who
-- gave somebody else a mark.
CREATE OR REPLACE FUNCTION erase_person(erased uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    school  CONSTANT uuid := app_school();
    -- As msgpack has it in an image: the key, then 16 bytes.
    sixteen CONSTANT bytea := '\xc410'::bytea || uuid_send(erased);
    whose   CONSTANT bytea := '\xa9'::bytea || 'person_id'::bytea || sixteen;
    whom    CONSTANT bytea := '\xa8'::bytea || 'about_id'::bytea || sixteen;
    gone    uuid[] := ARRAY[erased];
    these   uuid[];
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
        SELECT c.relname AS name,
               EXISTS (SELECT FROM pg_attribute AS i
                        WHERE i.attrelid = c.oid AND i.attname = 'id') AS has_id
          FROM pg_class AS c
          JOIN pg_attribute AS a
            ON a.attrelid = c.oid
           AND a.attname  = 'person_id'
         WHERE c.relnamespace = 'public'::regnamespace
           AND c.relkind IN ('r', 'p')
           AND NOT c.relispartition
         ORDER BY c.relname
    LOOP
        IF subject.has_id THEN
            EXECUTE format('WITH gone AS (DELETE FROM public.%I AS t WHERE t.school_id = $1'
                           ' AND t.person_id = $2 RETURNING t.id)'
                           ' SELECT coalesce(array_agg(id), ARRAY[]::uuid[]) FROM gone',
                           subject.name)
               INTO these USING school, erased;
            total := total + cardinality(these);
            gone  := gone || these;
        ELSE
            EXECUTE format('DELETE FROM public.%I AS t WHERE t.school_id = $1'
                           ' AND t.person_id = $2', subject.name)
              USING school, erased;
        END IF;
    END LOOP;
    -- A row the district keeps in a person's place stays: the marks a teacher gave name it.
    DELETE FROM person AS p
     WHERE p.school_id = school
       AND p.id        = erased
       AND NOT (p.state = 'erased' AND p.owner_node_id IS NOT NULL);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    total := total + deleted;
    WITH said AS (
        DELETE FROM proposal AS p
         WHERE p.school_id = school
           AND p.about_id  = erased
     RETURNING p.id)
    SELECT gone || coalesce(array_agg(s.id), ARRAY[]::uuid[]) INTO gone FROM said AS s;
    WITH said AS (
        DELETE FROM proposal_decision AS d
         WHERE d.school_id   = school
           AND d.proposal_id = ANY (gone)
     RETURNING d.id)
    SELECT gone || coalesce(array_agg(s.id), ARRAY[]::uuid[]) INTO gone FROM said AS s;
    DELETE FROM command_result AS r
     WHERE r.school_id  = school
       AND r.command_id = ANY (gone);
    UPDATE sync_feed AS f
       SET xid = pg_current_xact_id(),
           no  = nextval('sync_feed_no')
     WHERE f.school_id = school
       AND f.pk        = ANY (gone)
       AND NOT (f.pk = erased AND f.tbl <> 2);
    DELETE FROM sync_quarantine AS q
     WHERE q.school_id = school
       AND (q.pk = ANY (gone) OR position(whose IN q.image) > 0 OR position(whom IN q.image) > 0);
    DELETE FROM sync_conflict AS c
     WHERE c.school_id = school
       AND (c.pk = ANY (gone) OR position(whose IN c.image) > 0 OR position(whom IN c.image) > 0);
    DELETE FROM sync_extra AS x
     WHERE x.school_id = school
       AND (x.pk = ANY (gone) OR position(whose IN x.image) > 0 OR position(whom IN x.image) > 0);
    DELETE FROM sync_holder AS h
     WHERE h.school_id = school
       AND h.pk        = ANY (gone);
    DELETE FROM conflict_look AS k
     WHERE k.school_id = school
       AND NOT EXISTS (SELECT FROM sync_conflict AS c
                        WHERE c.school_id = k.school_id
                          AND c.id        = k.conflict_id);
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
