"""The school's keys in the running process: None until the box is claimed."""

from pathlib import Path

from appliance.accounts.faults import NotClaimed
from appliance.accounts.keys import read_keys


class Keyring:
    """Holds the keys once there are any."""

    def __init__(self, folder: Path, *, is_claimed: bool) -> None:
        """Read the keys of a claimed box. Raises KeysMissing."""
        self.folder = folder
        self._keys = read_keys(folder) if is_claimed else None

    @property
    def pin_pepper(self) -> bytes:
        """The key of every PIN hash. Raises NotClaimed."""
        if self._keys is None:
            raise NotClaimed("this box has no keys yet")
        return self._keys.pin_pepper

    def load(self) -> None:
        """Take up the keys that a claim has just written."""
        self._keys = read_keys(self.folder)
