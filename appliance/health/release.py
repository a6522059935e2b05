"""A newer release that `darasa-update.timer` has found; only the image asks for any.

The file is the machine's, and what is in it came from the network: nothing of it is shown but a
version, and nothing at all when it names none. It goes when the machine stops.
"""

from importlib.metadata import version
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from appliance.settings import Settings

OFFER: Final = "darasa-update/offer.json"
BYTES_MAX: Final = 16_384
HOW: Final = "Ask your supplier, or follow the runbook: /usr/lib/darasa/update install"


class Offer(Struct, frozen=True):
    """What the machine has found."""

    version: Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6}){1,3}\Z")]


_read: Final = msgspec.json.Decoder(Offer)


def newer_release(settings: Settings, running: str = version("darasa")) -> str | None:
    """The version that can be put on this box; None once it runs that one or a newer."""
    try:
        with (settings.run_dir / OFFER).open("rb") as file:
            offered = _read.decode(file.read(BYTES_MAX)).version
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return offered if _numbers(offered) > _numbers(running) else None


def release_figures(newer: str | None) -> dict[str, str]:
    """One line beside the other figures, and none where there is nothing newer."""
    return {} if newer is None else {"Newer version": f"{newer} can be put on this box. {HOW}"}


def _numbers(words: str) -> tuple[int, ...]:
    return tuple(int(each) for each in words.split("."))
