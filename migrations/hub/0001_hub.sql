-- The district's copy of its schools, and what the hub keeps of its own.
--
-- school_id stands first in every key: hash partitions or shards need no change of
-- code. Rows that belong to no school carry the id of the district's org_unit. The
-- columns of a school's tables are the box's, in the same order; a test compares them.
-- There are no foreign keys: references may arrive before what they refer to.
-- Beside them every row has the hash of its content, the epoch that last wrote it, its
-- place in the school's sequence of changes, and when it came.

CREATE TABLE org_unit (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    parent_id      uuid,
    kind           text   NOT NULL CHECK (kind IN ('country', 'region', 'district', 'school')),
    name           text   NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    locale         text   NOT NULL,
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
CREATE INDEX org_unit_change ON org_unit (school_id, change_no);

CREATE TABLE person (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    org_id         uuid   NOT NULL,
    display_name   text   NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    given_name     text,
    family_name    text,
    grade_level    text,
    student_no     text,
    source_id      text,
    locale         text   NOT NULL,
    state          text   NOT NULL CHECK (state IN ('invited', 'active', 'suspended', 'archived', 'erased')),
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
CREATE INDEX person_change ON person (school_id, change_no);

CREATE TABLE role_assignment (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    person_id      uuid   NOT NULL,
    role           text   NOT NULL CHECK (role IN ('learner', 'teacher', 'school_admin', 'district_admin')),
    scope_kind     text   NOT NULL CHECK (scope_kind IN ('org', 'class_group')),
    scope_id       uuid   NOT NULL,
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
CREATE INDEX role_assignment_change ON role_assignment (school_id, change_no);

CREATE TABLE class_group (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    org_id         uuid   NOT NULL,
    name           text   NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    grade_level    text,
    source_id      text,
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
CREATE INDEX class_group_change ON class_group (school_id, change_no);

CREATE TABLE class_member (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    class_group_id uuid   NOT NULL,
    person_id      uuid   NOT NULL,
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
CREATE INDEX class_member_change ON class_member (school_id, change_no);

CREATE TABLE course (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    org_id         uuid   NOT NULL,
    code           text   NOT NULL CHECK (length(code) BETWEEN 1 AND 100),
    title          text   NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    language       text   NOT NULL,
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
CREATE INDEX course_change ON course (school_id, change_no);

CREATE TABLE course_version (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    course_id      uuid   NOT NULL,
    number         bigint NOT NULL CHECK (number >= 1),
    state          text   NOT NULL CHECK (state IN ('draft', 'in_review', 'published', 'superseded', 'withdrawn')),
    content_hash   bytea  NOT NULL CHECK (length(content_hash) = 32),
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
CREATE INDEX course_version_change ON course_version (school_id, change_no);

CREATE TABLE module (
    school_id         uuid   NOT NULL,
    id                uuid   NOT NULL,
    course_version_id uuid   NOT NULL,
    title             text   NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    rank              bigint NOT NULL,
    version           bigint NOT NULL CHECK (version >= 1),
    owner_epoch       bigint NOT NULL DEFAULT 0,
    owner_node_id     uuid,
    updated_at_ms     bigint NOT NULL,
    deleted_at_ms     bigint,
    row_hash          bytea  NOT NULL,
    src_epoch         uuid   NOT NULL,
    change_no         bigint NOT NULL,
    received_at_ms    bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX module_change ON module (school_id, change_no);

CREATE TABLE lesson (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    module_id      uuid   NOT NULL,
    title          text   NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    rank           bigint NOT NULL,
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
CREATE INDEX lesson_change ON lesson (school_id, change_no);

CREATE TABLE section (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    lesson_id      uuid   NOT NULL,
    title          text   NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    rank           bigint NOT NULL,
    body           text   NOT NULL,
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
CREATE INDEX section_change ON section (school_id, change_no);

CREATE TABLE course_run (
    school_id         uuid   NOT NULL,
    id                uuid   NOT NULL,
    org_id            uuid   NOT NULL,
    course_version_id uuid   NOT NULL,
    class_group_id    uuid   NOT NULL,
    state             text   NOT NULL CHECK (state IN ('planned', 'running', 'ended', 'archived')),
    version           bigint NOT NULL CHECK (version >= 1),
    owner_epoch       bigint NOT NULL DEFAULT 0,
    owner_node_id     uuid,
    updated_at_ms     bigint NOT NULL,
    deleted_at_ms     bigint,
    row_hash          bytea  NOT NULL,
    src_epoch         uuid   NOT NULL,
    change_no         bigint NOT NULL,
    received_at_ms    bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX course_run_change ON course_run (school_id, change_no);

CREATE TABLE enrolment (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    course_run_id  uuid   NOT NULL,
    person_id      uuid   NOT NULL,
    state          text   NOT NULL CHECK (state IN ('invited', 'active', 'suspended', 'completed', 'withdrawn', 'transferred')),
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
CREATE INDEX enrolment_change ON enrolment (school_id, change_no);

CREATE TABLE progress_fact (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    enrolment_id   uuid   NOT NULL,
    section_id     uuid   NOT NULL,
    person_id      uuid   NOT NULL,
    percent        bigint NOT NULL CHECK (percent BETWEEN 0 AND 100),
    at_ms          bigint NOT NULL,
    clock_quality  bigint NOT NULL CHECK (clock_quality BETWEEN 0 AND 3),
    row_hash       bytea  NOT NULL,
    src_epoch      uuid   NOT NULL,
    change_no      bigint NOT NULL,
    received_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX progress_fact_change ON progress_fact (school_id, change_no);

CREATE TABLE assessment (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    course_run_id  uuid   NOT NULL,
    kind           text   NOT NULL CHECK (kind IN ('assignment')),
    title          text   NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    instructions   text   NOT NULL,
    due_at_ms      bigint,
    points_max_mp  bigint NOT NULL CHECK (points_max_mp BETWEEN 0 AND 1000000),
    attempts_max   bigint NOT NULL CHECK (attempts_max BETWEEN 1 AND 100),
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
CREATE INDEX assessment_change ON assessment (school_id, change_no);

CREATE TABLE submission (
    school_id       uuid   NOT NULL,
    id              uuid   NOT NULL,
    assessment_id   uuid   NOT NULL,
    person_id       uuid   NOT NULL,
    attempt_no      bigint NOT NULL CHECK (attempt_no >= 1),
    state           text   NOT NULL CHECK (state IN ('submitted', 'in_grading', 'graded', 'returned', 'withdrawn', 'void')),
    submitted_at_ms bigint NOT NULL,
    late_ms         bigint NOT NULL CHECK (late_ms >= 0),
    clock_quality   bigint NOT NULL CHECK (clock_quality BETWEEN 0 AND 3),
    version         bigint NOT NULL CHECK (version >= 1),
    owner_epoch     bigint NOT NULL DEFAULT 0,
    owner_node_id   uuid,
    updated_at_ms   bigint NOT NULL,
    deleted_at_ms   bigint,
    row_hash        bytea  NOT NULL,
    src_epoch       uuid   NOT NULL,
    change_no       bigint NOT NULL,
    received_at_ms  bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX submission_change ON submission (school_id, change_no);

CREATE TABLE submission_revision (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    submission_id  uuid   NOT NULL,
    person_id      uuid   NOT NULL,
    rev            bigint NOT NULL CHECK (rev >= 1),
    body           text   NOT NULL,
    content_hash   bytea  NOT NULL CHECK (length(content_hash) = 32),
    saved_at_ms    bigint NOT NULL,
    row_hash       bytea  NOT NULL,
    src_epoch      uuid   NOT NULL,
    change_no      bigint NOT NULL,
    received_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX submission_revision_change ON submission_revision (school_id, change_no);

CREATE TABLE grade (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    submission_id  uuid   NOT NULL,
    person_id      uuid   NOT NULL,
    seq            bigint NOT NULL CHECK (seq >= 1),
    points_mp      bigint NOT NULL CHECK (points_mp >= 0),
    comment        text   NOT NULL,
    state          text   NOT NULL CHECK (state IN ('provisional', 'released')),
    by_person_id   uuid   NOT NULL,
    graded_at_ms   bigint NOT NULL,
    row_hash       bytea  NOT NULL,
    src_epoch      uuid   NOT NULL,
    change_no      bigint NOT NULL,
    received_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX grade_change ON grade (school_id, change_no);

CREATE INDEX class_member_class ON class_member (school_id, class_group_id);
CREATE INDEX course_run_class ON course_run (school_id, class_group_id);
CREATE INDEX module_course_version ON module (school_id, course_version_id);
CREATE INDEX lesson_module ON lesson (school_id, module_id);
CREATE INDEX section_lesson ON section (school_id, lesson_id);
CREATE INDEX enrolment_run ON enrolment (school_id, course_run_id);
CREATE INDEX assessment_run ON assessment (school_id, course_run_id);
CREATE INDEX submission_assessment ON submission (school_id, assessment_id, person_id, attempt_no);
CREATE INDEX submission_revision_submission ON submission_revision (school_id, submission_id, rev);
CREATE INDEX grade_submission ON grade (school_id, submission_id, seq);
CREATE INDEX role_assignment_person ON role_assignment (school_id, person_id);

-- A projection of progress_fact (sync/projections.py), computed with the box's own SQL.
CREATE TABLE section_progress (
    school_id    uuid   NOT NULL,
    enrolment_id uuid   NOT NULL,
    section_id   uuid   NOT NULL,
    percent      bigint NOT NULL CHECK (percent BETWEEN 0 AND 100),
    PRIMARY KEY (school_id, enrolment_id, section_id)
);

-- Who this hub is. One row, made when the hub first starts; no school, so no row security.
CREATE TABLE hub_identity (
    id            bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    hub_id        uuid   NOT NULL,
    hub_key       bytea  NOT NULL CHECK (length(hub_key) = 32),
    -- Changes when this hub finds itself behind what it has signed: it was rolled back.
    incarnation   uuid   NOT NULL,
    district_id   uuid,
    created_at_ms bigint NOT NULL
);

-- The directory of schools.
CREATE TABLE school (
    school_id     uuid   NOT NULL PRIMARY KEY,
    district_id   uuid   NOT NULL,
    name          text   NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    created_at_ms bigint NOT NULL
);
CREATE INDEX school_district ON school (district_id);

-- Ingest takes this row's lock: one school's changes are numbered one after another, and
-- so are the segments of its log (sync/protocol.py), whose head every receipt states.
CREATE TABLE school_sync (
    school_id uuid   NOT NULL PRIMARY KEY,
    change_no bigint NOT NULL CHECK (change_no >= 0),
    log_no    bigint NOT NULL CHECK (log_no >= 0),
    log_hash  bytea  NOT NULL CHECK (length(log_hash) = 32)
);

CREATE TABLE node (
    school_id       uuid   NOT NULL,
    id              uuid   NOT NULL,
    node_key        bytea  NOT NULL CHECK (length(node_key) = 32),
    -- A replaced board may still bring what it had not sent; a revoked one may not.
    state           text   NOT NULL CHECK (state IN ('active', 'replaced', 'revoked')),
    hardware        text   NOT NULL,
    app_version     text   NOT NULL,
    schema_version  bigint NOT NULL,
    enrolled_at_ms  bigint NOT NULL,
    contact_at_ms   bigint,
    epoch           uuid,
    waiting         bigint NOT NULL DEFAULT 0,
    oldest_since_ms bigint,
    clock_offset_ms bigint,
    clock_quality   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (school_id, id)
);
-- Not unique: a node is asked for by its id alone before its school is known.
CREATE INDEX node_id ON node (id);

-- Two epochs of one node that are seen alternately are two boards: a cloned card.
CREATE TABLE node_epoch (
    school_id   uuid   NOT NULL,
    node_id     uuid   NOT NULL,
    epoch       uuid   NOT NULL,
    first_at_ms bigint NOT NULL,
    last_at_ms  bigint NOT NULL,
    PRIMARY KEY (school_id, node_id, epoch)
);

-- school_id is the district's: the token exists before the school does.
CREATE TABLE enrolment_token (
    school_id     uuid   NOT NULL,
    id            uuid   NOT NULL,
    token_hash    bytea  NOT NULL CHECK (length(token_hash) = 32),
    mode          text   NOT NULL CHECK (mode IN ('adopt', 'replace')),
    -- The school the token is for; an adopt token without one takes the box's.
    for_school_id uuid,
    school_name   text   CHECK (length(school_name) BETWEEN 1 AND 200),
    by_person_id  uuid   NOT NULL,
    created_at_ms bigint NOT NULL,
    expires_at_ms bigint NOT NULL,
    used_at_ms    bigint,
    used_by_node  uuid,
    used_by_key   bytea,
    PRIMARY KEY (school_id, id),
    CHECK (mode = 'adopt' OR for_school_id IS NOT NULL)
);
CREATE INDEX enrolment_token_hash ON enrolment_token (school_id, token_hash);

CREATE TABLE sync_stream (
    school_id      uuid   NOT NULL,
    node_id        uuid   NOT NULL,
    epoch          uuid   NOT NULL,
    lane           bigint NOT NULL CHECK (lane >= 0),
    received_n     bigint NOT NULL CHECK (received_n >= 0),
    received_hash  bytea  NOT NULL CHECK (length(received_hash) = 32),
    applied_n      bigint NOT NULL CHECK (applied_n BETWEEN 0 AND received_n),
    received_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, node_id, epoch, lane)
);

-- Every accepted segment as it came, and what became of its rows.
CREATE TABLE sync_inbox (
    school_id      uuid   NOT NULL,
    node_id        uuid   NOT NULL,
    epoch          uuid   NOT NULL,
    lane           bigint NOT NULL,
    n              bigint NOT NULL CHECK (n >= 1),
    hash           bytea  NOT NULL CHECK (length(hash) = 32),
    raw            bytea,
    log_no         bigint NOT NULL CHECK (log_no >= 1),
    log_hash       bytea  NOT NULL CHECK (length(log_hash) = 32),
    rows           bigint NOT NULL,
    inserted       bigint NOT NULL,
    updated        bigint NOT NULL,
    superseded     bigint NOT NULL,
    conflict       bigint NOT NULL,
    duplicate      bigint NOT NULL,
    quarantined    bigint NOT NULL,
    erased         bigint NOT NULL DEFAULT 0,
    received_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, node_id, epoch, lane, n),
    CHECK (rows = inserted + updated + superseded + conflict + duplicate + quarantined + erased)
);
CREATE INDEX sync_inbox_log ON sync_inbox (school_id, log_no);
-- Segments are compressed already.
ALTER TABLE sync_inbox ALTER COLUMN raw SET STORAGE EXTERNAL;

-- Rows that could not be merged, as they came; they never block the rows behind them.
CREATE TABLE sync_quarantine (
    school_id      uuid   NOT NULL,
    id             uuid   NOT NULL,
    node_id        uuid   NOT NULL,
    epoch          uuid   NOT NULL,
    lane           bigint NOT NULL,
    n              bigint NOT NULL,
    tbl            text   NOT NULL,
    pk             uuid,
    -- msgpack map of column to value.
    image          bytea  NOT NULL,
    reason         text   NOT NULL,
    first_at_ms    bigint NOT NULL,
    resolved_at_ms bigint,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX sync_quarantine_open ON sync_quarantine (school_id, tbl) WHERE resolved_at_ms IS NULL;

-- Where two images of one row met from two epochs: the one that did not stay current.
CREATE TABLE sync_conflict (
    school_id  uuid   NOT NULL,
    id         uuid   NOT NULL,
    tbl        bigint NOT NULL,
    pk         uuid   NOT NULL,
    -- msgpack map of column to value.
    image      bytea  NOT NULL,
    row_hash   bytea  NOT NULL,
    src_epoch  uuid   NOT NULL,
    kept_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, id)
);
CREATE INDEX sync_conflict_row ON sync_conflict (school_id, tbl, pk);

-- The newest change each epoch wrote: whether a node has anything to pull is one lookup.
CREATE TABLE sync_feed_head (
    school_id     uuid   NOT NULL,
    src_epoch     uuid   NOT NULL,
    max_change_no bigint NOT NULL,
    PRIMARY KEY (school_id, src_epoch)
);

-- Staff of the district; secrets of a school's people never leave their box.
CREATE TABLE credential (
    school_id    uuid   NOT NULL,
    person_id    uuid   NOT NULL,
    kind         text   NOT NULL CHECK (kind IN ('password')),
    sign_in_name text   NOT NULL CHECK (length(sign_in_name) BETWEEN 1 AND 60),
    secret_hash  bytea  NOT NULL,
    PRIMARY KEY (school_id, person_id, kind)
);
CREATE UNIQUE INDEX credential_name ON credential (school_id, lower(sign_in_name));

CREATE TABLE session (
    school_id     uuid   NOT NULL,
    token_hash    bytea  NOT NULL CHECK (length(token_hash) = 32),
    person_id     uuid   NOT NULL,
    created_at_ms bigint NOT NULL,
    expires_at_ms bigint NOT NULL,
    PRIMARY KEY (school_id, token_hash)
);

-- Row security. A transaction names its school (app.school_id) and sees that school;
-- one that names its district (app.district) may also read what the district may read.
-- A transaction that names neither sees nothing. Settings are read once a statement.
CREATE FUNCTION app_school() RETURNS uuid LANGUAGE sql STABLE
    RETURN nullif(current_setting('app.school_id', true), '')::uuid;
CREATE FUNCTION app_district() RETURNS uuid LANGUAGE sql STABLE
    RETURN nullif(current_setting('app.district', true), '')::uuid;

GRANT USAGE ON SCHEMA public TO darasa_ingest, darasa_web;
GRANT EXECUTE ON FUNCTION app_school(), app_district() TO darasa_ingest, darasa_web;

DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT c.relname
          FROM pg_class AS c
          JOIN pg_attribute AS a
            ON a.attrelid = c.oid
           AND a.attname  = 'school_id'
         WHERE c.relkind      = 'r'
           AND c.relnamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (school_id = (SELECT app_school()))'
            ' WITH CHECK (school_id = (SELECT app_school()))', name);
    END LOOP;
END $$;

CREATE POLICY district ON school FOR SELECT TO darasa_ingest, darasa_web
    USING (district_id = (SELECT app_district()));

-- The district's staff read every school of the district.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'org_unit', 'person', 'role_assignment', 'class_group', 'class_member', 'course',
        'course_version', 'module', 'lesson', 'section', 'course_run', 'enrolment',
        'progress_fact', 'section_progress', 'assessment', 'submission',
        'submission_revision', 'grade', 'school_sync', 'node', 'node_epoch',
        'sync_stream', 'sync_inbox', 'sync_quarantine', 'sync_conflict', 'sync_feed_head']
    LOOP
        EXECUTE format(
            'CREATE POLICY district ON %I FOR SELECT TO darasa_web USING ('
            'school_id = (SELECT app_district()) OR school_id IN'
            ' (SELECT s.school_id FROM school AS s WHERE s.district_id = (SELECT app_district())))',
            name);
    END LOOP;
END $$;

-- A node says only its own id before it has proved who it is.
CREATE POLICY directory ON node FOR SELECT TO darasa_ingest
    USING (school_id IN (SELECT s.school_id FROM school AS s
                          WHERE s.district_id = (SELECT app_district())));

-- What each process may do. Ingest deletes nothing. It updates a fact only where two boards
-- of one school made one id twice; the image that gives way goes to sync_conflict.
GRANT SELECT, INSERT, UPDATE
   ON org_unit, person, role_assignment, class_group, class_member, course, course_version,
      module, lesson, section, course_run, enrolment, progress_fact, section_progress,
      assessment, submission, submission_revision, grade, school, school_sync, node, node_epoch,
      sync_stream, sync_inbox, sync_quarantine, sync_feed_head
   TO darasa_ingest;
GRANT SELECT, INSERT ON sync_conflict TO darasa_ingest;
GRANT SELECT, UPDATE ON enrolment_token TO darasa_ingest;
GRANT SELECT, UPDATE (incarnation) ON hub_identity TO darasa_ingest;

GRANT SELECT
   ON org_unit, person, role_assignment, class_group, class_member, course, course_version,
      module, lesson, section, course_run, enrolment, progress_fact, section_progress,
      assessment, submission, submission_revision, grade, school, school_sync, node, node_epoch,
      sync_stream, sync_inbox, sync_quarantine, sync_conflict, sync_feed_head
   TO darasa_web;
GRANT INSERT ON org_unit, person, role_assignment, school_sync TO darasa_web;
GRANT SELECT, INSERT, UPDATE ON credential, enrolment_token TO darasa_web;
GRANT SELECT, INSERT, DELETE ON session TO darasa_web;
GRANT SELECT, INSERT, UPDATE (district_id) ON hub_identity TO darasa_web;
