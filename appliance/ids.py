"""Ids that sort by time, and codes that can be read out loud."""

import hashlib
import secrets
from typing import Final
from uuid import UUID

# No vowels (no words by accident), no L (reads as I or 1): 20 letters, 64 million codes.
RECEIPT_LETTERS: Final = "BCDFGHJKMNPQRSTVWXYZ"
RECEIPT_LENGTH: Final = 6


def uuid7(now_ms: int) -> UUID:
    """RFC 9562 version 7: 48 bits of UTC milliseconds, then 74 bits of chance.

    Ids made within one millisecond are in no particular order, on purpose: a phone and
    the box mint them independently, so nothing may rely on it.
    """
    assert 0 <= now_ms < 1 << 48, now_ms
    chance = secrets.randbits(74)
    high = now_ms << 16 | 0x7000 | chance >> 62
    low = 0b10 << 62 | chance & (1 << 62) - 1
    return UUID(int=high << 64 | low)


def receipt_code(revision_id: UUID, content_hash: bytes) -> str:
    """Six letters that stand for this revision with exactly this content.

    Deterministic, so pupil, teacher and district read the same code without storing it.
    """
    digest = hashlib.sha256(revision_id.bytes + content_hash).digest()
    number = int.from_bytes(digest[:16], "big")
    letters = []
    for _ in range(RECEIPT_LENGTH):
        number, letter = divmod(number, len(RECEIPT_LETTERS))
        letters.append(RECEIPT_LETTERS[letter])
    return "".join(letters)
