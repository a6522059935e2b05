"""Answering an order, and proposing a change to what the district owns."""

from typing import Final, LiteralString
from uuid import UUID

import msgspec
from msgspec import Struct

from appliance.access.models import Actor
from appliance.accounts.commands import nfc
from appliance.clock import CERTAIN
from appliance.database.transaction import Transaction
from appliance.ids import uuid7
from appliance.orders.execute import execute
from appliance.orders.faults import ProposalTaken
from appliance.orders.models import NewProposal, Order, ProposalRead
from appliance.orders.queries import about_whom, proposal, waiting

OWNS: Final = ("command_result", "proposal")

REASON_LENGTH_MAX: Final = 500  # the schema's CHECK

ANSWER: Final[LiteralString] = """
INSERT INTO command_result (id, command_id, person_id, state, reason, at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
"""

PROPOSE: Final[LiteralString] = """
INSERT INTO proposal (id, kind, about_id, person_id, payload, by_person_id, at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
"""

SAID: Final[LiteralString] = """
SELECT kind, about_id, payload, by_person_id
  FROM proposal
 WHERE id = ?1
"""


class Said(Struct, frozen=True):
    """What an id already stands for."""

    kind: str
    about_id: UUID | None
    payload: str
    by_person_id: UUID


def carry_out(tx: Transaction, command_id: UUID, *, now_ms: int, quality: int) -> bool:
    """Do what the district asks and answer, in one transaction; return whether it was answered.

    Answered or withdrawn commands are left alone, and so is one with a time limit while the
    clock may be wrong. Raises what the features raise; then nothing was done.
    """
    order = waiting(tx, command_id, quality=quality)
    if order is None:
        return False
    if order.expires_at_ms is not None and order.expires_at_ms <= now_ms:
        _answer(tx, order, "expired", None, now_ms=now_ms)
        return True
    execute(tx, order, now_ms=now_ms)
    _answer(tx, order, "applied", None, now_ms=now_ms)
    return True


def refuse(tx: Transaction, command_id: UUID, reason: str, *, now_ms: int) -> None:
    """Tell the district why nothing was done."""
    order = waiting(tx, command_id, quality=CERTAIN)
    if order is not None:
        _answer(tx, order, "refused", reason[:REASON_LENGTH_MAX], now_ms=now_ms)


def propose(
    tx: Transaction, actor: Actor, proposal_id: UUID, new: NewProposal, *, now_ms: int
) -> ProposalRead:
    """Write down what the school would like changed. Sending it again changes nothing.

    Raises NotFound for what is not this person's to know, NotTheDistricts, ProposalTaken.
    """
    about = about_whom(tx, actor, new.kind, new.about_id)
    payload = msgspec.json.encode({"wish": nfc(new.wish)}, order="deterministic").decode()
    wanted = Said(new.kind, new.about_id, payload, actor.person_id)
    known = tx.row(Said, SAID, (proposal_id,))
    if known is None:
        args = (proposal_id, new.kind, new.about_id, about.person_id, payload, actor.person_id)
        tx.run(PROPOSE, (*args, now_ms))
    elif known != wanted:
        raise ProposalTaken(proposal_id)
    made = proposal(tx, proposal_id)
    assert made is not None
    return made


def _answer(tx: Transaction, order: Order, state: str, reason: str | None, *, now_ms: int) -> None:
    tx.run(ANSWER, (uuid7(now_ms), order.id, order.person_id, state, reason, now_ms))
