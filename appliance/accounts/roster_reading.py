"""Whatever came in: pasted text, one file, a folder's files, or a zip of them."""

from typing import Final

from appliance.accounts.roster import Roster, RosterRefused, require_useful
from appliance.accounts.roster_list import read_list
from appliance.accounts.roster_oneroster import is_oneroster, read_oneroster
from appliance.accounts.roster_tables import decode
from appliance.archives import read_zip

FILES_MAX: Final = 40  # OneRoster knows 17
UNPACKED_BYTES_MAX: Final = 32 << 20
ZIP_MARK: Final = b"PK\x03\x04"
SPREADSHEET: Final = "[Content_Types].xml"  # an .xlsx file is a zip with this in it
EMPTY_ZIP_MARK: Final = b"PK\x05\x06"


def read_text(text: str, *, class_is_chosen: bool) -> Roster:
    """Read what was pasted. Raises RosterRefused."""
    if "\0" in text:
        raise RosterRefused("the list: this is not text")
    return require_useful(read_list("", text, class_is_chosen=class_is_chosen))


def read_files(files: dict[str, bytes], *, class_is_chosen: bool) -> Roster:
    """Read uploaded files. Raises RosterRefused, BrokenArchive, TooLarge."""
    plain = _unpacked(files)
    if is_oneroster(plain):
        return require_useful(read_oneroster(plain))
    if len(plain) != 1:
        raise RosterRefused("these files are no register: users.csv or Student.csv is missing")
    ((name, data),) = plain.items()
    decoded = decode(name, data)
    roster = read_list(name, decoded.text, class_is_chosen=class_is_chosen)
    roster.notes[:0] = [decoded.note] if decoded.note else []
    return require_useful(roster)


def _opened(name: str, data: bytes) -> dict[str, bytes]:
    opened = read_zip(data, files_max=FILES_MAX, bytes_max=UNPACKED_BYTES_MAX)
    if SPREADSHEET in opened:
        raise RosterRefused(f"{name} is a spreadsheet: save it as CSV and send that file")
    return opened


def _unpacked(files: dict[str, bytes]) -> dict[str, bytes]:
    plain: dict[str, bytes] = {}
    for name, data in files.items():
        if data.startswith((ZIP_MARK, EMPTY_ZIP_MARK)):
            plain |= _opened(name, data)
        else:
            plain[name] = data
    for name, data in plain.items():
        if data.startswith(ZIP_MARK):
            raise RosterRefused(f"{name} is a zip file inside a zip file")
    if len(plain) > FILES_MAX:
        raise RosterRefused(f"{len(plain)} files are more than a register has")
    return plain
