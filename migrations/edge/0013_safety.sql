-- works from: 0012
-- What the district asks after first when a box is in trouble: whether it is well fed, and when
-- its work was last made safe. Instants are by the box's own clock; nobody decides by them.
-- A row of before says nothing of this; in a later one `under_voltage` is never NULL, and NULL
-- beside it means never.
ALTER TABLE health_sample ADD COLUMN under_voltage INTEGER CHECK (under_voltage BETWEEN 0 AND 1);
ALTER TABLE health_sample ADD COLUMN backup_away_at_ms INTEGER CHECK (backup_away_at_ms >= 0);
ALTER TABLE health_sample ADD COLUMN copy_checked_at_ms INTEGER CHECK (copy_checked_at_ms >= 0);
