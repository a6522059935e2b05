"""Which page belongs to which table, when the pages that say so may be gone.

First from the root downwards. What no readable page points at any more is found from below:
the pointer map names each page's parent, and the climb ends at a root. A page that a readable
parent does not name is left alone: it is free, and what is on it was deleted.
"""

from collections import defaultdict
from typing import Final

from msgspec import Struct, field

from appliance.database.pages import (
    INDEX_KINDS,
    INTERIORS,
    IS_BTREE,
    IS_FREE,
    TABLE_KINDS,
    Cell,
    Pages,
    is_map,
)

CLIMB_MAX: Final = 20  # a tree of 4 KiB pages is five levels deep at most
SCHEMA_ROOT: Final = 1


class Tree(Struct):
    """The pages of one table or index, and how many of them make no sense."""

    pages: list[int] = field(default_factory=list)
    damaged: int = 0


class Forest:
    """Every tree of a file, by its root."""

    def __init__(self, pages: Pages, roots: dict[int, bool]) -> None:
        """`roots`: the page each tree begins with, and whether it is a table's with rowids."""
        self._pages: Final = pages
        self._kinds: Final = {
            root: TABLE_KINDS if is_table else INDEX_KINDS for root, is_table in roots.items()
        }
        self._owner: Final[dict[int, int]] = {}
        self.trees: Final[defaultdict[int, Tree]] = defaultdict(Tree)
        self.homeless = 0
        for root in roots:
            self._walk(root, root)
        self._gather()

    def _walk(self, root: int, start: int) -> None:
        waiting = [start]
        while waiting:
            number = waiting.pop()
            if number in self._owner or is_map(number):
                continue
            self._owner[number] = root
            if self._pages.kind(number) not in self._kinds[root]:
                self.trees[root].damaged += 1
                continue
            self.trees[root].pages.append(number)
            if self._pages.kind(number) in INTERIORS:
                children = self._pages.children(number)
                waiting += reversed(children)

    def _gather(self) -> None:
        """Bring in what nobody readable names, each under the root it climbs to."""
        for number in range(2, self._pages.count + 1):
            if number in self._owner or is_map(number):
                continue
            kind = self._pages.map_entry(number).kind
            is_tree = self._pages.kind(number) in TABLE_KINDS | INDEX_KINDS
            if kind == IS_BTREE:
                self._place(number)
            elif is_tree and not self._map_is_sound(number):
                self.homeless += 1

    def _place(self, number: int) -> None:
        root = self._climb(number)
        if root is not None:
            self._walk(root, number)
        elif self._pages.kind(number) in TABLE_KINDS | INDEX_KINDS:
            self.homeless += 1

    def _climb(self, number: int) -> int | None:
        """The root above a page; None where a readable parent does not know it."""
        for _ in range(CLIMB_MAX):
            if number in self._kinds:
                return number
            entry = self._pages.map_entry(number)
            if entry.kind != IS_BTREE or not 0 < entry.parent <= self._pages.count:
                return None
            is_readable = self._pages.kind(entry.parent) in INTERIORS
            if is_readable and number not in self._pages.children(entry.parent):
                return None
            number = entry.parent
        return None

    def _map_is_sound(self, number: int) -> bool:
        """Whether the map says something a map can say: free, or an overflow."""
        entry = self._pages.map_entry(number)
        return entry.kind in {IS_FREE, 3, 4} and entry.parent <= self._pages.count

    def rows(self, root: int) -> tuple[list[Cell], int]:
        """Every readable row under a root, and how many pages and rows were not readable."""
        tree = self.trees[root]
        is_table = self._kinds[root] is TABLE_KINDS
        found: list[Cell] = []
        bad = tree.damaged
        for number in tree.pages:
            if is_table and self._pages.kind(number) in INTERIORS:
                continue  # a table's inner pages hold no rows, an index's do
            for cell in self._pages.cells(number):
                if cell is None:
                    bad += 1
                else:
                    found.append(cell)
        return found, bad
