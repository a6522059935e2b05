"""Our own code as data: the SQL constants of every module, and where they are used."""

import ast
import re
import subprocess
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[1]
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
WRITTEN = re.compile(r"\b(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|UPDATE|DELETE\s+FROM)\s+([a-z_]+)")


class Statement(Struct, frozen=True):
    """One `NAME: Final[LiteralString] = "…"` of one module."""

    module: str  # as imported: appliance.classes.queries
    name: str
    sql: str

    @property
    def label(self):
        return f"{self.module}.{self.name}"

    @property
    def tables_written(self):
        """Name what it changes; `ON CONFLICT … DO UPDATE SET` names no table of its own."""
        return set(WRITTEN.findall(self.sql))


def modules(*packages):
    """Yield (dotted name, syntax tree) of every module in `packages`."""
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield dotted.removesuffix(".__init__"), ast.parse(path.read_text())


def statements(*packages):
    """Return every SQL constant; a table of them (`dict[str, LiteralString]`) counts each."""
    found = []
    for module, tree in modules(*packages):
        for node in tree.body:
            if isinstance(node, ast.AnnAssign) and "LiteralString" in ast.unparse(node.annotation):
                texts = [n.value for n in ast.walk(node.value) if _is_text(n)]
                found += [Statement(module, node.target.id, sql) for sql in texts if " " in sql]
    return found


def tracked_texts():
    """Yield (path, text) of every file under version control that is text."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and b"\0" not in (raw := path.read_bytes()):
            yield name, raw.decode("utf-8", errors="replace")


def _is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
