"""The triggers that notice every change, generated from the registry.

`python -m sync.capture` prints them; `make migration` puts that into a new SQL file, and
a test compares registry and schema. A trigger notes only (table, key): the row's present
image is read when it is sealed, so a thousand updates of one row cost one line.
"""

from typing import Final

from sync.registry import TABLES, Table

RANK_WITH_DAYS: Final = 0  # only hand-ins and marks are sealed by school day
DAY_MS: Final = 86_400_000

# Repeated in each trigger: SQLite triggers cannot share a statement.
FACT_TRIGGERS: Final = """\
CREATE TRIGGER {name}_captured AFTER INSERT ON {name} BEGIN
{capture}
END;
CREATE TRIGGER {name}_replaced AFTER UPDATE ON {name} BEGIN
{capture}
END;
CREATE TRIGGER {name}_kept BEFORE UPDATE ON {name}
  WHEN NEW.id IS NOT OLD.id OR NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, '{name}: a fact is never changed');
END;
"""

# An update through the sync agent may lower the version: after a hub was restored its
# rows replace ours whole.
MUTABLE_TRIGGERS: Final = """\
CREATE TRIGGER {name}_captured AFTER INSERT ON {name} {when_ours} BEGIN
{capture}
END;
CREATE TRIGGER {name}_recaptured AFTER UPDATE ON {name} {when_ours} BEGIN
{capture}
END;
CREATE TRIGGER {name}_versioned BEFORE UPDATE ON {name}
  WHEN NEW.id IS NOT OLD.id
    OR NEW.version <= OLD.version
   AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, '{name}: an update keeps the id and raises the version');
END;
"""

# The district's rows are changed at the district; what a school would like is a proposal.
OWNER_TRIGGER: Final = """\
CREATE TRIGGER {name}_owned BEFORE UPDATE ON {name}
  WHEN OLD.owner_node_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 OR node_id = OLD.owner_node_id) BEGIN
  SELECT RAISE(ABORT, '{name}: the district owns this row');
END;
"""

DELETE_TRIGGER: Final = """\
CREATE TRIGGER {name}_undeletable BEFORE DELETE ON {name}
  WHEN NOT EXISTS (SELECT 1 FROM sync_identity WHERE applying = 1) BEGIN
  SELECT RAISE(ABORT, '{name}: deleting is an update of deleted_at_ms');
END;
"""

# What the agent applies is silent only where another node owns the row: the school's own
# rows that come back from the hub must be sent again, or a hub that is rolled back next
# would lose them.
WHEN_OURS: Final = """
  WHEN NEW.owner_node_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM sync_identity
                    WHERE applying = 1 AND node_id <> NEW.owner_node_id)"""

CAPTURE: Final = """\
  UPDATE sync_identity SET seq = seq + 1;
  SELECT RAISE(ABORT, 'this box is not claimed yet') WHERE changes() = 0;
  INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
  SELECT {number}, NEW.id, {lane}, {rank}, {day}, seq, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM sync_identity
   WHERE true
      ON CONFLICT (tbl, pk) DO UPDATE SET seq = excluded.seq, day = excluded.day;"""


def triggers(table: Table) -> str:
    """All triggers of one synced table."""
    body = FACT_TRIGGERS if table.is_fact else MUTABLE_TRIGGERS
    capture = CAPTURE.format(
        number=table.number, lane=table.lane, rank=table.rank, day=day_expression(table)
    )
    made = body.format(name=table.name, capture=capture, when_ours=WHEN_OURS.strip("\n"))
    return made + owner_trigger(table) + DELETE_TRIGGER.format(name=table.name)


def owner_trigger(table: Table) -> str:
    """Nothing for facts: nobody changes them."""
    return "" if table.is_fact else OWNER_TRIGGER.format(name=table.name)


def day_expression(table: Table, row: str = "NEW.") -> str:
    """SQL for the school day a row is about; 0 where the day does not order the sealing."""
    if table.rank != RANK_WITH_DAYS or table.day_of is None:
        return "0"
    return f"{row}{table.day_of} / {DAY_MS}"


def all_triggers() -> str:
    """Triggers of the whole registry, in its order."""
    return "\n".join(triggers(table) for table in TABLES)


if __name__ == "__main__":
    print(all_triggers(), end="")  # noqa: T201 -- this module is also a command
