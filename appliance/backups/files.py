"""What pupils handed in as files, beside the backups: each once, sealed, named by its SHA-256.

And by the key it is sealed with: a board that was filled by the district has new keys, and its
stick may still hold backups that only the former ones open.

A file is read back from the medium when it was written, and again in turn: every backup and every
drill reads one part of 28, so that each is read within 28 trials (four weeks of nights). One
that does not give back what its name says is written anew from the card. Where the card has not
got it either it goes, so that it is carried again once the district has brought it.
"""

import errno
import hashlib
from pathlib import Path
from typing import Final

from msgspec import Struct
from nacl.encoding import HexEncoder
from nacl.exceptions import CryptoError
from nacl.hash import blake2b
from nacl.secret import Aead

from appliance.accounts.keys import SchoolKeys
from appliance.backups.label import Label, open_for_box
from appliance.backups.media import Medium, appearing, forget_cached
from appliance.durable import is_regular, make_private_folder, put_private

FILES: Final = "files"
SEALED_ENDING: Final = ".sealed"
READ_LAST: Final = "files-read"  # the part that was read again last; it lies on the medium itself
HASH_BYTES: Final = 32
KEY_MARK_BYTES: Final = 4
KEY_MARK_IS_FOR: Final = b"darasa-files"
TRIALS: Final = 28


class Again(Struct, frozen=True):
    """What came of reading some of them once more."""

    read: int = 0
    mended: int = 0
    gone: int = 0


def names_in(label: Label) -> list[str]:
    """The files a backup needs, by name."""
    places = range(0, len(label.files), HASH_BYTES)
    return [label.files[at : at + HASH_BYTES].hex() for at in places]


def sealed_at(folder: Path, name: str, keys: SchoolKeys) -> Path:
    """Where a file lies beside the backups of `folder`."""
    return folder / FILES / f"{name}{ending_of(keys)}"


def ending_of(keys: SchoolKeys) -> str:
    """What the files end in that these keys open."""
    mark = blake2b(
        b"",
        digest_size=KEY_MARK_BYTES,
        key=keys.sealing_key,
        person=KEY_MARK_IS_FOR,
        encoder=HexEncoder,
    )
    return f".{mark.decode()}{SEALED_ENDING}"


def carry_files(blobs: Path, medium: Medium, keys: SchoolKeys, names: list[str]) -> int:
    """Put what is not there yet beside the backups; return how many this card lacks as well."""
    lacking = 0
    for name in names:
        if not sealed_at(medium.folder, name, keys).exists():
            lacking += not _carry(blobs, medium, keys, name)
    return lacking


def read_again(blobs: Path, medium: Medium, keys: SchoolKeys) -> Again:
    """Read the next part of what has lain there for long, and mend what is damaged."""
    mended, gone, part = 0, 0, _next_part(medium)
    names = _in_part(medium, keys, part)
    for name in names:
        path = sealed_at(medium.folder, name, keys)
        if is_regular(path):
            forget_cached(path)
        if open_file(path, name, keys) is not None:
            continue
        path.unlink()
        if _carry(blobs, medium, keys, name):
            mended += 1
        else:
            gone += 1
    put_private(medium.folder / READ_LAST, str(part).encode())
    return Again(len(names), mended, gone)


def open_file(path: Path, name: str, keys: SchoolKeys) -> bytes | None:
    """What was handed in; None when this is not what its name says, or cannot be read."""
    try:
        if not is_regular(path):
            return None
        content = Aead(keys.sealing_key).decrypt(path.read_bytes())
    except (CryptoError, ValueError):
        return None
    except OSError as error:
        if error.errno != errno.EIO:  # a stick that was pulled out is no rotten file
            raise
        return None
    return content if _is(content, name) else None


def forget_unnamed(medium: Medium, stay: list[Label], keys: SchoolKeys) -> None:
    """Take away the files that none of these backups names any more."""
    ours = [label for label in stay if open_for_box(label.for_box, keys.sealing_key)]
    named = {name for label in ours for name in names_in(label)}
    for file in (medium.folder / FILES).glob(f"*{SEALED_ENDING}"):
        is_ours = file.name.endswith(ending_of(keys))
        if file.name.partition(".")[0] not in named if is_ours else len(ours) == len(stay):
            file.unlink()


def files_words(again: Again, lacking: int) -> str:
    """Say it after what a backup says of itself."""
    words = [f"{again.read} of the photos and files on it read again"] if again.read else []
    if again.mended:
        words.append(f"{again.mended} damaged ones written anew")
    if again.gone:
        words.append(f"{again.gone} were damaged, and this card has not got them either")
    if lacking:
        words.append(f"{lacking} that neither it nor this card has wait for the district")
    return "".join(f"; {each}" for each in words)


def _carry(blobs: Path, medium: Medium, keys: SchoolKeys, name: str) -> bool:
    """Write one and read it back; False where the card has no sound one."""
    source, target = blobs / name, sealed_at(medium.folder, name, keys)
    content = source.read_bytes() if source.exists() else b""
    if not _is(content, name):
        return False
    make_private_folder(target.parent)
    with appearing(target) as partial:
        partial.write_bytes(Aead(keys.sealing_key).encrypt(content))
        forget_cached(partial)
        if open_file(partial, name, keys) is None:
            raise OSError(errno.EIO, "a file does not read back as it was written")
    return True


def _is(content: bytes, name: str) -> bool:
    return hashlib.sha256(content).hexdigest() == name


def _next_part(medium: Medium) -> int:
    """The part after the one that was read last, on whatever board that was."""
    noted = medium.folder / READ_LAST
    try:
        return (int(noted.read_text("ascii", "replace")) + 1) % TRIALS if noted.is_file() else 0
    except ValueError:
        return 0


def part_of(name: str) -> int:
    """In which of the parts a file is: hashes are spread evenly, however many there are."""
    return int(name[:8], 16) * TRIALS >> 32


def _in_part(medium: Medium, keys: SchoolKeys, part: int) -> list[str]:
    there = (medium.folder / FILES).glob(f"*{ending_of(keys)}")
    names = [path.name.partition(".")[0] for path in there]
    return [name for name in names if part_of(name) == part]
