-- The change log: who this node is, what waits, what was sealed and what the hub has.
--
-- Triggers note changed keys in sync_dirty; the agent seals the rows' present images into
-- numbered, hash-chained segments. Nothing here is ever sent as a row.

-- One row, made by the claim (or by taking over an existing school). Without it no
-- synced row can be written: the triggers refuse.
CREATE TABLE sync_identity (
    id            INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    node_id       BLOB    NOT NULL CHECK (length(node_id) = 16),
    school_id     BLOB    NOT NULL CHECK (length(school_id) = 16),
    epoch         BLOB    NOT NULL CHECK (length(epoch) = 16),
    -- Numbers the changes on this card; orders sealing, compared with nobody's.
    seq           INTEGER NOT NULL DEFAULT 0,
    -- 1 only inside the agent's transaction that applies rows from the hub.
    applying      INTEGER NOT NULL DEFAULT 0 CHECK (applying IN (0, 1)),
    hub_id        BLOB    CHECK (length(hub_id) = 16),
    hub_key       BLOB    CHECK (length(hub_key) = 32),
    hub_url       TEXT,
    incarnation   BLOB    CHECK (length(incarnation) = 16),
    -- A new epoch owes two things before anything is sealed: rows marked, rows fetched.
    recovery_due  INTEGER NOT NULL DEFAULT 0 CHECK (recovery_due IN (0, 1)),
    remark_tbl    INTEGER,
    remark_pk     BLOB,
    -- How far the school's own rows, written under other epochs, have been fetched.
    self_cursor   INTEGER NOT NULL DEFAULT 0,
    -- The highest receipt the hub signed for this node, and its number.
    receipt       BLOB,
    receipt_no    INTEGER NOT NULL DEFAULT 0,
    contact_at_ms INTEGER,
    contact_error TEXT
) STRICT;

-- The streams of the present epoch; earlier epochs live on in sync_chain.
CREATE TABLE sync_stream (
    lane        INTEGER NOT NULL,
    epoch       BLOB    NOT NULL CHECK (length(epoch) = 16),
    cur_n       INTEGER NOT NULL DEFAULT 0,
    cur_hash    BLOB    NOT NULL CHECK (length(cur_hash) = 32),
    trimmed_n   INTEGER NOT NULL DEFAULT 0,
    received_n  INTEGER NOT NULL DEFAULT 0,
    applied_n   INTEGER NOT NULL DEFAULT 0,
    incarnation BLOB    CHECK (length(incarnation) = 16),
    PRIMARY KEY (lane, epoch),
    CHECK (trimmed_n <= applied_n AND applied_n <= received_n AND received_n <= cur_n)
) STRICT, WITHOUT ROWID;

-- Keys of rows changed since they were last sealed; since_ms is the first such change.
CREATE TABLE sync_dirty (
    tbl      INTEGER NOT NULL,
    pk       BLOB    NOT NULL,
    lane     INTEGER NOT NULL,
    rank     INTEGER NOT NULL,
    day      INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (tbl, pk)
) STRICT, WITHOUT ROWID;
-- The order of sealing: hand-ins and marks first, newest school day first, then facts, then the rest.
CREATE INDEX sync_dirty_order ON sync_dirty (lane, rank, day DESC, seq);

-- Every segment ever sealed, kept for ever (about 100 bytes each): hello is judged by it.
CREATE TABLE sync_chain (
    lane         INTEGER NOT NULL,
    epoch        BLOB    NOT NULL,
    n            INTEGER NOT NULL,
    hash         BLOB    NOT NULL CHECK (length(hash) = 32),
    rows         INTEGER NOT NULL,
    size_bytes   INTEGER NOT NULL,
    sealed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (lane, epoch, n)
) STRICT, WITHOUT ROWID;

-- Payloads, until the hub has applied them and they are old.
CREATE TABLE sync_segment (
    lane    INTEGER NOT NULL,
    epoch   BLOB    NOT NULL,
    n       INTEGER NOT NULL,
    payload BLOB    NOT NULL,
    PRIMARY KEY (lane, epoch, n)
) STRICT;

-- Which segment carries a row that somebody holds a receipt for.
CREATE TABLE sync_custody (
    tbl     INTEGER NOT NULL,
    pk      BLOB    NOT NULL,
    version INTEGER NOT NULL,
    lane    INTEGER NOT NULL,
    epoch   BLOB    NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (tbl, pk)
) STRICT, WITHOUT ROWID;

