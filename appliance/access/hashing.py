"""Turning PINs, passwords and tokens into what may be stored.

A PIN has 10,000 values, so no slow hash protects it: it is keyed with the school's
pepper, which lies outside the database, and ten wrong tries lock the name. Staff
passwords get argon2id at OWASP's smallest parameters; the library's defaults would take
8.9 s for 50 sign-ins on the board.
"""

import hashlib
import secrets
from typing import Final
from uuid import UUID

from nacl.exceptions import InvalidkeyError
from nacl.pwhash import argon2id

ARGON2_OPS: Final = 2
ARGON2_BYTES: Final = 19 << 20
PIN_HASH_BYTES: Final = 32
TOKEN_BYTES: Final = 32


def pin_hash(pepper: bytes, person_id: UUID, pin: str) -> bytes:
    """Bind the PIN to its person: equal PINs of two pupils have different hashes."""
    return hashlib.blake2b(
        pin.encode(), digest_size=PIN_HASH_BYTES, key=pepper, salt=person_id.bytes
    ).digest()


def password_hash(password: str) -> bytes:
    """argon2id with its parameters and salt inside; 20-40 ms, never on an event loop."""
    return argon2id.str(password.encode(), opslimit=ARGON2_OPS, memlimit=ARGON2_BYTES)


def password_matches(stored: bytes | None, password: str) -> bool:
    """Compare, taking as long for a name that does not exist as for one that does."""
    try:
        matches = argon2id.verify(stored or NOBODY, password.encode())
    except InvalidkeyError:
        return False
    return matches and stored is not None


def new_token() -> str:
    """A session token: 256 random bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> bytes:
    """What the database knows of a token: a copied file opens no session."""
    return hashlib.sha256(token.encode()).digest()


# The hash of 32 random bytes nobody kept, with the same cost as everybody's.
NOBODY: Final = (
    b"$argon2id$v=19$m=19456,t=2,p=1$JBAX14SZ+T7voAxsA2Ydiw"
    b"$/7v6SvQSZgOvDC0B+Gv7Cm+p21J+S8ReacIVNnRvHck"
)
