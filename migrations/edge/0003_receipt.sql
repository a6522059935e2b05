-- What a pupil holds for each hand-in, with where it is safe.
--
-- Asked at three places (the answer to a hand-in, "my hand-ins", the teacher's page), so
-- it is said once, here. 16 is the number of submission_revision in sync/registry.py.
--
-- "district" needs all of it: the row does not wait, its segment is applied in a stream,
-- the hub that applied it is the one we last talked to, and it has not put the row aside.
-- Whatever is missing, the answer falls back to "box", which is true by itself: the row
-- we are reading is on this card.
CREATE VIEW receipt AS
SELECT v.id AS revision_id, v.submission_id, v.person_id, s.assessment_id, a.title,
       s.attempt_no, v.rev, v.content_hash, v.saved_at_ms, a.due_at_ms, s.clock_quality,
       CASE WHEN x.reason IS NOT NULL AND x.reason <> 'conflict' THEN 'box'
            WHEN x.reason = 'conflict'                           THEN 'district_conflict'
            WHEN d.pk IS NULL
             AND c.n <= t.applied_n
             AND t.incarnation = i.incarnation                   THEN 'district'
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
   AND x.pk = v.id;
