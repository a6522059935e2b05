-- The way down: what the district writes, and what it asks.
--
-- The hub owns announcement, setting, command, proposal_decision and erasure: only the agent
-- writes them here, silently. A box answers in facts. Rows of the other tables may be the
-- hub's too (a published course, a roster): owner_node_id says so, and a trigger keeps the
-- school's hands off them.

-- Words of the district to its schools. The hub writes them; a box shows them.
CREATE TABLE announcement (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    org_id        BLOB    NOT NULL CHECK (length(org_id) = 16),
    title         TEXT    NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    body          TEXT    NOT NULL CHECK (length(body) <= 10000),
    from_at_ms    INTEGER NOT NULL,
    until_at_ms   INTEGER,
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;

-- What the district sets for its schools; the value is canonical JSON.
CREATE TABLE setting (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    org_id        BLOB    NOT NULL CHECK (length(org_id) = 16),
    key           TEXT    NOT NULL CHECK (length(key) BETWEEN 1 AND 100),
    value         TEXT    NOT NULL CHECK (length(value) <= 10000),
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;

-- What the district asks this box to do with rows the box owns. Known by its id: a
-- rolled-back hub gives out the same numbers again, but never the same id.
CREATE TABLE command (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    org_id        BLOB    NOT NULL CHECK (length(org_id) = 16),
    kind          TEXT    NOT NULL CHECK (kind IN ('create_person', 'reset_pin', 'move_person', 'publish_course_version', 'set_due_date')),
    person_id     BLOB    CHECK (length(person_id) = 16),
    payload       TEXT    NOT NULL CHECK (length(payload) <= 10000),
    by_person_id  BLOB    NOT NULL CHECK (length(by_person_id) = 16),
    issued_at_ms  INTEGER NOT NULL,
    expires_at_ms INTEGER,
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;

-- What became of a command here. One for each command: found or created by the one writer.
CREATE TABLE command_result (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    command_id BLOB    NOT NULL CHECK (length(command_id) = 16),
    person_id  BLOB    CHECK (length(person_id) = 16),
    state      TEXT    NOT NULL CHECK (state IN ('applied', 'refused', 'expired')),
    reason     TEXT    CHECK (length(reason) <= 500),
    at_ms      INTEGER NOT NULL
) STRICT;

-- What this school would like changed in a row the district owns.
CREATE TABLE proposal (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kind         TEXT    NOT NULL CHECK (kind IN ('edit_person', 'edit_class', 'edit_enrolment', 'edit_course', 'other')),
    about_id     BLOB    CHECK (length(about_id) = 16),
    person_id    BLOB    CHECK (length(person_id) = 16),
    payload      TEXT    NOT NULL CHECK (length(payload) <= 10000),
    by_person_id BLOB    NOT NULL CHECK (length(by_person_id) = 16),
    at_ms        INTEGER NOT NULL
) STRICT;

-- What the district says to a proposal.
CREATE TABLE proposal_decision (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    proposal_id   BLOB    NOT NULL CHECK (length(proposal_id) = 16),
    state         TEXT    NOT NULL CHECK (state IN ('accepted', 'refused')),
    reason        TEXT    CHECK (length(reason) <= 500),
    at_ms         INTEGER NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;

-- People who are to be forgotten, by their id alone. A list that only grows, here and at the
-- hub: a backup, a late stick or an old board must not bring them back.
CREATE TABLE erasure (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    org_id        BLOB    NOT NULL CHECK (length(org_id) = 16),
    at_ms         INTEGER NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1),
    owner_epoch   INTEGER NOT NULL DEFAULT 0,
    owner_node_id BLOB,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER
) STRICT, WITHOUT ROWID;

-- This box has forgotten that person; how many rows that took.
CREATE TABLE erasure_answer (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    erasure_id  BLOB    NOT NULL CHECK (length(erasure_id) = 16),
    node_id     BLOB    NOT NULL CHECK (length(node_id) = 16),
    rows_erased INTEGER NOT NULL CHECK (rows_erased >= 0),
    at_ms       INTEGER NOT NULL
) STRICT;

-- A file handed in with a piece of work. The row does not wait for the content (sync_blob).
CREATE TABLE attachment (
    id                     BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    submission_revision_id BLOB    NOT NULL REFERENCES submission_revision (id),
    person_id              BLOB    NOT NULL REFERENCES person (id),
    name                   TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    mime                   TEXT    NOT NULL CHECK (length(mime) BETWEEN 1 AND 100),
    size_bytes             INTEGER NOT NULL CHECK (size_bytes >= 0),
    sha256                 BLOB    NOT NULL CHECK (length(sha256) = 32),
    saved_at_ms            INTEGER NOT NULL
) STRICT;

-- How this box is, a few times a day. Lane 1: the first to wait and the first to be dropped.
CREATE TABLE health_sample (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    at_ms           INTEGER NOT NULL,
    clock_quality   INTEGER NOT NULL CHECK (clock_quality BETWEEN 0 AND 3),
    disk_free_bytes INTEGER NOT NULL,
    database_bytes  INTEGER NOT NULL,
    wal_bytes       INTEGER NOT NULL,
    memory_bytes    INTEGER NOT NULL,
    temperature_mc  INTEGER,
    clients_max     INTEGER NOT NULL
) STRICT;

CREATE INDEX command_result_command ON command_result (command_id);
CREATE INDEX proposal_decision_proposal ON proposal_decision (proposal_id);
CREATE INDEX erasure_answer_erasure ON erasure_answer (erasure_id);
CREATE INDEX attachment_revision ON attachment (submission_revision_id);
CREATE INDEX attachment_person ON attachment (person_id);
CREATE INDEX attachment_content ON attachment (sha256);

-- How far this box has read each scope (its school, its district) of what the hub writes:
-- the hub's incarnation, its PostgreSQL (a promoted replica is another one) and the place
-- in the feed. A page and its cursor are one transaction.
CREATE TABLE sync_scope (
    scope_id          BLOB    NOT NULL PRIMARY KEY CHECK (length(scope_id) = 16),
    incarnation       BLOB    CHECK (length(incarnation) = 16),
    system_identifier TEXT    NOT NULL DEFAULT '',
    timeline          INTEGER NOT NULL DEFAULT 0,
    xid               INTEGER NOT NULL DEFAULT 0,
    feed_no           INTEGER NOT NULL DEFAULT 0,
    -- 1 while the scope is read from the beginning; what it does not bring is gone then.
    replacing         INTEGER NOT NULL DEFAULT 1 CHECK (replacing IN (0, 1)),
    read_at_ms        INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE sync_seen (
    scope_id BLOB    NOT NULL,
    tbl      INTEGER NOT NULL,
    pk       BLOB    NOT NULL,
    PRIMARY KEY (scope_id, tbl, pk)
) STRICT, WITHOUT ROWID;

-- Rows of tables that only a later release has, as they came: replayed after its migration.
CREATE TABLE sync_parked (
    scope_id   BLOB    NOT NULL,
    tbl        TEXT    NOT NULL,
    pk         BLOB    NOT NULL,
    image      BLOB    NOT NULL,
    came_at_ms INTEGER NOT NULL,
    PRIMARY KEY (scope_id, tbl, pk)
) STRICT, WITHOUT ROWID;

-- Below: printed by `python -m sync.capture`.

CREATE TRIGGER announcement_captured AFTER INSERT ON announcement   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 18, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER announcement_recaptured AFTER UPDATE ON announcement   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 18, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER announcement_versioned BEFORE UPDATE ON announcement
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'announcement: an update keeps the id and raises the version');
END;
CREATE TRIGGER announcement_owned BEFORE UPDATE ON announcement
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'announcement: the district owns this row');
END;
CREATE TRIGGER announcement_undeletable BEFORE DELETE ON announcement
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'announcement: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER setting_captured AFTER INSERT ON setting   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 19, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER setting_recaptured AFTER UPDATE ON setting   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 19, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER setting_versioned BEFORE UPDATE ON setting
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'setting: an update keeps the id and raises the version');
END;
CREATE TRIGGER setting_owned BEFORE UPDATE ON setting
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'setting: the district owns this row');
END;
CREATE TRIGGER setting_undeletable BEFORE DELETE ON setting
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'setting: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER command_captured AFTER INSERT ON command   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 20, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER command_recaptured AFTER UPDATE ON command   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 20, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER command_versioned BEFORE UPDATE ON command
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'command: an update keeps the id and raises the version');
END;
CREATE TRIGGER command_owned BEFORE UPDATE ON command
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'command: the district owns this row');
END;
CREATE TRIGGER command_undeletable BEFORE DELETE ON command
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'command: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER command_result_captured AFTER INSERT ON command_result BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 21, NEW.id, 0, 1, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER command_result_replaced AFTER UPDATE ON command_result BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 21, NEW.id, 0, 1, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER command_result_kept BEFORE UPDATE ON command_result
  WHEN NEW.id IS NOT OLD.id OR NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'command_result: a fact is never changed');
