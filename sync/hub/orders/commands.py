"""Announcing, setting, asking a box, deciding; each may be sent twice and is done once."""

from collections.abc import Mapping
from typing import Final, LiteralString
from uuid import UUID

import msgspec

from appliance.errors import NotFound
from appliance.orders.payloads import person_of, write_payload
from appliance.orders.settable import checked
from sync.hub.database import Link
from sync.hub.orders.faults import AlreadyAnswered, CommandTaken, NothingToName, Withdrawn
from sync.hub.orders.models import NewAnnouncement, NewCommand, NewDecision, NewSetting
from sync.hub.orders.rows import Pen, derived_id

SCOPE_OF: Final[Mapping[str, LiteralString]] = {
    "announcement": "SELECT a.school_id FROM announcement AS a WHERE a.id = $1",
    "setting": "SELECT s.school_id FROM setting AS s WHERE s.id = $1",
    "proposal": "SELECT p.school_id FROM proposal AS p WHERE p.id = $1",
}

PROPOSED: Final[LiteralString] = """
SELECT p.kind, p.about_id
  FROM proposal AS p
 WHERE p.school_id = $1
   AND p.id        = $2
"""

ANSWERED: Final[LiteralString] = """
SELECT EXISTS (SELECT 1
                 FROM command_result AS r
                WHERE r.school_id  = $1
                  AND r.command_id = $2)
"""


async def scope_of(link: Link, table: str, row_id: UUID) -> UUID:
    """Return whose row this is, in the whole district. Raises NotFound."""
    found: UUID | None = await link.fetchval(SCOPE_OF[table], row_id)
    if found is None:
        raise NotFound(f"{table} {row_id}")
    return found


async def announce(pen: Pen, announcement_id: UUID, new: NewAnnouncement) -> None:
    """Say something, or say it differently. Raises Withdrawn."""
    before = await pen.read("announcement", announcement_id)
    if before is not None and before["deleted_at_ms"] is not None:
        raise Withdrawn(f"announcement {announcement_id}")
    await pen.put_changed(
        "announcement",
        id=announcement_id,
        org_id=pen.scope_id,
        title=new.title.strip(),
        body=new.body.strip(),
        from_at_ms=new.from_at_ms,
        until_at_ms=new.until_at_ms,
    )


async def put_setting(pen: Pen, new: NewSetting) -> UUID:
    """Set a value; a key has one value in a scope."""
    setting_id = derived_id(pen.scope_id, "setting", new.key)
    await pen.put_changed(
        "setting",
        id=setting_id,
        org_id=pen.scope_id,
        key=new.key,
        value=msgspec.json.encode(checked(new.key, new.value)).decode(),
        deleted_at_ms=None,
    )
    return setting_id


async def give_command(pen: Pen, command_id: UUID, by_person_id: UUID, new: NewCommand) -> None:
    """Ask a box to do something. Raises CommandTaken when the id asks for something else."""
    payload = new.asked()
    text = write_payload(payload)
    before = await pen.read("command", command_id)
    if before is None:
        await pen.put(
            "command",
            id=command_id,
            org_id=pen.scope_id,
            kind=new.kind,
            person_id=person_of(payload),
            payload=text,
            by_person_id=by_person_id,
            issued_at_ms=pen.now_ms,
            expires_at_ms=new.expires_at_ms,
        )
    elif (before["kind"], before["payload"]) != (new.kind, text):
        raise CommandTaken(command_id)


async def withdraw_command(pen: Pen, command_id: UUID) -> None:
    """Take an order back while the box has not answered. Raises NotFound, AlreadyAnswered.

    The box may have carried it out already and not told yet: then its answer still comes,
    and counts.
    """
    if await pen.link.fetchval(ANSWERED, pen.scope_id, command_id):
        raise AlreadyAnswered(f"command {command_id}")
    await pen.withdraw("command", command_id)


async def decide(pen: Pen, proposal_id: UUID, new: NewDecision) -> None:
    """Answer a proposal; a district may think again, and the newest answer counts.

    With a name, the district's own row is renamed too. Raises NotFound, NothingToName.
    """
    if new.name is not None:
        await _rename(pen, proposal_id, new.name.strip())
    decision_id = derived_id(proposal_id, "decision")
    reason = new.reason.strip() or None
    before = await pen.read("proposal_decision", decision_id)
    if before is None or (before["state"], before["reason"]) != (new.state, reason):
        await pen.put(
            "proposal_decision",
            id=decision_id,
            proposal_id=proposal_id,
            state=new.state,
            reason=reason,
            at_ms=pen.now_ms,
        )


async def _rename(pen: Pen, proposal_id: UUID, name: str) -> None:
    about = await pen.link.fetchrow(PROPOSED, pen.scope_id, proposal_id)
    if about is None:
        raise NotFound(f"proposal {proposal_id}")
    match about["kind"]:
        case "edit_person":
            await pen.put_changed("person", id=about["about_id"], display_name=name)
        case "edit_class":
            await pen.put_changed("class_group", id=about["about_id"], name=name)
        case kind:
            raise NothingToName(f"proposal {proposal_id} is of kind {kind}")
