"""Looking at two versions of a row, and putting one of them back."""

from typing import Final

OWNS: Final = ("conflict_look",)
