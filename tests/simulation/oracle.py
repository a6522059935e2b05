"""The causal oracle: what must still be there, whatever happened.

Every acknowledged write is a value; its parents are the values it replaced. A value is
safe while it, or one that was written over it, is held by a live board or the hub, as a
current row or in sync_conflict. What an accident wiped from the last place that held it is
excused at that moment and never afterwards: no protocol brings back what is nowhere.
"""

from msgspec import Struct


class Value(Struct):
    """One image of a row. Nothing is owed for it before it is acknowledged, or once excused."""

    is_owed: bool = False


class Oracle:
    """Remembers every value; asks the world who holds what."""

    def __init__(self):
        self.values = {}
        self.children = {}
        self.subjects = {}  # (table, id) -> the person it is about
        self.forgotten = set()  # people whose rows nobody is to have any more
        self.undoable = set()  # the hub's own: a rollback undoes them, and the school's are back

    def tried(self, key, parent):
        """A write is about to be committed; cut off here it may be on the disk or not."""
        self.values[key] = Value()
        if parent is not None:
            self.children.setdefault(parent, []).append(key)

    def followed(self, parent, key):
        """The agent wrote `key` over `parent` by itself; the same again after a power cut."""
        self.values.setdefault(key, Value())
        if key not in self.children.setdefault(parent, []):
            self.children[parent].append(key)

    def acknowledged(self, key):
        self.values[key].is_owed = True

    def unsafe(self, held):
        """Values that neither are held nor were written over by one that is."""
        return [
            key
            for key, value in self.values.items()
            if value.is_owed and not self.is_forgotten(key) and not self._is_safe(key, held)
        ]

    def is_forgotten(self, key):
        """Whether a row, named by its table and id, is about somebody who was erased."""
        return self.subjects.get(key[:2]) in self.forgotten

    def excuse(self, held):
        """An accident happened: what is nowhere now was lost by it, not by the protocol."""
        for key in self.unsafe(held):
            self.values[key].is_owed = False

    def overtaken(self, currents, held):
        """Current images over which another one, that still exists, was written (I13)."""
        return [
            key
            for key in currents
            if any(
                self._is_safe(child, held)
                for child in self.children.get(key, [])
                if child not in self.undoable
            )
        ]

    def _is_safe(self, key, held):
        open_keys, seen = [key], set()
        while open_keys:
            found = open_keys.pop()
            if found in held:
                return True
            seen.add(found)
            open_keys += [child for child in self.children.get(found, []) if child not in seen]
        return False
