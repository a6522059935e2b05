"""What the agent does when the hub's rows come down: silently, with `applying` set."""

import json

from tests.cast import NOW_MS, new_id

HUB = new_id()
STARTS = "UPDATE sync_identity SET applying = 1"
ENDS = "UPDATE sync_identity SET applying = 0"


def came_down(tx, table, **values):
    """Insert a row the district owns; return its id."""
    row = {"id": new_id(), "version": 1, "owner_node_id": HUB, "updated_at_ms": NOW_MS} | values
    names, places = ", ".join(row), ", ".join(f"?{n}" for n in range(1, len(row) + 1))
    tx.run(STARTS)
    tx.run(f"INSERT INTO {table} ({names}) VALUES ({places})", list(row.values()))
    tx.run(ENDS)
    return row["id"]


def make_districts(tx, table, row_id):
    """Hand a row of the school over to the district."""
    tx.run(STARTS)
    tx.run(f"UPDATE {table} SET owner_node_id = ?2 WHERE id = ?1", (row_id, HUB))
    tx.run(ENDS)


def ordered(tx, school, kind, payload, **values):
    """Let the district ask for something; `payload` is an object or raw text."""
    text = payload if isinstance(payload, str) else json.dumps(payload, default=str)
    given = {
        "org_id": school.school_id,
        "kind": kind,
        "payload": text,
        "by_person_id": new_id(),
        "issued_at_ms": NOW_MS,
    }
    return came_down(tx, "command", **(given | values))
