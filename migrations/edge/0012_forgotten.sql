-- works from: 0011
-- Whom this very file has forgotten, in which lineage of its log. Never sent: the answer itself can
-- come back from the district to a copy of the card that has not forgotten anybody yet.
CREATE TABLE sync_forgotten (
    epoch     BLOB NOT NULL CHECK (length(epoch) = 16),
    person_id BLOB NOT NULL CHECK (length(person_id) = 16),
    PRIMARY KEY (epoch, person_id)
) STRICT, WITHOUT ROWID;
