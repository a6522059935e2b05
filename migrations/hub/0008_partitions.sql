-- What grows with every lesson is spread over partitions by school. A school's rows stay in
-- one of them, so that its index pages are few, vacuum works in pieces, and a partition may
-- be moved to another disk. Eight: a district has tens to hundreds of schools, and each
-- partition costs the planner some microseconds. The rest stays small and whole.
--
-- Keys begin with school_id already, so no statement changes. Partitions carry no grants and
-- forced row security without a policy: nobody reads one by its own name.

DO $$
DECLARE
    parts CONSTANT integer := 8;
    flat  text;
    item  record;
BEGIN
    FOREACH flat IN ARRAY ARRAY['progress_fact', 'section_progress', 'submission',
                                'submission_revision', 'grade', 'attachment', 'sync_inbox']
    LOOP
        EXECUTE format('ALTER TABLE %I RENAME TO spread', flat);
        EXECUTE format('CREATE TABLE %I (LIKE spread INCLUDING DEFAULTS INCLUDING CONSTRAINTS'
                       ' INCLUDING STORAGE) PARTITION BY HASH (school_id)', flat);
        FOR part IN 0 .. parts - 1
        LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS %s,'
                           ' REMAINDER %s)', flat || '_' || part, flat, parts, part);
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', flat || '_' || part);
            EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', flat || '_' || part);
        END LOOP;
        -- Whoever migrates is the owner, for whom row security is forced as well.
        ALTER TABLE spread NO FORCE ROW LEVEL SECURITY;
        EXECUTE format('INSERT INTO %I SELECT * FROM spread', flat);
        FOR item IN
            SELECT format('CREATE TRIGGER %s', substr(pg_get_triggerdef(t.oid), 16)) AS sql
              FROM pg_trigger AS t
             WHERE t.tgrelid = 'spread'::regclass
               AND NOT t.tgisinternal
        LOOP
            EXECUTE replace(item.sql, ' ON public.spread ', format(' ON %I ', flat));
        END LOOP;
        FOR item IN
            SELECT p.policyname, p.cmd, array_to_string(p.roles, ', ') AS roles, p.qual,
                   p.with_check
              FROM pg_policies AS p
             WHERE p.schemaname = 'public'
               AND p.tablename  = 'spread'
        LOOP
            EXECUTE format('CREATE POLICY %I ON %I FOR %s TO %s USING (%s)', item.policyname,
                           flat, item.cmd, item.roles, item.qual)
                 || coalesce(' WITH CHECK (' || item.with_check || ')', '');
        END LOOP;
        FOR item IN
            SELECT g.grantee, g.privilege_type
              FROM information_schema.role_table_grants AS g
             WHERE g.table_schema = 'public'
               AND g.table_name   = 'spread'
               AND g.grantee IN ('darasa_ingest', 'darasa_web')
        LOOP
            EXECUTE format('GRANT %s ON %I TO %I', item.privilege_type, flat, item.grantee);
        END LOOP;
        CREATE TEMPORARY TABLE wanted ON COMMIT DROP AS
        SELECT i.relname AS name, pg_get_indexdef(x.indexrelid) AS sql, x.indisprimary,
               pg_get_constraintdef(c.oid) AS key
          FROM pg_index AS x
          JOIN pg_class AS i
            ON i.oid = x.indexrelid
          LEFT JOIN pg_constraint AS c
            ON c.conindid = x.indexrelid
           AND c.contype  = 'p'
         WHERE x.indrelid = 'spread'::regclass;
        DROP TABLE spread;
        FOR item IN SELECT w.name, w.sql, w.indisprimary, w.key FROM wanted AS w
        LOOP
            IF item.indisprimary THEN
                EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I %s', flat, item.name, item.key);
            ELSE
                EXECUTE replace(item.sql, ' ON public.spread ', format(' ON %I ', flat));
            END IF;
        END LOOP;
        DROP TABLE wanted;
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', flat);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', flat);
    END LOOP;
END $$;
