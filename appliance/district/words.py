"""Where our work is, in the same words on the page and in both commands."""

from typing import Final

from appliance.district.models import Line, SyncStatus
from appliance.web.moments import moment

DAY_MS: Final = 86_400_000
OTHER_BOARD_MS: Final = 7 * DAY_MS
REPAIR_MS: Final = 7 * DAY_MS
LONG_MS: Final = 3 * DAY_MS  # a weekend without a link is nothing to worry about


def status_lines(status: SyncStatus, *, now_ms: int) -> list[Line]:
    """Say everything a keeper should know, what needs somebody first."""
    if not status.is_enrolled:
        return [NOT_JOINED]
    lines = [
        _arrived(status, now_ms=now_ms),
        _contact(status, now_ms=now_ms),
        _held(status),
        _recovery(status),
        _repaired(status, now_ms=now_ms),
        _replaced(status),
        _other_board(status, now_ms=now_ms),
        _aside(status),
        _dismissed(status),
        _conflicts(status),
        _verified(status),
    ]
    return [line for line in lines if line is not None]


DAMAGED: Final = "payload-damaged"  # sync.core.node.Fork
RESTORED: Final = "restored"

NOT_JOINED: Final = Line(
    "wait",
    "On this box only",
    "This school has not joined a district. If the box is lost, its work is lost with it,"
    " except what is in a backup.",
    "Join a district, and keep backups in another place until then.",
)


def _arrived(status: SyncStatus, *, now_ms: int) -> Line:
    if status.waiting == 0:
        if status.put_aside or status.dismissed or status.has_unlisted or status.different:
            return Line("wait", "Sent", "Everything was sent, but not all of it is safe there.")
        return Line(
            "good", "At the district", "Everything on this box has arrived at the district."
        )
    words = _count(status.waiting, "change is", "changes are") + " not at the district yet"
    if status.oldest_since_ms is None:
        return Line("wait", "Waiting", f"{words}.")
    words += f"; the oldest has waited since {moment(status.oldest_since_ms)}."
    if now_ms - status.oldest_since_ms < LONG_MS:
        return Line("wait", "Waiting", words, "Nothing is lost; it goes by itself over the link.")
    todo = "Look at the link. If there is none, carry the work on a USB stick: darasa-agent export."
    return Line("bad", "Waiting for long", words, todo)


def _contact(status: SyncStatus, *, now_ms: int) -> Line:
    if status.contact_at_ms is None:
        return Line("wait", "No contact", "The district has not answered yet.", "Look at the link.")
    words = f"The district last answered {moment(status.contact_at_ms)}."
    if now_ms - status.contact_at_ms < LONG_MS or status.held_words:
        return Line("info", "Last contact", words)
    return Line("wait", "Last contact", words, "Look at the link. The school can go on working.")


def _held(status: SyncStatus) -> Line | None:
    """Say what the link may not carry: neither a fault nor anything to mend."""
    if not status.held_words:
        return None
    todo = "Nothing is lost. A higher bound, or a USB stick (darasa-agent export), sends at once."
    return Line("wait", "The link waits", status.held_words, todo)


def _recovery(status: SyncStatus) -> Line | None:
    if not status.recovery_due:
        return None
    words = "This box is fetching what it had before it was restored or replaced."
    return Line("wait", "Fetching", words, "Nothing is sent until that is done. Leave it running.")


def _repaired(status: SyncStatus, *, now_ms: int) -> Line | None:
    """Say for a week why everything was sent once more."""
    if not status.left_reason or status.left_at_ms is None:
        return None
    if now_ms - status.left_at_ms > REPAIR_MS:
        return None
    when = f"that was noticed {moment(status.left_at_ms)}"
    if status.left_reason == DAMAGED:
        words = f"Part of what waited could not be read from the card any more; {when}."
        words += " Nothing is lost: the rows themselves are whole, and go to the district again."
        todo = "If this comes again, make a backup and put a new card in."
        return Line("bad", "Card damaged", words, todo)
    if status.left_reason == RESTORED:
        words = f"The database was put back from a backup, or repaired; {when}."
        words += " What the district had was fetched, and everything here was sent once more."
        return Line("info", "Repaired", words)
    words = f"This box and the district had two different pasts ({status.left_reason}); {when}."
    return Line("info", "Repaired", f"{words} Both were put together, row by row.")


def _replaced(status: SyncStatus) -> Line | None:
    if status.node_state != "replaced":
        return None
    words = "The district has put another board in this one's place."
    todo = "Its work is still taken. When nothing waits, switch this board off and wipe its card."
    return Line("bad", "Replaced", words, todo)


def _other_board(status: SyncStatus, *, now_ms: int) -> Line | None:
    """A card that was moved for good is nothing to speak of for long."""
    at_ms = status.board_changed_at_ms
    if at_ms is None or now_ms - at_ms > OTHER_BOARD_MS:
        return None
    words = f"This card was last used in another board; that was noticed {moment(at_ms)}."
    todo = (
        "Does the other board still run, with a copy of this card? Then ask the district for a"
        " token and run darasa-agent new-identity on one of the two."
    )
    return Line("wait", "Another board", words, todo)


def _aside(status: SyncStatus) -> Line | None:
    if not status.put_aside and not status.has_unlisted:
        return None
    more = "More than " if status.has_unlisted else ""
    words = f"{more}{_count(status.put_aside, 'row is', 'rows are')} put aside at the district,"
    words += " which could not merge what came. It is safe on this box only."
    todo = "The district looks at it. Tell its staff if this stays."
    if status.has_unlisted:
        todo += " Until then no hand-in is called safe there, because the list is not complete."
    return Line("bad", "Put aside", words, todo)


def _dismissed(status: SyncStatus) -> Line | None:
    if not status.dismissed:
        return None
    words = f"{_count(status.dismissed, 'row', 'rows')} will not be taken by the district."
    words += " They stay on this box only."
    return Line("wait", "Not taken", words, "The district's staff can say why.")


def _conflicts(status: SyncStatus) -> Line | None:
    if not status.in_conflict:
        return None
    words = f"{_count(status.in_conflict, 'row has', 'rows have')} two versions. Both are kept."
    todo = "Look at them on the page Two versions, and put the right one back where it matters."
    return Line("info", "Two versions", words, todo)


def _verified(status: SyncStatus) -> Line:
    if status.different:
        words = f"{_count(status.different, 'row differs', 'rows differ')} from the district's copy"
        words += " and could not be mended."
        todo = "Run darasa-agent verify. If it stays so, send its output to the district."
        return Line("bad", "Different", words + _last(status), todo)
    if status.verified_at_ms is None:
        words = "This box has not been compared with the district's copy yet."
        return Line(
            "info", "Not verified", words, "It is done by itself once all work has arrived."
        )
    words = f"Verified up to change {status.verified_no}, {moment(status.verified_at_ms)}:"
    same = status.compared - status.explained  # the others stand in a line of their own
    words += f" {_count(max(same, 0), 'row is', 'rows are')} the same at the district."
    return Line("good", "Verified", words)


def _last(status: SyncStatus) -> str:
    if status.verified_at_ms is None:
        return ""
    return f" Both last agreed at change {status.verified_no}, {moment(status.verified_at_ms)}."


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def plain_lines(status: SyncStatus, *, now_ms: int) -> list[str]:
    """Say the same for a terminal: one thing a line, and what to do about it below."""
    lines = []
    for line in status_lines(status, now_ms=now_ms):
        lines.append(f"{line.title}: {line.words}")
        lines += [f"  {line.todo}"] if line.todo else []
    if status.error:
        lines.append(f"The last try did not work: {status.error}")
    return lines
