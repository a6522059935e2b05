"""Settings that the box cannot follow: it serves without them, and says so."""

from collections.abc import Mapping
from typing import Final

from appliance.settings_reading import mistakes
from appliance.telemetry.findings import Finding

CORRECT_IT: Final = (
    "Whoever wrote it corrects /etc/darasa/box.env and restarts the box when no lesson runs."
)


def setting_findings(environ: Mapping[str, str]) -> list[Finding]:
    """One for each; never red, since the school goes on."""
    return [Finding("soon", "settings", words, CORRECT_IT) for words in mistakes(environ)]