END;
CREATE TRIGGER command_result_undeletable BEFORE DELETE ON command_result
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'command_result: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER proposal_captured AFTER INSERT ON proposal BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 22, NEW.id, 0, 1, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER proposal_replaced AFTER UPDATE ON proposal BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 22, NEW.id, 0, 1, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER proposal_kept BEFORE UPDATE ON proposal
  WHEN NEW.id IS NOT OLD.id OR NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'proposal: a fact is never changed');
END;
CREATE TRIGGER proposal_undeletable BEFORE DELETE ON proposal
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'proposal: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER proposal_decision_captured AFTER INSERT ON proposal_decision   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 23, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER proposal_decision_recaptured AFTER UPDATE ON proposal_decision   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 23, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER proposal_decision_versioned BEFORE UPDATE ON proposal_decision
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'proposal_decision: an update keeps the id and raises the version');
END;
CREATE TRIGGER proposal_decision_owned BEFORE UPDATE ON proposal_decision
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'proposal_decision: the district owns this row');
END;
CREATE TRIGGER proposal_decision_undeletable BEFORE DELETE ON proposal_decision
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'proposal_decision: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER erasure_captured AFTER INSERT ON erasure   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 24, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER erasure_recaptured AFTER UPDATE ON erasure   WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id) BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 24, NEW.id, 0, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER erasure_versioned BEFORE UPDATE ON erasure
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'erasure: an update keeps the id and raises the version');
END;
CREATE TRIGGER erasure_owned BEFORE UPDATE ON erasure
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'erasure: the district owns this row');
END;
CREATE TRIGGER erasure_undeletable BEFORE DELETE ON erasure
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'erasure: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER erasure_answer_captured AFTER INSERT ON erasure_answer BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 25, NEW.id, 0, 1, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER erasure_answer_replaced AFTER UPDATE ON erasure_answer BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 25, NEW.id, 0, 1, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER erasure_answer_kept BEFORE UPDATE ON erasure_answer
  WHEN NEW.id IS NOT OLD.id OR NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'erasure_answer: a fact is never changed');
