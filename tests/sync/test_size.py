"""What a change costs on the wire: the link of a school is what decides."""

from random import Random

from sync.core.columns import Rows
from sync.core.segment import pack_rows
from sync.registry import TABLE

BYTES_PER_CHANGE_MAX = 40
CHANGES = 1_000
WORDS = ("maji", "mto", "mvua", "jua", "mwezi", "nyota", "shule", "kitabu", "darasa", "swali")
NOW_MS = 1_760_000_000_000


def new_id(dice, at_ms):
    """A UUIDv7: 48 bits of time, the rest chance that nothing can shorten."""
    return (at_ms << 16 | 0x7000 | dice.getrandbits(12)).to_bytes(8, "big") + dice.randbytes(8)


def school_day(dice, changes):
    """Forty pupils read and tick sections off; every thirtieth change is a hand-in."""
    pupils = [(new_id(dice, NOW_MS), new_id(dice, NOW_MS)) for _ in range(40)]
    sections = [new_id(dice, NOW_MS) for _ in range(60)]
    facts, hand_ins = [], []
    for number in range(changes):
        at_ms = NOW_MS + number * 700 + dice.randrange(700)
        person, enrolment = dice.choice(pupils)
        if number % 30 == 29:
            body = " ".join(dice.choice(WORDS) for _ in range(120))
            row = (new_id(dice, at_ms), new_id(dice, at_ms), person, 1, body)
            hand_ins.append((*row, dice.randbytes(32), at_ms))
        else:
            section = sections[number // 20 % 60]
            percent = dice.choice((25, 50, 75, 100))
            facts.append((new_id(dice, at_ms), enrolment, section, person, percent, at_ms, 3))
    return [rows("progress_fact", facts), rows("submission_revision", hand_ins)]


def rows(name, found):
    return Rows(name, tuple(column.name for column in TABLE[name].columns), found)


def test_a_thousand_changes_of_a_school_day_take_at_most_forty_bytes_each():
    body, _ = pack_rows(school_day(Random(5), CHANGES))
    assert len(body) / CHANGES <= BYTES_PER_CHANGE_MAX


def test_sealed_columns_are_shorter_than_rows():
    tables = school_day(Random(5), CHANGES)
    _, raw = pack_rows(tables)
    assert raw < sum(len(str(row)) for table in tables for row in table.rows)
