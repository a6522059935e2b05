"""Takes out of a log whatever could name a person: names, ids, addresses, anything typed.

Kept are lines of our own form, `LEVEL logger event key=value`, and of a traceback the places and
the kind of error. Everything else is dropped and counted: what an error quotes may be a pupil's
words.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Final

OURS: Final = re.compile(
    r"(?P<when>^\d{4}-\d\d-\d\d[T ][\d:.,+-]+Z? )?.*?"
    r"\b(?P<line>(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) (?:appliance|sync|uvicorn|zeroconf|__main__)"
    r"[\w.]* .*)$"
)
PLACE: Final = re.compile(r'\s*(File "[^"]+", line \d+, in [\w<>]+)$')
KIND: Final = re.compile(
    r"(?:^|: )((?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Busy|Full|Failed))(?::|$)"
)
ID: Final = re.compile(
    r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b", re.IGNORECASE
)
HEX: Final = re.compile(r"\b[0-9a-f]{16,}\b", re.IGNORECASE)
ADDRESS: Final = re.compile(r"\b(?!127\.)\d{1,3}(?:\.\d{1,3}){3}\b")
QUOTED: Final = re.compile(r"""(?<![\w])(["']).*?\1""")
NAME_LETTERS_MIN: Final = 2
WORD: Final = re.compile(r"\w+")


class Redactor:
    """Knows the names of this school, and one secret for this one file."""

    def __init__(self, names: Iterable[str], secret: bytes) -> None:
        self._secret: Final = secret
        parts = {part for name in names for part in WORD.findall(name)}
        known = sorted(part for part in parts if len(part) >= NAME_LETTERS_MIN)
        either = "|".join(map(re.escape, known))
        self._names: Final = re.compile(rf"\b(?:{either})\b", re.IGNORECASE) if known else None

    def lines(self, log: Iterable[str]) -> Iterator[str]:
        """What may leave the school of a log, and how much was left out."""
        dropped = 0
        for line in log:
            kept = self._kept(line.rstrip("\n"))
            dropped += kept is None
            if kept is not None:
                yield self.text(kept)
        yield f"({dropped} lines of another form are left out)"

    def text(self, words: str) -> str:
        """The same without ids, names, addresses and anything quoted."""
        words = ID.sub(self._pseudonym, words)
        words = HEX.sub(self._pseudonym, words)
        words = QUOTED.sub("[quoted]", words)
        words = ADDRESS.sub("[address]", words)
        return self._names.sub("[name]", words) if self._names else words

    def _kept(self, line: str) -> str | None:
        if (ours := OURS.match(line)) is not None:
            return f"{ours['when'] or ''}{ours['line']}"
        if (place := PLACE.match(line)) is not None:
            return f"  {place[1].replace(chr(34), '')}"
        if (kind := KIND.match(line)) is not None:
            return f"  {kind[1]}"
        return None

    def _pseudonym(self, found: re.Match[str]) -> str:
        """The same id is the same word within one file, and no word in the next."""
        plain = found[0].replace("-", "").lower().encode()
        return "id:" + hashlib.blake2b(plain, key=self._secret, digest_size=4).hexdigest()
