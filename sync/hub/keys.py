"""The hub's secrets on disk: the seed of its signing key, and the claim code until it is used.

Both are files of mode 0600 outside the database, so that a copy of the database can
neither sign a receipt nor claim the district.
"""

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Final

from nacl.public import PrivateKey
from nacl.signing import SigningKey

from appliance.durable import put_private
from appliance.ids import RECEIPT_LETTERS
from sync.core.bundle import unlock
from sync.hub.faults import NotReady

SEED_BYTES: Final = 32
CLAIM_CODE_LENGTH: Final = 10  # 20 letters each: 43 bits, beyond guessing
MAC_BYTES: Final = 16
MAC_PURPOSE: Final = b"darasa-hub-token"  # 16 bytes at most; keeps the seed for signatures alone


class HubKey:
    """Signs what this hub promises, and marks the tokens only it will read again."""

    def __init__(self, seed: bytes) -> None:
        self._signing: Final = SigningKey(seed)
        self._mac_key: Final = hashlib.blake2b(seed, digest_size=32, person=MAC_PURPOSE).digest()
        self.public: Final = bytes(self._signing.verify_key)

    def sign(self, words: bytes) -> bytes:
        """Return the Ed25519 signature, 64 bytes."""
        return self._signing.sign(words).signature

    def unlock(self, content: bytes) -> bytes:
        """Open what was locked for this hub. Raises BundleCorrupt."""
        return unlock(content, self.private)

    @property
    def private(self) -> PrivateKey:
        """The key that opens what was locked for this hub."""
        return self._signing.to_curve25519_private_key()

    def mark(self, words: bytes) -> bytes:
        """Return a keyed hash: cheaper than a signature where only this hub reads it."""
        return hashlib.blake2b(words, digest_size=MAC_BYTES, key=self._mac_key).digest()

    def is_ours(self, words: bytes, mark: bytes) -> bool:
        """Whether `mark` was made here for `words`."""
        return hmac.compare_digest(self.mark(words), mark)


def load_key(path: Path) -> HubKey:
    """Read the seed, or make it the first time."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        put_private(path, secrets.token_bytes(SEED_BYTES))
    seed = path.read_bytes()
    if len(seed) != SEED_BYTES:
        raise NotReady(f"{path} is not a key of {SEED_BYTES} bytes")
    return HubKey(seed)


def claim_code(path: Path) -> str:
    """Return the claim code, made the first time it is asked for."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        put_private(path, new_code(CLAIM_CODE_LENGTH).encode())
    return path.read_text(encoding="ascii")


def is_claim_code(path: Path, given: str) -> bool:
    """Compare, however a person types it."""
    return hmac.compare_digest(read_code(given).encode(), claim_code(path).encode())


def new_code(length: int) -> str:
    """Return letters by chance; 20 of them, so 4.3 bits each."""
    return "".join(secrets.choice(RECEIPT_LETTERS) for _ in range(length))


def spoken(code: str, group: int = 5) -> str:
    """Write a code as it is read out: in groups."""
    return "-".join(code[start : start + group] for start in range(0, len(code), group))


def read_code(given: str) -> str:
    """Read a code back, whatever blanks, dashes and case a person types."""
    return "".join(letter for letter in given.upper() if letter in RECEIPT_LETTERS)
