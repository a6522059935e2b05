"""What an operator may set: `DARASA_HUB_PORT=8100` sets `port`.

From the environment, or from the file with connection strings that systemd hands to the unit: what
is in there is in nobody's environment and in no program that the hub starts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from appliance.errors import Invalid

PREFIX: Final = "DARASA_HUB_"
FOLDER: Final = "CREDENTIALS_DIRECTORY"  # systemd.exec(5)
FILE: Final = "hub.env"


class HubSettings(Struct, frozen=True, kw_only=True):
    """The hub's settings; only `dsn` has no default."""

    dsn: Annotated[
        str, Meta(min_length=1, description="PostgreSQL as the owner of the tables; migrates.")
    ]
    ingest_dsn: Annotated[
        str, Meta(description="PostgreSQL as darasa_ingest; `dsn` with that user when empty.")
    ] = ""
    web_dsn: Annotated[
        str, Meta(description="PostgreSQL as darasa_web; `dsn` with that user when empty.")
    ] = ""
    read_dsn: Annotated[
        str, Meta(description="A replica as darasa_web, for reports; the primary when empty.")
    ] = ""
    is_pooled: Annotated[
        bool, Meta(description="true: PgBouncer, pooling by transaction, stands in between.")
    ] = False
    web_connections: Annotated[
        int, Meta(ge=1, le=100, description="Connections for pages; as many again for reports.")
    ] = 4
    redis_url: Annotated[
        str,
        Meta(description="Redis or Valkey: several hubs count guesses together."),
    ] = ""
    backup_dsn: Annotated[
        str, Meta(description="PostgreSQL as a role with REPLICATION, for `backup`; else `dsn`.")
    ] = ""
    postgres_bin: Annotated[
        Path | None, Meta(description="Where pg_basebackup is; else looked for by its release.")
    ] = None
    data: Annotated[Path, Meta(description="Holds the hub's signing key and claim code.")] = Path(
        "/var/lib/darasa-hub"
    )
    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65_535, description="TCP port; 0 lets the system choose.")
    ] = 8100
    ingest_at_once: Annotated[
        int, Meta(ge=1, le=64, description="Segments merged at the same time, each its own school.")
    ] = 4

    @property
    def key_file(self) -> Path:
        """The seed of the hub's Ed25519 key, mode 0600."""
        return self.data / "hub.key"

    @property
    def erased_file(self) -> Path:
        """Whom the district has forgotten; a restore of the database leaves it alone."""
        return self.data / "erased-people"

    @property
    def sticks_folder(self) -> Path:
        """What was uploaded of sticks while it is taken in, and answers of the last week."""
        return self.data / "sticks"

    @property
    def claim_file(self) -> Path:
        """The claim code, mode 0600, until the district is claimed."""
        return self.data / "claim-code"


def load_settings(environ: Mapping[str, str]) -> HubSettings:
    """Read the settings. Raises Invalid when one is missing or out of range."""
    names = {f"{PREFIX}{name.upper()}": name for name in HubSettings.__struct_fields__}
    told = {**_handed_over(environ), **environ}
    values = {names[key]: text for key, text in told.items() if key in names}
    try:
        return msgspec.convert(values, HubSettings, strict=False, dec_hook=_decode_path)
    except msgspec.ValidationError as error:
        raise Invalid(f"hub settings: {error}") from error


def _handed_over(environ: Mapping[str, str]) -> dict[str, str]:
    """The lines NAME=value of the unit's file, written as for EnvironmentFile=."""
    file = Path(environ.get(FOLDER, "")) / FILE
    if FOLDER not in environ or not file.exists():
        return {}
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.partition("=") for line in map(str.strip, lines) if line[:1] not in {"#", ";"})
    return {name: _bare(value.strip()) for name, _, value in pairs}


def _bare(value: str) -> str:
    is_quoted = value[:1] in {"'", '"'} and value[:1] == value[-1:]
    return value[1:-1] if is_quoted else value


def _decode_path(wanted: type, value: Any) -> Path:
    assert wanted is Path, wanted
    return Path(value).expanduser()
