"""The district opens one box backup for a school that has lost its recovery code.

It says a code for that one file; the file itself never has to leave the school, its first
megabyte is enough. Who may run this has the hub's key in hand already.
"""

from pathlib import Path
from typing import Final

from appliance.backups.label import (
    LABEL_BYTES_MAX,
    LabelUnreadable,
    code_of,
    open_for_district,
    unpack_label,
)
from sync.hub.faults import NotForThisDistrict
from sync.hub.keys import HubKey

READ_MAX: Final = LABEL_BYTES_MAX


def backup_code(path: Path, key: HubKey) -> tuple[str, str]:
    """Return the school's name and the code. Raises NotForThisDistrict."""
    with path.open("rb") as file:
        begin = file.read(READ_MAX)
    try:
        label = unpack_label(begin)
    except LabelUnreadable as error:
        raise NotForThisDistrict(f"{path} does not begin like a backup of a school box") from error
    secret = open_for_district(label.for_district or b"", key.private)
    if secret is None:
        raise NotForThisDistrict(f"{path}, a backup of {label.school_name}")
    return label.school_name, code_of(secret)
