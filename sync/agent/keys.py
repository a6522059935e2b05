"""The node's Ed25519 key: 32 bytes beside the database, readable by the box alone."""

import os
from pathlib import Path
from typing import Final

from nacl.signing import SigningKey

from sync.agent.faults import KeyMissing

NODE_KEY: Final = "node.key"
NEXT_KEY: Final = "node.key.next"
IDENTITY_KEY: Final = "node.key.identity"  # of a board that becomes a node of its own
SEED_BYTES: Final = 32


def read_node_key(keys: Path) -> SigningKey:
    """Read the key made at the claim. Raises KeyMissing."""
    try:
        seed = (keys / NODE_KEY).read_bytes()
    except FileNotFoundError as error:
        raise KeyMissing(f"{keys / NODE_KEY} is not there") from error
    if len(seed) != SEED_BYTES:
        raise KeyMissing(f"{keys / NODE_KEY} holds {len(seed)} bytes, not {SEED_BYTES}")
    return SigningKey(seed)


def make_node_key(keys: Path) -> SigningKey:
    """Make a key for a board that takes a school over, unless one is there already."""
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = keys / NODE_KEY
    if not path.exists():
        _write_private(path, SigningKey.generate().encode())
    return read_node_key(keys)


def make_next_key(keys: Path, name: str = NEXT_KEY) -> SigningKey:
    """Make the key that is to follow the present one, unless it waits there already."""
    path = keys / name
    if not path.exists():
        _write_private(path, SigningKey.generate().encode())
    return SigningKey(path.read_bytes())


def read_next_key(keys: Path, name: str = NEXT_KEY) -> SigningKey | None:
    """Return the key that waits to follow; None when there is none."""
    path = keys / name
    return SigningKey(path.read_bytes()) if path.exists() else None


def take_next_key(keys: Path, name: str = NEXT_KEY) -> None:
    """Put it in the present one's place; the card has the one or the other, never neither."""
    (keys / name).replace(keys / NODE_KEY)
    _sync_folder(keys)


def _write_private(path: Path, content: bytes) -> None:
    """Make bytes and name durable before anything is signed with them."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
