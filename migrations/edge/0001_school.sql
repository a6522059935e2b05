-- The school: people, classes, courses, tasks, hand-ins and marks.
--
-- Synced mutable tables end in the same five columns (version, owner_epoch,
-- owner_node_id, updated_at_ms, deleted_at_ms); facts have none of them and
-- refuse UPDATE. Natural keys are plain indexes: a UNIQUE could block the rows
-- of a restored or cloned box, and the single writer keeps them single.

CREATE TABLE org_unit (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    parent_id     BLOB             REFERENCES org_unit (id),
    kind          TEXT    NOT NULL CHECK (kind IN ('country', 'region', 'district', 'school')),
    name          TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    locale        TEXT    NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX org_unit_parent ON org_unit (parent_id);

CREATE TABLE person (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    org_id        BLOB    NOT NULL REFERENCES org_unit (id),
    display_name  TEXT    NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    given_name    TEXT,
    family_name   TEXT,
    grade_level   TEXT,
    student_no    TEXT,
    -- The id another register gave this person (OneRoster sourcedId): the same
    -- file read twice must find the same people.
    source_id     TEXT,
    locale        TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('invited', 'active', 'suspended', 'archived', 'erased')),
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX person_org ON person (org_id, display_name);
CREATE INDEX person_source ON person (source_id) WHERE source_id IS NOT NULL;

CREATE TABLE role_assignment (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    person_id     BLOB    NOT NULL REFERENCES person (id),
    role          TEXT    NOT NULL CHECK (role IN ('learner', 'teacher', 'school_admin', 'district_admin')),
    scope_kind    TEXT    NOT NULL CHECK (scope_kind IN ('org', 'class_group')),
    scope_id      BLOB    NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX role_assignment_person ON role_assignment (person_id);
CREATE INDEX role_assignment_scope ON role_assignment (scope_id, role);

CREATE TABLE class_group (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    org_id        BLOB    NOT NULL REFERENCES org_unit (id),
    name          TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    grade_level   TEXT,
    source_id     TEXT,
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX class_group_org ON class_group (org_id, name);

CREATE TABLE class_member (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    class_group_id BLOB    NOT NULL REFERENCES class_group (id),
    person_id      BLOB    NOT NULL REFERENCES person (id),
    version        INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch    INTEGER NOT NULL DEFAULT 0,
    owner_node_id  BLOB,
    updated_at_ms  INTEGER NOT NULL,
    deleted_at_ms  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX class_member_class ON class_member (class_group_id, person_id);
CREATE INDEX class_member_person ON class_member (person_id);

CREATE TABLE course (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    org_id        BLOB    NOT NULL REFERENCES org_unit (id),
    code          TEXT    NOT NULL CHECK (length(code) BETWEEN 1 AND 100),
    title         TEXT    NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    language      TEXT    NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX course_org ON course (org_id, code);

-- Published content is immutable: an edit makes a new course_version, and a run
-- stays on the one it was started with, so marks already earned never move.
CREATE TABLE course_version (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    course_id     BLOB    NOT NULL REFERENCES course (id),
    number        INTEGER NOT NULL CHECK (number >= 1),
    state         TEXT    NOT NULL CHECK (state IN ('draft', 'in_review', 'published', 'superseded', 'withdrawn')),
    content_hash  BLOB    NOT NULL CHECK (length(content_hash) = 32),
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX course_version_course ON course_version (course_id, number);

CREATE TABLE module (
    id                BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    course_version_id BLOB    NOT NULL REFERENCES course_version (id),
    title             TEXT    NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    rank              INTEGER NOT NULL,
    version           INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch       INTEGER NOT NULL DEFAULT 0,
    owner_node_id     BLOB,
    updated_at_ms     INTEGER NOT NULL,
    deleted_at_ms     INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX module_course_version ON module (course_version_id, rank);

CREATE TABLE lesson (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    module_id     BLOB    NOT NULL REFERENCES module (id),
    title         TEXT    NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    rank          INTEGER NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX lesson_module ON lesson (module_id, rank);

-- body is Markdown, rendered with raw HTML switched off.
CREATE TABLE section (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    lesson_id     BLOB    NOT NULL REFERENCES lesson (id),
    title         TEXT    NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    rank          INTEGER NOT NULL,
    body          TEXT    NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT;
CREATE INDEX section_lesson ON section (lesson_id, rank);

CREATE TABLE course_run (
    id                BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    org_id            BLOB    NOT NULL REFERENCES org_unit (id),
    course_version_id BLOB    NOT NULL REFERENCES course_version (id),
    class_group_id    BLOB    NOT NULL REFERENCES class_group (id),
    state             TEXT    NOT NULL CHECK (state IN ('planned', 'running', 'ended', 'archived')),
    version           INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch       INTEGER NOT NULL DEFAULT 0,
    owner_node_id     BLOB,
    updated_at_ms     INTEGER NOT NULL,
    deleted_at_ms     INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX course_run_class ON course_run (class_group_id);
CREATE INDEX course_run_course_version ON course_run (course_version_id);
CREATE INDEX course_run_org ON course_run (org_id);

CREATE TABLE enrolment (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    course_run_id BLOB    NOT NULL REFERENCES course_run (id),
    person_id     BLOB    NOT NULL REFERENCES person (id),
    state         TEXT    NOT NULL CHECK (state IN ('invited', 'active', 'suspended', 'completed', 'withdrawn', 'transferred')),
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX enrolment_run ON enrolment (course_run_id, person_id);
CREATE INDEX enrolment_person ON enrolment (person_id);

-- What a phone saw happen; the phone mints the id, so a repeat changes nothing.
CREATE TABLE progress_fact (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    enrolment_id  BLOB    NOT NULL REFERENCES enrolment (id),
    section_id    BLOB    NOT NULL REFERENCES section (id),
    person_id     BLOB    NOT NULL REFERENCES person (id),
    percent       INTEGER NOT NULL CHECK (percent BETWEEN 0 AND 100),
    at_ms         INTEGER NOT NULL,
    clock_quality INTEGER NOT NULL CHECK (clock_quality BETWEEN 0 AND 3)
) STRICT, WITHOUT ROWID;
-- No index but the key: facts are the largest table, and the one question asked
-- of them (where is this learner in this section?) is answered by the projection.

-- A projection of progress_fact (sync/projections.py); never sent, never lowered.
CREATE TABLE section_progress (
    enrolment_id BLOB    NOT NULL,
    section_id   BLOB    NOT NULL,
    percent      INTEGER NOT NULL CHECK (percent BETWEEN 0 AND 100),
    PRIMARY KEY (enrolment_id, section_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE assessment (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    course_run_id BLOB    NOT NULL REFERENCES course_run (id),
    kind          TEXT    NOT NULL CHECK (kind IN ('assignment')),
    title         TEXT    NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    instructions  TEXT    NOT NULL,
    due_at_ms     INTEGER,
    points_max_mp INTEGER NOT NULL CHECK (points_max_mp BETWEEN 0 AND 1000000),
    attempts_max  INTEGER NOT NULL CHECK (attempts_max BETWEEN 1 AND 100),
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX assessment_run ON assessment (course_run_id);

CREATE TABLE submission (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    assessment_id   BLOB    NOT NULL REFERENCES assessment (id),
    person_id       BLOB    NOT NULL REFERENCES person (id),
    attempt_no      INTEGER NOT NULL CHECK (attempt_no >= 1),
    state           TEXT    NOT NULL CHECK (state IN ('submitted', 'in_grading', 'graded', 'returned', 'withdrawn', 'void')),
    submitted_at_ms INTEGER NOT NULL,
    late_ms         INTEGER NOT NULL CHECK (late_ms >= 0),
    clock_quality   INTEGER NOT NULL CHECK (clock_quality BETWEEN 0 AND 3),
    version         INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch     INTEGER NOT NULL DEFAULT 0,
    owner_node_id   BLOB,
    updated_at_ms   INTEGER NOT NULL,
    deleted_at_ms   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX submission_assessment ON submission (assessment_id, person_id, attempt_no);
CREATE INDEX submission_person ON submission (person_id);

-- Every hand-in is kept, also the second one from another phone.
CREATE TABLE submission_revision (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    submission_id BLOB    NOT NULL REFERENCES submission (id),
    person_id     BLOB    NOT NULL REFERENCES person (id),
    rev           INTEGER NOT NULL CHECK (rev >= 1),
    body          TEXT    NOT NULL,
    content_hash  BLOB    NOT NULL CHECK (length(content_hash) = 32),
    saved_at_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX submission_revision_submission ON submission_revision (submission_id, rev);
CREATE INDEX submission_revision_person ON submission_revision (person_id);

-- One act of marking: points and words. The learner sees released rows only.
CREATE TABLE grade (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    submission_id BLOB    NOT NULL REFERENCES submission (id),
    person_id     BLOB    NOT NULL REFERENCES person (id),
    seq           INTEGER NOT NULL CHECK (seq >= 1),
    points_mp     INTEGER NOT NULL CHECK (points_mp >= 0),
    comment       TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('provisional', 'released')),
    by_person_id  BLOB    NOT NULL REFERENCES person (id),
    graded_at_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX grade_submission ON grade (submission_id, seq);
CREATE INDEX grade_person ON grade (person_id);
CREATE INDEX grade_by_person ON grade (by_person_id);

-- Below: private to this box, never sent (see sync/registry.py NOT_SYNCED).

CREATE TABLE credential (
    person_id    BLOB    NOT NULL REFERENCES person (id),
    kind         TEXT    NOT NULL CHECK (kind IN ('pin', 'password')),
    sign_in_name TEXT    COLLATE NOCASE UNIQUE,
    secret_hash  BLOB    NOT NULL,
    failed       INTEGER NOT NULL DEFAULT 0 CHECK (failed >= 0),
    PRIMARY KEY (person_id, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    token_hash    BLOB    NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    person_id     BLOB    NOT NULL REFERENCES person (id),
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_person ON session (person_id);
CREATE INDEX session_expires ON session (expires_at_ms);

-- What a pupil has typed and not yet handed in. The phone numbers its edits, so
-- a late, older autosave never replaces newer text.
CREATE TABLE submission_draft (
    revision_id   BLOB    NOT NULL PRIMARY KEY CHECK (length(revision_id) = 16),
    assessment_id BLOB    NOT NULL REFERENCES assessment (id),
    person_id     BLOB    NOT NULL REFERENCES person (id),
    edit_no       INTEGER NOT NULL CHECK (edit_no >= 1),
    body          TEXT    NOT NULL,
    saved_at_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX submission_draft_assessment ON submission_draft (assessment_id, person_id);
CREATE INDEX submission_draft_person ON submission_draft (person_id);

CREATE TABLE job_run (
    id            INTEGER NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('ok', 'skipped', 'failed')),
    started_at_ms INTEGER NOT NULL,
    took_ms       INTEGER NOT NULL,
    effect        TEXT    NOT NULL
) STRICT;
CREATE INDEX job_run_name ON job_run (name, started_at_ms);

-- What the keeper asked for when joining a district; the agent answers in sync_identity.
CREATE TABLE hub_enrolment (
    id              INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    hub_url         TEXT    NOT NULL,
    token           TEXT    NOT NULL,
    requested_at_ms INTEGER NOT NULL
) STRICT;
