-- The way down: rows the hub owns, and the feed by which boxes read them.
--
-- The feed has one line for each row, moved to the end whenever the row changes: reading it
-- from the beginning is a snapshot. It is ordered by the transaction that wrote a line, and
-- read only below the oldest transaction that still runs: an id that was drawn first may
-- commit last, and a reader who had passed it would never see it.

CREATE TABLE announcement (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    org_id         uuid   NOT NULL,
    title          text   NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    body           text   NOT NULL CHECK (length(body) <= 10000),
    from_at_ms     bigint NOT NULL,
    until_at_ms    bigint,
    version        bigint NOT NULL CHECK (version >= 1),
    owner_epoch    bigint NOT NULL DEFAULT 0,
    owner_node_id  uuid,
    updated_at_ms  bigint NOT NULL,
    deleted_at_ms  bigint,
    row_hash       bytea  NOT NULL,
    src_epoch      uuid   NOT NULL,
    change_no      bigint NOT NULL,
    received_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX announcement_change ON announcement (school_id, change_no);

CREATE TABLE setting (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    org_id         uuid   NOT NULL,
    key            text   NOT NULL CHECK (length(key) BETWEEN 1 AND 100),
    value          text   NOT NULL CHECK (length(value) <= 10000),
    version        bigint NOT NULL CHECK (version >= 1),
    owner_epoch    bigint NOT NULL DEFAULT 0,
    owner_node_id  uuid,
    updated_at_ms  bigint NOT NULL,
    deleted_at_ms  bigint,
    row_hash       bytea  NOT NULL,
    src_epoch      uuid   NOT NULL,
    change_no      bigint NOT NULL,
    received_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX setting_change ON setting (school_id, change_no);

CREATE TABLE command (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    org_id         uuid   NOT NULL,
    kind           text   NOT NULL CHECK (kind IN ('create_person', 'reset_pin', 'move_person', 'publish_course_version', 'set_due_date')),
    person_id      uuid,
    payload        text   NOT NULL CHECK (length(payload) <= 10000),
    by_person_id   uuid   NOT NULL,
    issued_at_ms   bigint NOT NULL,
    expires_at_ms  bigint,
    version        bigint NOT NULL CHECK (version >= 1),
    owner_epoch    bigint NOT NULL DEFAULT 0,
    owner_node_id  uuid,
    updated_at_ms  bigint NOT NULL,
    deleted_at_ms  bigint,
    row_hash       bytea  NOT NULL,
    src_epoch      uuid   NOT NULL,
    change_no      bigint NOT NULL,
    received_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX command_change ON command (school_id, change_no);

CREATE TABLE command_result (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    command_id     uuid   NOT NULL,
    person_id      uuid,
    state          text   NOT NULL CHECK (state IN ('applied', 'refused', 'expired')),
    reason         text   CHECK (length(reason) <= 500),
    at_ms          bigint NOT NULL,
    row_hash       bytea  NOT NULL,
    src_epoch      uuid   NOT NULL,
    change_no      bigint NOT NULL,
    received_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX command_result_change ON command_result (school_id, change_no);

CREATE TABLE proposal (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    kind           text   NOT NULL CHECK (kind IN ('edit_person', 'edit_class', 'edit_enrolment', 'edit_course', 'other')),
    about_id       uuid,
    person_id      uuid,
    payload        text   NOT NULL CHECK (length(payload) <= 10000),
    by_person_id   uuid   NOT NULL,
    at_ms          bigint NOT NULL,
    row_hash       bytea  NOT NULL,
    src_epoch      uuid   NOT NULL,
    change_no      bigint NOT NULL,
    received_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX proposal_change ON proposal (school_id, change_no);

CREATE TABLE proposal_decision (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    proposal_id    uuid   NOT NULL,
    state          text   NOT NULL CHECK (state IN ('accepted', 'refused')),
    reason         text   CHECK (length(reason) <= 500),
    at_ms          bigint NOT NULL,
    version        bigint NOT NULL CHECK (version >= 1),
    owner_epoch    bigint NOT NULL DEFAULT 0,
    owner_node_id  uuid,
    updated_at_ms  bigint NOT NULL,
    deleted_at_ms  bigint,
    row_hash       bytea  NOT NULL,
    src_epoch      uuid   NOT NULL,
    change_no      bigint NOT NULL,
    received_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX proposal_decision_change ON proposal_decision (school_id, change_no);

CREATE TABLE erasure (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    org_id         uuid   NOT NULL,
    at_ms          bigint NOT NULL,
    version        bigint NOT NULL CHECK (version >= 1),
    owner_epoch    bigint NOT NULL DEFAULT 0,
    owner_node_id  uuid,
    updated_at_ms  bigint NOT NULL,
    deleted_at_ms  bigint,
    row_hash       bytea  NOT NULL,
    src_epoch      uuid   NOT NULL,
    change_no      bigint NOT NULL,
    received_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX erasure_change ON erasure (school_id, change_no);

CREATE TABLE erasure_answer (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    erasure_id     uuid   NOT NULL,
    node_id        uuid   NOT NULL,
    rows_erased    bigint NOT NULL CHECK (rows_erased >= 0),
    at_ms          bigint NOT NULL,
    row_hash       bytea  NOT NULL,
    src_epoch      uuid   NOT NULL,
    change_no      bigint NOT NULL,
    received_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX erasure_answer_change ON erasure_answer (school_id, change_no);

CREATE TABLE attachment (
    school_id              uuid   NOT NULL,
    id                     uuid   NOT NULL,
    submission_revision_id uuid   NOT NULL,
    person_id              uuid   NOT NULL,
    name                   text   NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    mime                   text   NOT NULL CHECK (length(mime) BETWEEN 1 AND 100),
    size_bytes             bigint NOT NULL CHECK (size_bytes >= 0),
    sha256                 bytea  NOT NULL CHECK (length(sha256) = 32),
    saved_at_ms            bigint NOT NULL,
    row_hash               bytea  NOT NULL,
    src_epoch              uuid   NOT NULL,
    change_no              bigint NOT NULL,
    received_at_ms         bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX attachment_change ON attachment (school_id, change_no);

CREATE TABLE health_sample (
    school_id       uuid   NOT NULL,
    id              uuid   NOT NULL,
    at_ms           bigint NOT NULL,
    clock_quality   bigint NOT NULL CHECK (clock_quality BETWEEN 0 AND 3),
    disk_free_bytes bigint NOT NULL,
    database_bytes  bigint NOT NULL,
    wal_bytes       bigint NOT NULL,
    memory_bytes    bigint NOT NULL,
    temperature_mc  bigint,
    clients_max     bigint NOT NULL,
    row_hash        bytea  NOT NULL,
    src_epoch       uuid   NOT NULL,
    change_no       bigint NOT NULL,
    received_at_ms  bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX health_sample_change ON health_sample (school_id, change_no);

CREATE INDEX command_result_command ON command_result (school_id, command_id);
CREATE INDEX proposal_decision_proposal ON proposal_decision (school_id, proposal_id);
CREATE INDEX erasure_answer_erasure ON erasure_answer (school_id, erasure_id);
CREATE INDEX attachment_revision ON attachment (school_id, submission_revision_id);
CREATE INDEX attachment_content ON attachment (school_id, sha256);

-- Ownership is numbered: the generation stands in the high 32 bits and changes with the
-- incarnation, so that a hub restored from a backup never gives out an old number again.
ALTER TABLE hub_identity ADD COLUMN generation    bigint NOT NULL DEFAULT 1;
ALTER TABLE hub_identity ADD COLUMN owner_counter bigint NOT NULL DEFAULT 0;

CREATE SEQUENCE sync_feed_no;
CREATE TABLE sync_feed (
    school_id uuid   NOT NULL, -- the scope: a school, or the district itself
    tbl       bigint NOT NULL,
    pk        uuid   NOT NULL,
    xid       xid8   NOT NULL,
    no        bigint NOT NULL,
    PRIMARY KEY (school_id, tbl, pk)
);
CREATE INDEX sync_feed_order ON sync_feed (school_id, xid, no);

CREATE FUNCTION touch_feed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sync_feed (school_id, tbl, pk, xid, no)
    VALUES (NEW.school_id, TG_ARGV[0]::bigint, NEW.id, pg_current_xact_id(),
            nextval('sync_feed_no'))
        ON CONFLICT (school_id, tbl, pk) DO UPDATE
       SET xid = excluded.xid,
           no  = excluded.no;
    RETURN NULL;
END $$;

CREATE TRIGGER org_unit_fed AFTER INSERT ON org_unit FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('1');
CREATE TRIGGER org_unit_refed AFTER UPDATE ON org_unit FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('1');
CREATE TRIGGER person_fed AFTER INSERT ON person FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('2');
CREATE TRIGGER person_refed AFTER UPDATE ON person FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('2');
CREATE TRIGGER role_assignment_fed AFTER INSERT ON role_assignment FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('3');
CREATE TRIGGER role_assignment_refed AFTER UPDATE ON role_assignment FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('3');
CREATE TRIGGER class_group_fed AFTER INSERT ON class_group FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('4');
CREATE TRIGGER class_group_refed AFTER UPDATE ON class_group FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('4');
CREATE TRIGGER class_member_fed AFTER INSERT ON class_member FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('5');
CREATE TRIGGER class_member_refed AFTER UPDATE ON class_member FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('5');
CREATE TRIGGER course_fed AFTER INSERT ON course FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('6');
CREATE TRIGGER course_refed AFTER UPDATE ON course FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('6');
CREATE TRIGGER course_version_fed AFTER INSERT ON course_version FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('7');
CREATE TRIGGER course_version_refed AFTER UPDATE ON course_version FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('7');
CREATE TRIGGER module_fed AFTER INSERT ON module FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('8');
CREATE TRIGGER module_refed AFTER UPDATE ON module FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('8');
CREATE TRIGGER lesson_fed AFTER INSERT ON lesson FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('9');
CREATE TRIGGER lesson_refed AFTER UPDATE ON lesson FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('9');
CREATE TRIGGER section_fed AFTER INSERT ON section FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('10');
CREATE TRIGGER section_refed AFTER UPDATE ON section FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('10');
CREATE TRIGGER course_run_fed AFTER INSERT ON course_run FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('11');
CREATE TRIGGER course_run_refed AFTER UPDATE ON course_run FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('11');
CREATE TRIGGER enrolment_fed AFTER INSERT ON enrolment FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('12');
CREATE TRIGGER enrolment_refed AFTER UPDATE ON enrolment FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('12');
CREATE TRIGGER assessment_fed AFTER INSERT ON assessment FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('14');
CREATE TRIGGER assessment_refed AFTER UPDATE ON assessment FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('14');
CREATE TRIGGER submission_fed AFTER INSERT ON submission FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('15');
CREATE TRIGGER submission_refed AFTER UPDATE ON submission FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('15');
CREATE TRIGGER announcement_fed AFTER INSERT ON announcement FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('18');
CREATE TRIGGER announcement_refed AFTER UPDATE ON announcement FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('18');
CREATE TRIGGER setting_fed AFTER INSERT ON setting FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('19');
CREATE TRIGGER setting_refed AFTER UPDATE ON setting FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('19');
CREATE TRIGGER command_fed AFTER INSERT ON command FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('20');
CREATE TRIGGER command_refed AFTER UPDATE ON command FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('20');
CREATE TRIGGER proposal_decision_fed AFTER INSERT ON proposal_decision FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('23');
CREATE TRIGGER proposal_decision_refed AFTER UPDATE ON proposal_decision FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('23');
CREATE TRIGGER erasure_fed AFTER INSERT ON erasure FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL) EXECUTE FUNCTION touch_feed('24');
CREATE TRIGGER erasure_refed AFTER UPDATE ON erasure FOR EACH ROW
    WHEN (NEW.owner_node_id IS NOT NULL OR OLD.owner_node_id IS NOT NULL)
    EXECUTE FUNCTION touch_feed('24');

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'announcement', 'setting', 'command', 'command_result', 'proposal',
        'proposal_decision', 'erasure', 'erasure_answer', 'attachment', 'health_sample',
        'sync_feed']
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
    -- A box reads its own scope, and of its district's what the hub gives out; other schools
    -- it never sees.
    FOREACH name IN ARRAY ARRAY[
        'org_unit', 'person', 'role_assignment', 'class_group', 'class_member', 'course',
        'course_version', 'module', 'lesson', 'section', 'course_run', 'enrolment',
        'assessment', 'submission', 'announcement', 'setting', 'command', 'proposal_decision',
        'erasure']
    LOOP
        EXECUTE format(
            'CREATE POLICY ancestor ON %I FOR SELECT TO darasa_ingest'
            ' USING (school_id = (SELECT app_district()) AND owner_node_id IS NOT NULL)', name);
    END LOOP;
END $$;
CREATE POLICY ancestor ON sync_feed FOR SELECT TO darasa_ingest
    USING (school_id = (SELECT app_district()));

GRANT SELECT, INSERT, UPDATE
   ON announcement, setting, command, command_result, proposal, proposal_decision,
      erasure, erasure_answer, attachment, health_sample,
      sync_feed
   TO darasa_ingest;
GRANT SELECT
   ON announcement, setting, command, command_result, proposal, proposal_decision,
      erasure, erasure_answer, attachment, health_sample,
      sync_feed
   TO darasa_web;
-- The district's staff write what the hub owns.
GRANT INSERT, UPDATE
   ON org_unit, person, role_assignment, class_group, class_member, course,
      course_version, module, lesson, section, course_run, enrolment, assessment,
      submission, announcement, setting, command, proposal_decision, erasure,
      sync_feed
   TO darasa_web;
GRANT UPDATE ON school_sync TO darasa_web;
GRANT INSERT, UPDATE ON sync_feed_head TO darasa_web;
GRANT UPDATE (owner_counter) ON hub_identity TO darasa_web;
GRANT UPDATE (generation) ON hub_identity TO darasa_ingest;
GRANT USAGE ON SEQUENCE sync_feed_no TO darasa_ingest, darasa_web;