-- Rows the hub has put aside, as of the last hello.
CREATE TABLE sync_exception (
    tbl    INTEGER NOT NULL,
    pk     BLOB    NOT NULL,
    reason TEXT    NOT NULL,
    PRIMARY KEY (tbl, pk)
) STRICT, WITHOUT ROWID;

-- Images that met a later one from another epoch. Append-only; staff can see and restore them.
CREATE TABLE sync_conflict (
    id         INTEGER NOT NULL PRIMARY KEY,
    tbl        INTEGER NOT NULL,
    pk         BLOB    NOT NULL,
    row_hash   BLOB    NOT NULL CHECK (length(row_hash) = 32),
    image      BLOB    NOT NULL,
    src_epoch  BLOB    NOT NULL,
    kept_at_ms INTEGER NOT NULL
) STRICT;
-- The same image meets again after every recovery; it is kept once.
CREATE UNIQUE INDEX sync_conflict_image ON sync_conflict (tbl, pk, row_hash);

-- A projection: both sides compute it from progress_fact (sync/projections.py).
CREATE TRIGGER progress_fact_projected AFTER INSERT ON progress_fact BEGIN
  INSERT INTO section_progress (enrolment_id, section_id, percent)
  VALUES (NEW.enrolment_id, NEW.section_id, NEW.percent)
      ON CONFLICT (enrolment_id, section_id) DO UPDATE
     SET percent = excluded.percent
   WHERE excluded.percent > section_progress.percent;
END;

-- What the hub said when it refused the token; the keeper reads it on the district page.
ALTER TABLE hub_enrolment ADD COLUMN error TEXT;

-- Below: printed by `python -m sync.capture`.

CREATE TRIGGER org_unit_captured AFTER INSERT ON org_unit   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 1, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER org_unit_recaptured AFTER UPDATE ON org_unit   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 1, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER org_unit_versioned BEFORE UPDATE ON org_unit
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'org_unit: an update keeps the id and raises the version');
END;
CREATE TRIGGER org_unit_undeletable BEFORE DELETE ON org_unit
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'org_unit: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER person_captured AFTER INSERT ON person   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 2, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER person_recaptured AFTER UPDATE ON person   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 2, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER person_versioned BEFORE UPDATE ON person
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'person: an update keeps the id and raises the version');
END;
CREATE TRIGGER person_undeletable BEFORE DELETE ON person
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'person: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER role_assignment_captured AFTER INSERT ON role_assignment   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 3, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER role_assignment_recaptured AFTER UPDATE ON role_assignment   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 3, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER role_assignment_versioned BEFORE UPDATE ON role_assignment
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'role_assignment: an update keeps the id and raises the version');
END;
CREATE TRIGGER role_assignment_undeletable BEFORE DELETE ON role_assignment
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'role_assignment: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER class_group_captured AFTER INSERT ON class_group   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 4, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER class_group_recaptured AFTER UPDATE ON class_group   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 4, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER class_group_versioned BEFORE UPDATE ON class_group
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'class_group: an update keeps the id and raises the version');
END;
CREATE TRIGGER class_group_undeletable BEFORE DELETE ON class_group
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'class_group: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER class_member_captured AFTER INSERT ON class_member   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 5, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER class_member_recaptured AFTER UPDATE ON class_member   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 5, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER class_member_versioned BEFORE UPDATE ON class_member
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'class_member: an update keeps the id and raises the version');
END;
CREATE TRIGGER class_member_undeletable BEFORE DELETE ON class_member
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'class_member: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER course_captured AFTER INSERT ON course   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 6, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER course_recaptured AFTER UPDATE ON course   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 6, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER course_versioned BEFORE UPDATE ON course
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'course: an update keeps the id and raises the version');
END;
CREATE TRIGGER course_undeletable BEFORE DELETE ON course
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'course: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER course_version_captured AFTER INSERT ON course_version   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 7, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER course_version_recaptured AFTER UPDATE ON course_version   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 7, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER course_version_versioned BEFORE UPDATE ON course_version
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'course_version: an update keeps the id and raises the version');
END;
CREATE TRIGGER course_version_undeletable BEFORE DELETE ON course_version
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'course_version: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER module_captured AFTER INSERT ON module   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 8, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER module_recaptured AFTER UPDATE ON module   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 8, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER module_versioned BEFORE UPDATE ON module
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'module: an update keeps the id and raises the version');
END;
CREATE TRIGGER module_undeletable BEFORE DELETE ON module
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'module: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER lesson_captured AFTER INSERT ON lesson   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 9, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER lesson_recaptured AFTER UPDATE ON lesson   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 9, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER lesson_versioned BEFORE UPDATE ON lesson
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'lesson: an update keeps the id and raises the version');
END;
CREATE TRIGGER lesson_undeletable BEFORE DELETE ON lesson
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'lesson: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER section_captured AFTER INSERT ON section   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 10, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER section_recaptured AFTER UPDATE ON section   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 10, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER section_versioned BEFORE UPDATE ON section
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'section: an update keeps the id and raises the version');
END;
CREATE TRIGGER section_undeletable BEFORE DELETE ON section
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'section: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER course_run_captured AFTER INSERT ON course_run   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 11, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER course_run_recaptured AFTER UPDATE ON course_run   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 11, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER course_run_versioned BEFORE UPDATE ON course_run
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'course_run: an update keeps the id and raises the version');
END;
CREATE TRIGGER course_run_undeletable BEFORE DELETE ON course_run
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'course_run: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER enrolment_captured AFTER INSERT ON enrolment   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 12, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER enrolment_recaptured AFTER UPDATE ON enrolment   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 12, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER enrolment_versioned BEFORE UPDATE ON enrolment
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'enrolment: an update keeps the id and raises the version');
END;
CREATE TRIGGER enrolment_undeletable BEFORE DELETE ON enrolment
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'enrolment: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER progress_fact_captured AFTER INSERT ON progress_fact BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 13, NEW.id, 0, 1, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER progress_fact_replaced AFTER UPDATE ON progress_fact BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 13, NEW.id, 0, 1, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER progress_fact_kept BEFORE UPDATE ON progress_fact
  WHEN NEW.id IS NOT OLD.id OR NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'progress_fact: a fact is never changed');
