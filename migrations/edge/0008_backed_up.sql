-- How far a restored and verified backup of the district's hub holds each stream.

ALTER TABLE sync_stream ADD COLUMN backed_up_n INTEGER NOT NULL DEFAULT 0;

DROP VIEW receipt;
-- As in 0007, and one place more: "district_backup" needs all that "district" needs.
CREATE VIEW receipt AS
SELECT v.id AS revision_id, v.submission_id, v.person_id, s.assessment_id, a.title,
       s.attempt_no, v.rev, v.content_hash, v.saved_at_ms, a.due_at_ms, s.clock_quality,
       CASE WHEN x.reason IS NOT NULL AND x.reason <> 'conflict' THEN 'box'
            WHEN x.reason = 'conflict'                           THEN 'district_conflict'
            WHEN d.pk IS NULL
             AND unlisted.pk IS NULL
             AND c.n <= t.applied_n
             AND t.incarnation = i.incarnation
            THEN CASE WHEN c.n <= t.backed_up_n THEN 'district_backup' ELSE 'district' END
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
