"""The box's health and its clock as JSON, and what a phone says the time is."""

from typing import Annotated

from msgspec import Meta, Struct

from appliance.clock import AHEAD_OF_BUILD_MS_MAX, BUILD_FLOOR_MS
from appliance.telemetry.findings import Finding, Level

PhoneMs = Annotated[
    int,
    Meta(
        ge=BUILD_FLOOR_MS,
        le=BUILD_FLOOR_MS + AHEAD_OF_BUILD_MS_MAX,
        description="UTC milliseconds by the phone's clock.",
    ),
]


class PhoneTime(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a phone says the time is."""

    phone_ms: PhoneMs


class ClockForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same from a page: the script fills in `phone_ms`, a person without one `local`."""

    phone_ms: str = ""
    local: str = ""


class ClockRead(Struct, frozen=True, kw_only=True):
    """The box's time, how far it can be believed, and who said so."""

    now_ms: int
    quality: int
    is_sure: bool
    source: str


class HealthRead(Struct, frozen=True, kw_only=True):
    """One word, what there is to do, and the figures behind it."""

    status: Level
    findings: list[Finding]
    figures: dict[str, str]
