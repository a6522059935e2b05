"""Everything a school may set, with its unit and range.

How they are read, and what is said of one that is not right: settings_reading.py.
"""

from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct

# As people write them; 24 is the end of the day.
HOUR: Final = r"([01]?\d|2[0-4])"
MOMENT: Final = r"(([01]?\d|2[0-3])(:[0-5]\d)?|24(:00)?)"
DAY: Final = "(mon|tue|wed|thu|fri|sat|sun)"
HOURS_FORM: Final = "hours from 0 to 24, as `18-6,12-13`, or nothing"
MOMENTS_FORM: Final = "hours from 0 to 24, as `7:30-12,13-16`, or nothing"
DAYS_FORM: Final = (
    "the first three letters of English days, as `sun-thu` or `mon-fri,sat`, or nothing"
)
NAME_FORM: Final = "small letters, digits and hyphens, as `darasa`"


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The box's settings. Defaults suit the appliance image."""

    data_dir: Annotated[Path, Meta(description="Holds the database, the keys and the backups.")] = (
        Path("/var/lib/darasa")
    )
    run_dir: Annotated[
        Path,
        Meta(
            description="Where the machine says which newer release it has found, and listens for"
            " who switches it off."
        ),
    ] = Path("/run")
    host: Annotated[str, Meta(description="Address to listen on; all interfaces by default.")] = (
        "0.0.0.0"  # noqa: S104 -- the classroom must reach it; there is no other network
    )
    port: Annotated[
        int, Meta(ge=0, le=65_535, description="TCP port; 0 lets the system choose.")
    ] = 8000
    host_name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
            extra={"form": NAME_FORM},
            description="Name announced on the local network, without `.local`.",
        ),
    ] = "darasa"
    body_bytes_max: Annotated[
        int, Meta(ge=16_384, le=1 << 30, description="Largest request body, in bytes.")
    ] = 1 << 20
    queue_max: Annotated[
        int, Meta(ge=16, le=100_000, description="Writes that may wait; one more is told to retry.")
    ] = 4_096
    link_day_bytes_max: Annotated[
        int,
        Meta(
            ge=0,
            le=1 << 40,
            description="Bytes the sync agent may use in a day, both ways; 0 sets no bound.",
        ),
    ] = 0
    link_month_bytes_max: Annotated[
        int,
        Meta(ge=0, le=1 << 45, description="The same within any 31 days; 0 sets no bound."),
    ] = 0
    link_reserve_percent: Annotated[
        int,
        Meta(ge=0, le=90, description="Part of both bounds that only hand-ins and marks may use."),
    ] = 20
    link_hours: Annotated[
        str,
        Meta(
            pattern=rf"^$|^{HOUR}-{HOUR}(,{HOUR}-{HOUR})*$",
            extra={"form": HOURS_FORM},
            description="Local hours open to everything; outside them only hand-ins and marks are"
            " sent. Empty: always.",
        ),
    ] = ""
    lesson_hours: Annotated[
        str,
        Meta(
            pattern=rf"^$|^{MOMENT}-{MOMENT}(,{MOMENT}-{MOMENT})*$",
            extra={"form": MOMENTS_FORM},
            description="Local hours in which lessons may be given;"
            " housekeeping keeps out of them and of the 20 minutes around. Empty: it only waits"
            " until nobody has asked for anything in 5 minutes.",
        ),
    ] = "7-17"
    lesson_days: Annotated[
        str,
        Meta(
            pattern=rf"^$|^{DAY}(-{DAY})?(,{DAY}(-{DAY})?)*$",
            extra={"form": DAYS_FORM},
            description="Days on which lessons may begin. Empty: every day.",
        ),
    ] = ""
    reserve_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=1 << 34,
            description="Kept free on the card for hand-ins, given up when it is full; never more"
            " than a hundredth of the card.",
        ),
    ] = 64 << 20
    card_day_bytes_max: Annotated[
        int,
        Meta(
            ge=1 << 20,
            le=1 << 40,
            description="Bytes that may be written to the card in a day before the box page says"
            " so and housekeeping that writes waits.",
        ),
    ] = 2_000_000_000
    backup_dir: Annotated[
        str,
        Meta(
            description="Where backups go: a folder on another disk, prepared with"
            " `darasa-box backup-medium`. Empty: whatever prepared stick is plugged in."
        ),
    ] = ""

    @property
    def clock_file(self) -> Path:
        """What the hub or a phone last said the time is; counts until the next boot."""
        return self.data_dir / "clock"

    @property
    def clock_floor(self) -> Path:
        """The last time this card is known to have had; no boot begins before it."""
        return self.data_dir / "clock-floor"

    @property
    def reserve(self) -> Path:
        """Room on the card that is given up when there is no other."""
        return self.data_dir / "reserve"

    @property
    def card_wear(self) -> Path:
        """What was written to this card, day by day; it does not move to another one."""
        return self.data_dir / "card-wear"

    @property
    def running(self) -> Path:
        """Says that a box runs, and how the last one ended; gone after a clean stop."""
        return self.data_dir / "running"

    @property
    def database(self) -> Path:
        """The live database file. Only `appliance.database` opens it."""
        return self.data_dir / "school.db"

    @property
    def erased_people(self) -> Path:
        """Ids of people this box has forgotten; a restore leaves it alone."""
        return self.data_dir / "erased-people"

    @property
    def keys(self) -> Path:
        """The school's key files, mode 0600, outside the database."""
        return self.data_dir / "keys"

    @property
    def blobs(self) -> Path:
        """Files that were handed in, each under the SHA-256 of its content."""
        return self.data_dir / "blobs"

    @property
    def backups(self) -> Path:
        """Verified copies of the database."""
        return self.data_dir / "backups"

    @property
    def backup_work(self) -> Path:
        """Where backups are put together and tried out; empty in between."""
        return self.data_dir / "backup-work"

    @property
    def backup_runs(self) -> Path:
        """What became of each backup and each drill."""
        return self.data_dir / "backup-runs"

    @property
    def repairs(self) -> Path:
        """What the box did about a damaged database."""
        return self.data_dir / "repairs"

    @property
    def hands_off(self) -> Path:
        """There while the box repairs: the agent lets go of the files until it is gone."""
        return self.data_dir / "hands-off"
