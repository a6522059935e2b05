"""Takes out of a log whatever could name a person: names, ids, addresses, anything typed.

Kept are lines of our own form, `LEVEL logger event key=value`, and of a traceback the places and
the kind of error. Everything else is dropped and counted: what an error quotes may be a pupil's
words.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby
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
# Letters, numbers, and what stands on or between letters: vowel signs, joiners, marks of direction.
OF_A_WORD: Final = ("L", "N", "M", "Cf")
APOSTROPHES: Final = frozenset("ʹʺʻʼʽʾʿˈ")  # letters to Unicode; typed as ' where there is no key
COMPARED: Final = ("Lu", "Ll", "Lt", "Lo", "N")  # not Lm: a kashida only stretches a word
UNSPACED: Final = frozenset(
    {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"}
)


class Redactor:
    """Knows the names of this school, and one secret for this one file."""

    def __init__(self, names: Iterable[str], secret: bytes) -> None:
        self._secret: Final = secret
        parts = {part for name in names for part in words_of(name) if is_of_word(part[0])}
        known = {part: letters_of(part) for part in parts}
        self._whole: Final = {found for found in known.values() if is_telling(found)}
        self._inside: Final = {known[part] for part in parts if is_unspaced(part) and known[part]}

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
        return "".join("[name]" if self._is_name(word) else word for word in words_of(words))

    def _is_name(self, word: str) -> bool:
        found = letters_of(word)
        return found in self._whole or any(name in found for name in self._inside)

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


def words_of(text: str) -> Iterator[str]:
    """Cut a text into words and what is between them; a vowel sign is no end of a word."""
    for _, letters in groupby(text, is_of_word):
        yield "".join(letters)


def is_of_word(letter: str) -> bool:
    """Whether it belongs to a word in any script."""
    return letter not in APOSTROPHES and unicodedata.category(letter).startswith(OF_A_WORD)


def letters_of(word: str) -> str:
    """A word as it is compared: however it was typed, without marks, accents and case.

    One letter alone keeps its case: an initial is no reason to take out every `a`.
    """
    plain = unicodedata.normalize("NFKD", word)
    letters = "".join(filter(is_compared, plain))
    return letters if len(letters) == 1 else letters.casefold()


def is_compared(letter: str) -> bool:
    """Whether two words differ by it: no mark, no joiner, nothing that stretches."""
    return unicodedata.category(letter).startswith(COMPARED)


def is_telling(letters: str) -> bool:
    """Whether it can name somebody: not a digit alone, which is in every line."""
    return len(letters) > 1 or letters.isalpha()


def is_unspaced(word: str) -> bool:
    """Whether its script puts no blanks between words, so that a name may stand inside one."""
    return any(unicodedata.name(letter, "").split(" ")[0] in UNSPACED for letter in word)
