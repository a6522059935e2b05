"""The one-time claim code: whoever can read the box's console may make it a school.

Made anew at each start while the box is unclaimed, kept in memory and in a 0600 file
for a keeper who has a shell but no screen, gone once the box is claimed.
"""

import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from appliance.access.limits import GuessLimit
from appliance.accounts.faults import AlreadyClaimed, WrongClaimCode

CODE_LENGTH: Final = 8
CODE_LETTERS: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # no 0 O 1 I L
FILE_NAME: Final = "claim-code"


class ClaimDesk:
    """Holds the code, if there is one, and counts wrong tries for everybody together."""

    def __init__(self, data_dir: Path, *, is_claimed: bool) -> None:
        self._file: Final = data_dir / FILE_NAME
        self._limit: Final = GuessLimit()
        self.code: str | None = None
        if is_claimed:
            self._file.unlink(missing_ok=True)
        else:
            self.code = new_claim_code()
            _write_private(self._file, self.code + "\n")

    def check(self, code: str, *, now_ms: int) -> None:
        """Raises WrongClaimCode, AlreadyClaimed, or TooManyRequests after five tries."""
        if self.code is None:
            raise AlreadyClaimed("this box has a school")
        self._limit.take("claim", now_ms=now_ms)
        if not hmac.compare_digest(_plain(code).encode(), self.code.encode()):
            raise WrongClaimCode("the claim code does not match")
        self._limit.forgive("claim")

    def close(self) -> None:
        """Forget the code: the box is claimed."""
        self.code = None
        self._file.unlink(missing_ok=True)


def new_claim_code() -> str:
    """Eight letters and digits, 39 bits: at five tries a minute, some 160,000 years."""
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))


def _plain(code: str) -> str:
    """Forgive small letters, blanks and dashes."""
    return "".join(letter for letter in code.upper() if letter.isalnum())


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