END;
CREATE TRIGGER progress_fact_undeletable BEFORE DELETE ON progress_fact
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'progress_fact: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER assessment_captured AFTER INSERT ON assessment   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 14, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER assessment_recaptured AFTER UPDATE ON assessment   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 14, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER assessment_versioned BEFORE UPDATE ON assessment
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'assessment: an update keeps the id and raises the version');
END;
CREATE TRIGGER assessment_undeletable BEFORE DELETE ON assessment
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'assessment: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER submission_captured AFTER INSERT ON submission   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 15, NEW.id, 0, 0, NEW.submitted_at_ms / 86400000, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER submission_recaptured AFTER UPDATE ON submission   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 15, NEW.id, 0, 0, NEW.submitted_at_ms / 86400000, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER submission_versioned BEFORE UPDATE ON submission
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'submission: an update keeps the id and raises the version');
END;
CREATE TRIGGER submission_undeletable BEFORE DELETE ON submission
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'submission: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER submission_revision_captured AFTER INSERT ON submission_revision BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 16, NEW.id, 0, 0, NEW.saved_at_ms / 86400000, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER submission_revision_replaced AFTER UPDATE ON submission_revision BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 16, NEW.id, 0, 0, NEW.saved_at_ms / 86400000, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER submission_revision_kept BEFORE UPDATE ON submission_revision
  WHEN NEW.id IS NOT OLD.id OR NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'submission_revision: a fact is never changed');
END;
CREATE TRIGGER submission_revision_undeletable BEFORE DELETE ON submission_revision
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'submission_revision: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER grade_captured AFTER INSERT ON grade BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 17, NEW.id, 0, 0, NEW.graded_at_ms / 86400000, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER grade_replaced AFTER UPDATE ON grade BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 17, NEW.id, 0, 0, NEW.graded_at_ms / 86400000, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER grade_kept BEFORE UPDATE ON grade
  WHEN NEW.id IS NOT OLD.id OR NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'grade: a fact is never changed');
END;
CREATE TRIGGER grade_undeletable BEFORE DELETE ON grade
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'grade: deleting is an update of deleted_at_ms');
END;
