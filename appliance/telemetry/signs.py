"""Reads everything the findings are made from, in one go."""

from appliance.backups.words import backup_lines
from appliance.clock import TOLD
from appliance.database.migrate import migrations_ahead
from appliance.database.reader import Reader
from appliance.settings import Settings
from appliance.telemetry.card import read_wear
from appliance.telemetry.findings import Signs
from appliance.telemetry.queries import (
    END_OF_TIME_MS,
    clients,
    contact,
    last_runs,
    last_success_of,
    unsent,
)
from appliance.telemetry.vitals import Vitals


def read_signs(
    db: Reader,
    settings: Settings,
    vitals: Vitals,
    *,
    now_ms: int,
    clock_quality: int,
    host_name: str | None = None,
) -> Signs:
    """Ask the database and the card's account; `vitals` were read beside it."""
    until_ms = now_ms if clock_quality >= TOLD else END_OF_TIME_MS  # who knows what is to come
    return Signs(
        now_ms=now_ms,
        clock_quality=clock_quality,
        vitals=vitals,
        contact=contact(db),
        unsent=unsent(db),
        runs=last_runs(db),
        clients=clients(db, now_ms=now_ms),
        backup_at_ms=last_success_of(db, "backup", until_ms=until_ms),
        check_at_ms=last_success_of(db, "quick-check", until_ms=until_ms),
        backups=backup_lines(settings, now_ms=now_ms),
        card_day=read_wear(settings.card_wear).latest_day,
        card_day_bytes_max=settings.card_day_bytes_max,
        host_name=host_name,
        host_name_wanted=settings.host_name,
        migrations_ahead=migrations_ahead(db),
    )
