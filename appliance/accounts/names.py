"""When two names are the same, and which comes first."""

import unicodedata
from functools import lru_cache
from typing import Final

KEYS_KEPT: Final = 10_000  # the school's names twice over: lists are sorted on every tap


@lru_cache(maxsize=KEYS_KEPT)
def name_key(name: str) -> str:
    """`  José  ÁLVAREZ ` and `jose alvarez` have the same key; so do ß and ss."""
    apart = unicodedata.normalize("NFKD", name.casefold())
    kept = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return " ".join(kept.split())
