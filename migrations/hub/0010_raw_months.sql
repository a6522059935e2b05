-- Raw segments by the month they came in, so that old ones go with their partition and
-- leave no hole: what a row became stands in sync_inbox for ever, its bytes for 90 days.
--
-- Months are made ahead. What comes while none fits (a hub that was off for a season, a clock
-- that is wrong) lands in the default partition, which is an alarm (/metrics), and is put
-- in its place the next time.

CREATE TABLE sync_raw (
    school_id      uuid   NOT NULL,
    received_at_ms bigint NOT NULL, -- by the hub's clock, as in sync_inbox
    log_no         bigint NOT NULL,
    raw            bytea  NOT NULL,
    PRIMARY KEY (school_id, received_at_ms, log_no)
) PARTITION BY RANGE (received_at_ms);
ALTER TABLE sync_raw ALTER COLUMN raw SET STORAGE EXTERNAL;
CREATE TABLE sync_raw_default PARTITION OF sync_raw DEFAULT;
ALTER TABLE sync_raw ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_raw_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_raw FORCE ROW LEVEL SECURITY;
ALTER TABLE sync_raw_default FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sync_raw USING (school_id = (SELECT app_school()))
    WITH CHECK (school_id = (SELECT app_school()));
GRANT SELECT, INSERT ON sync_raw TO darasa_ingest;

-- Makes the month of `now_ms` and the two after it, and drops those that ended before
-- `keep_from_ms`. Returns how many it dropped. Repeatable; one at a time.
CREATE FUNCTION turn_raw_months(now_ms bigint, keep_from_ms bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    month   timestamp := date_trunc('month', to_timestamp(now_ms / 1000.0) AT TIME ZONE 'UTC');
    begins  timestamp;
    from_ms bigint;
    to_ms   bigint;
    part    text;
    dropped bigint := 0;
BEGIN
    LOCK TABLE sync_raw IN SHARE UPDATE EXCLUSIVE MODE;
    FOR ahead IN 0 .. 2
    LOOP
        begins  := month + make_interval(months => ahead);
        part    := 'sync_raw_' || to_char(begins, 'YYYYMM');
        CONTINUE WHEN to_regclass('public.' || part) IS NOT NULL;
        from_ms := extract(epoch FROM begins) * 1000;
        to_ms   := extract(epoch FROM begins + interval '1 month') * 1000;
        EXECUTE format('CREATE TABLE public.%I (LIKE sync_raw INCLUDING ALL)', part);
        ALTER TABLE sync_raw_default NO FORCE ROW LEVEL SECURITY;
        EXECUTE format('WITH moved AS (DELETE FROM sync_raw_default'
                       ' WHERE received_at_ms >= %s AND received_at_ms < %s RETURNING *)'
                       ' INSERT INTO public.%I SELECT * FROM moved', from_ms, to_ms, part);
        ALTER TABLE sync_raw_default FORCE ROW LEVEL SECURITY;
        EXECUTE format('ALTER TABLE sync_raw ATTACH PARTITION public.%I FOR VALUES FROM (%s) TO (%s)',
                       part, from_ms, to_ms);
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', part);
        EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', part);
    END LOOP;
    FOR part IN
        SELECT c.relname
          FROM pg_inherits AS i
          JOIN pg_class AS c
            ON c.oid = i.inhrelid
         WHERE i.inhparent = 'sync_raw'::regclass
           AND c.relname ~ '^sync_raw_[0-9]{6}$'
    LOOP
        begins := to_timestamp(right(part, 6), 'YYYYMM') AT TIME ZONE current_setting('timezone');
        IF extract(epoch FROM begins + interval '1 month') * 1000 <= keep_from_ms THEN
            EXECUTE format('DROP TABLE public.%I', part);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END $$;

-- A school's raws may hold what must be forgotten; nobody looks into them row by row.
CREATE FUNCTION forget_raws() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM sync_raw AS r WHERE r.school_id = app_school();
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;

REVOKE EXECUTE ON FUNCTION turn_raw_months(bigint, bigint), forget_raws() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION turn_raw_months(bigint, bigint) TO darasa_ingest;
GRANT EXECUTE ON FUNCTION forget_raws() TO darasa_web;
