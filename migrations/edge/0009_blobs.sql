-- Files the hub has whole, and under which incarnation it said so: a hub that was rolled back
-- is asked again.
CREATE TABLE sync_blob (
    sha256      BLOB    NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
    incarnation BLOB    NOT NULL CHECK (length(incarnation) = 16),
    whole_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
