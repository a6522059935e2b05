-- Whether a box is well fed, and when its work was last made safe (migrations/edge/0013).
ALTER TABLE health_sample ADD COLUMN under_voltage bigint CHECK (under_voltage BETWEEN 0 AND 1);
ALTER TABLE health_sample ADD COLUMN backup_away_at_ms bigint CHECK (backup_away_at_ms >= 0);
ALTER TABLE health_sample ADD COLUMN copy_checked_at_ms bigint CHECK (copy_checked_at_ms >= 0);
