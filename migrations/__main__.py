"""`make migration NAME=what_it_does`: the next file of the box, with the triggers it will need.

Its first line says the oldest schema whose program can still work on the file afterwards: its own
number, unless the step only adds (docs/decisions/0020-going-back-serves.md).

The sync registry says which tables are captured; the triggers of those that no migration has yet
are printed below the heading, so that a new synced table cannot be forgotten by hand.
"""

import re
import sys
from pathlib import Path
from typing import Final

from sync.capture import triggers
from sync.registry import TABLES

EDGE: Final = Path(__file__).parent / "edge"
NAME: Final = re.compile(r"[a-z][a-z0-9_]{2,60}")
HEADING: Final = """\
-- works from: {version:04}
-- What this changes, and why.

"""


def main() -> None:
    """Write the file and print its path; an unfit name is an exit status of 2."""
    if len(sys.argv) != 2 or not NAME.fullmatch(sys.argv[1]):
        sys.exit("usage: make migration NAME=lower_case_words")
    print(write_next(EDGE, sys.argv[1]))


def write_next(folder: Path, name: str) -> Path:
    """Write the file that follows the last one in `folder`; never over an existing one."""
    earlier = sorted(folder.glob("*.sql"))
    known = "".join(path.read_text(encoding="utf-8") for path in earlier)
    missing = [table for table in TABLES if f"TRIGGER {table.name}_captured " not in known]
    path = folder / f"{len(earlier) + 1:04}_{name}.sql"
    with path.open("x", encoding="utf-8") as file:
        heading = HEADING.format(version=len(earlier) + 1)
        file.write(heading + "\n".join(triggers(table) for table in missing))
    return path


if __name__ == "__main__":
    main()
