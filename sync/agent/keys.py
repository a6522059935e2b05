"""The node's Ed25519 key: 32 bytes beside the database, readable by the box alone."""

from pathlib import Path
from typing import Final

from nacl.signing import SigningKey

from appliance.durable import put_private, sync_path
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
        put_private(path, SigningKey.generate().encode())
    return read_node_key(keys)


def make_next_key(keys: Path, name: str = NEXT_KEY) -> SigningKey:
    """Make the key that is to follow the present one, unless it waits there already."""
    path = keys / name
    if not path.exists():
        put_private(path, SigningKey.generate().encode())
    return SigningKey(path.read_bytes())


def read_next_key(keys: Path, name: str = NEXT_KEY) -> SigningKey | None:
    """Return the key that waits to follow; None when there is none."""
    path = keys / name
    return SigningKey(path.read_bytes()) if path.exists() else None


def take_next_key(keys: Path, name: str = NEXT_KEY) -> None:
    """Put it in the present one's place; the card has the one or the other, never neither."""
    (keys / name).replace(keys / NODE_KEY)
    sync_path(keys)
