-- Cards are copied and moved: which board the log was last written on, and whether the
-- district has put another board in this one's place.

ALTER TABLE sync_identity ADD COLUMN hw_fingerprint BLOB CHECK (length(hw_fingerprint) = 32);
ALTER TABLE sync_identity ADD COLUMN board_changed_at_ms INTEGER;
ALTER TABLE sync_identity ADD COLUMN node_state TEXT NOT NULL DEFAULT 'active'
      CHECK (node_state IN ('active', 'replaced'));
-- The keeper has a token that gives this board an identity of its own.
ALTER TABLE hub_enrolment ADD COLUMN is_new_identity INTEGER NOT NULL DEFAULT 0
      CHECK (is_new_identity IN (0, 1));
