"""What the district may set for its boxes: what a school's link may cost. Read on both sides.

Names, units and ranges are those of the box's own settings. What the box's keeper has set
stands before anything the district says.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, Literal, get_type_hints

import msgspec
from msgspec import structs

from appliance.settings import Settings

Settable = Literal["link_day_bytes_max", "link_month_bytes_max", "link_hours"]

KINDS: Final = get_type_hints(Settings, include_extras=True)
LABELS: Final[dict[Settable, str]] = {
    "link_day_bytes_max": "Bytes a day over the link",
    "link_month_bytes_max": "Bytes in 31 days over the link",
    "link_hours": "Hours open to everything",
}
_DEFAULTS: Final = Settings()


BYTES_MIN: Final = 100_000  # with less a box could not even hear that it may have more


def checked(key: Settable, value: object) -> Any:
    """Return the value as the box will hold it. Raises msgspec.ValidationError."""
    found = msgspec.convert(value, KINDS[key], strict=False)
    if isinstance(found, int) and 0 < found < BYTES_MIN:
        raise msgspec.ValidationError(f"Expected 0, or `int` >= {BYTES_MIN}")
    return found


def settings_with(settings: Settings, given: Iterable[tuple[str, str]]) -> Settings:
    """Fill in what the keeper has left as it was, from names and JSON values.

    A later release of the hub may set what this one does not know, or cannot be: that is passed
    over. An agent that fell over it would never hear of its being put right.
    """
    told = {key: _told(key, value) for key, value in given if key in LABELS}
    return structs.replace(
        settings,
        **{
            key: value
            for key, value in told.items()
            if value is not None and getattr(settings, key) == getattr(_DEFAULTS, key)
        },
    )


def _told(key: Settable, value: str) -> Any:
    """What the district says, as the box will hold it; None where the box cannot."""
    with suppress(msgspec.DecodeError):
        return checked(key, msgspec.json.decode(value, type=int | str))
    return None
