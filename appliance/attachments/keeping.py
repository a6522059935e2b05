"""Which files of hand-ins lie on the card, whatever the power does.

A file is on the card before its row is, and gone before its row goes. So a cut may leave a file
that no row names, never the other way round. What goes is looked at inside a write transaction:
a row that is being added comes before the look or after it, and whoever adds one looks for the
file once more afterwards (`take_file`).
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, LiteralString

from appliance.attachments.queries import is_named
from appliance.attachments.receiving import INCOMING
from appliance.database.transaction import Transaction
from appliance.durable import sync_path

PART: Final = ".part"  # of a file that comes back from the district
NAME: Final = re.compile(r"([0-9a-f]{64})(?:\.part)?")

# Another pupil's row may name the same content; then the file is theirs as well.
ONLY_THEIRS: Final[LiteralString] = """
SELECT a.sha256
  FROM attachment AS a
 WHERE a.id = ?1
   AND NOT EXISTS (SELECT 1
                     FROM attachment AS o
                    WHERE o.sha256     = a.sha256
                      AND o.person_id <> a.person_id)
"""


def remove_files(tx: Transaction, folder: Path, attachments: Iterable[bytes]) -> None:
    """Take away what only the person of these rows has handed in; then the rows may go."""
    found = [tx.value(ONLY_THEIRS, (each,)) for each in attachments]
    _remove(folder, [content for content in found if isinstance(content, bytes)])


def remove_unnamed(tx: Transaction, folder: Path, contents: Iterable[bytes]) -> list[bytes]:
    """Take away those of these files that no row names; return which."""
    return _remove(folder, [content for content in contents if not is_named(tx, content)])


def clear_incoming(folder: Path) -> int:
    """Before anybody can upload: what lies there was cut off; return how many files."""
    cut_off = [path for path in (folder / INCOMING).glob("*") if path.is_file()]
    for path in cut_off:
        path.unlink(missing_ok=True)
    if cut_off:
        sync_path(folder / INCOMING)
    return len(cut_off)


def contents_in(folder: Path, *, in_part: bool = True) -> set[bytes]:
    """The hash of every file that lies there, whole or, if asked for, in part."""
    names = (NAME.fullmatch(path.name) for path in folder.glob("*"))
    return {
        bytes.fromhex(name[1])
        for name in names
        if name is not None and (in_part or not name[0].endswith(PART))
    }


def _remove(folder: Path, contents: list[bytes]) -> list[bytes]:
    """On disk before the transaction is: its COMMIT says that the files are gone."""
    for content in contents:
        for name in (content.hex(), content.hex() + PART):
            (folder / name).unlink(missing_ok=True)
    if contents and folder.is_dir():
        sync_path(folder)
    return contents
