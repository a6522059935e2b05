-- Why this box last left a lineage of its log, and when: shown for a week.
ALTER TABLE sync_identity ADD COLUMN left_reason TEXT;
ALTER TABLE sync_identity ADD COLUMN left_at_ms INTEGER;

-- What the link may not carry now, and until when, in the agent's words; NULL: everything may go.
ALTER TABLE sync_identity ADD COLUMN held_words TEXT;
