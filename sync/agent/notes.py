"""What the agent writes down for the keeper, in plain words; a row only when the words change."""

import logging
from typing import Final

from appliance.database.agent import AgentDatabase
from appliance.database.faults import WriteFailed
from appliance.errors import Busy, DarasaError, StorageFull
from sync.agent import enrolment, store
from sync.agent.faults import HubBusy, Unreachable
from sync.agent.held import held_words
from sync.agent.line import Line

logger = logging.getLogger(__name__)

WORDS_MAX: Final = 500
CARD_TROUBLE: Final = (Busy, StorageFull, WriteFailed)


def note_trouble(db: AgentDatabase, error: DarasaError) -> None:
    """Say what went wrong. What the socket said is for the log."""
    is_normal = isinstance(error, Unreachable | HubBusy)
    words = f"{error.title}. {error.hint if is_normal else error.detail}"[:WORDS_MAX]
    try:
        with db.changing() as tx:
            tx.run(store.NOTE_TROUBLE, (words,))
            tx.run(enrolment.NOTE_WISH_ERROR, (words,))
    except CARD_TROUBLE as trouble:
        logger.warning("not noted code=%s", trouble.code)


def note_held(db: AgentDatabase, line: Line) -> None:
    """Say what the link may not carry now, and until when."""
    words = held_words(line.budget)
    if db.value(store.READ_HELD) == words:
        return
    try:
        with db.changing() as tx:
            tx.run(store.NOTE_HELD, (words,))
    except CARD_TROUBLE as trouble:
        logger.warning("not noted code=%s", trouble.code)