END;
CREATE TRIGGER erasure_answer_undeletable BEFORE DELETE ON erasure_answer
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'erasure_answer: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER attachment_captured AFTER INSERT ON attachment BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 26, NEW.id, 0, 0, NEW.saved_at_ms / 86400000, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER attachment_replaced AFTER UPDATE ON attachment BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 26, NEW.id, 0, 0, NEW.saved_at_ms / 86400000, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER attachment_kept BEFORE UPDATE ON attachment
  WHEN NEW.id IS NOT OLD.id OR NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'attachment: a fact is never changed');
END;
CREATE TRIGGER attachment_undeletable BEFORE DELETE ON attachment
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'attachment: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER health_sample_captured AFTER INSERT ON health_sample BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 27, NEW.id, 1, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER health_sample_replaced AFTER UPDATE ON health_sample BEGIN
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT 27, NEW.id, 1, 2, 0, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;
END;
CREATE TRIGGER health_sample_kept BEFORE UPDATE ON health_sample
  WHEN NEW.id IS NOT OLD.id OR NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'health_sample: a fact is never changed');
END;
CREATE TRIGGER health_sample_undeletable BEFORE DELETE ON health_sample
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, 'health_sample: deleting is an update of deleted_at_ms');
END;

CREATE TRIGGER org_unit_owned BEFORE UPDATE ON org_unit
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'org_unit: the district owns this row');
END;

CREATE TRIGGER person_owned BEFORE UPDATE ON person
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'person: the district owns this row');
END;

CREATE TRIGGER role_assignment_owned BEFORE UPDATE ON role_assignment
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'role_assignment: the district owns this row');
END;

CREATE TRIGGER class_group_owned BEFORE UPDATE ON class_group
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'class_group: the district owns this row');
END;

CREATE TRIGGER class_member_owned BEFORE UPDATE ON class_member
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'class_member: the district owns this row');
END;

CREATE TRIGGER course_owned BEFORE UPDATE ON course
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'course: the district owns this row');
END;

CREATE TRIGGER course_version_owned BEFORE UPDATE ON course_version
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'course_version: the district owns this row');
END;

CREATE TRIGGER module_owned BEFORE UPDATE ON module
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'module: the district owns this row');
END;

CREATE TRIGGER lesson_owned BEFORE UPDATE ON lesson
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'lesson: the district owns this row');
END;

CREATE TRIGGER section_owned BEFORE UPDATE ON section
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'section: the district owns this row');
END;

CREATE TRIGGER course_run_owned BEFORE UPDATE ON course_run
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'course_run: the district owns this row');
END;

CREATE TRIGGER enrolment_owned BEFORE UPDATE ON enrolment
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'enrolment: the district owns this row');
END;

CREATE TRIGGER assessment_owned BEFORE UPDATE ON assessment
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'assessment: the district owns this row');
END;

CREATE TRIGGER submission_owned BEFORE UPDATE ON submission
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, 'submission: the district owns this row');
END;
