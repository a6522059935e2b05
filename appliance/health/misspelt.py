"""Settings that mean nothing to the box: it serves without them, and says so."""

from collections.abc import Mapping
from typing import Final

from appliance.settings_reading import unknown_variables
from appliance.telemetry.findings import Finding

CORRECT_IT: Final = (
    "Whoever wrote it corrects /etc/darasa/box.env and restarts the box when no lesson runs."
)


def setting_findings(environ: Mapping[str, str]) -> list[Finding]:
    """One for each mistyped name; never red, since the school goes on."""
    return [
        Finding("soon", "settings", f"{words} It was passed over.", CORRECT_IT)
        for words in unknown_variables(environ)
    ]
