-- What the last comparison with the district found, and who has looked at two versions of a row.

-- One line for each table that was compared; rows are the school's own. `agreed_no` counts the
-- district's changes of this school: up to there, both said the same when they last agreed.
CREATE TABLE sync_check (
    tbl           INTEGER NOT NULL PRIMARY KEY,
    rows          INTEGER NOT NULL,
    different     INTEGER NOT NULL,
    repaired      INTEGER NOT NULL,
    -- Different for a reason that is shown elsewhere: it waits, or the district put it aside.
    explained     INTEGER NOT NULL,
    looked_at_ms  INTEGER NOT NULL,
    agreed_at_ms  INTEGER,
    agreed_no     INTEGER
) STRICT;

-- 1: somebody asked, the log's lineage was left, or nothing was ever compared.
ALTER TABLE sync_identity ADD COLUMN check_due INTEGER NOT NULL DEFAULT 1
      CHECK (check_due IN (0, 1));

-- Staff have looked at an image in sync_conflict: left it beside the present one, or put it back.
CREATE TABLE conflict_look (
    tbl          INTEGER NOT NULL,
    pk           BLOB    NOT NULL CHECK (length(pk) = 16),
    row_hash     BLOB    NOT NULL CHECK (length(row_hash) = 32),
    outcome      TEXT    NOT NULL CHECK (outcome IN ('left', 'restored')),
    by_person_id BLOB    NOT NULL CHECK (length(by_person_id) = 16),
    at_ms        INTEGER NOT NULL,
    -- What was in use until the restore, as a msgpack map: nobody overwrites without a way back.
    replaced     BLOB,
    PRIMARY KEY (tbl, pk, row_hash)
) STRICT, WITHOUT ROWID;

-- The list of exceptions that hello brings has an end. An exception with an empty key stands
-- for every row of its table that was not listed: none of them may be called safe.
DROP VIEW receipt;
CREATE VIEW receipt AS
SELECT v.id AS revision_id, v.submission_id, v.person_id, s.assessment_id, a.title,
       s.attempt_no, v.rev, v.content_hash, v.saved_at_ms, a.due_at_ms, s.clock_quality,
       CASE WHEN x.reason IS NOT NULL AND x.reason <> 'conflict' THEN 'box'
            WHEN x.reason = 'conflict'                           THEN 'district_conflict'
            WHEN d.pk IS NULL
             AND c.n <= t.applied_n
             AND t.incarnation = i.incarnation
             AND unlisted.pk IS NULL                             THEN 'district'
            ELSE 'box'
       END AS custody_level,
       i.contact_at_ms
  FROM submission_revision AS v
  JOIN submission AS s
    ON s.id = v.submission_id
  JOIN assessment AS a
    ON a.id = s.assessment_id
  LEFT JOIN sync_identity AS i
    ON i.id = 1
  LEFT JOIN sync_dirty AS d
    ON d.tbl = 16
   AND d.pk = v.id
  LEFT JOIN sync_custody AS c
    ON c.tbl = 16
   AND c.pk = v.id
  LEFT JOIN sync_stream AS t
    ON t.lane = c.lane
   AND t.epoch = c.epoch
  LEFT JOIN sync_exception AS x
    ON x.tbl = 16
   AND x.pk = v.id
  LEFT JOIN sync_exception AS unlisted
    ON unlisted.tbl = 16
   AND unlisted.pk = x'';
