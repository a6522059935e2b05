"""Reading the settings, and saying of one that is not right what it is for and how it is written.

From one TOML file and the environment; the environment wins. `DARASA_PORT=80` sets `port`. In the
file a mistake is an error. A mistaken DARASA_ variable is told, and the box serves without it: a
school must not stay shut after a power cut because somebody mistyped what it can do without. The
agent refuses a value that cannot be: without a bound the link may cost more than the school has.
"""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import msgspec
from msgspec import Meta

from appliance.errors import Invalid
from appliance.settings import Settings

ENVIRONMENT_PREFIX: Final = "DARASA_"
# The hub's, the image's update's, and what only the demo and the tests read.
OTHERS: Final = ("DARASA_HUB_", "DARASA_UPDATE_", "DARASA_TEST_")
VARIABLES: Final = {
    f"{ENVIRONMENT_PREFIX}{each.upper()}": each for each in Settings.__struct_fields__
}
LIKENESS_MIN: Final = 0.7  # two letters of eight may differ
_KINDS: Final = get_type_hints(Settings, include_extras=True)


class SettingWrong(Invalid):
    """The file of settings, or a DARASA_ variable, says what no box can do."""

    code = "setting-wrong"
    title = "A setting is not right"
    hint = "Correct it where it is written (on the image: /etc/darasa/box.env), and start again."


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the settings. Raises SettingWrong: unknown, out of range, or no such file."""
    values = {} if path is None else _from_file(path)
    values |= {
        name: _checked(name, environ[variable], f"The variable {variable}")
        for variable, name in VARIABLES.items()
        if variable in environ
    }
    return Settings(**values)


def load_forgivingly(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read them without the variables that are mistaken. Raises SettingWrong for the file."""
    wrong = wrong_values(environ)
    return load_settings(path, {name: environ[name] for name in environ if name not in wrong})


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Say of each variable that was meant for the box and means nothing to it which one does."""
    return [
        f"{_no_setting(name, ENVIRONMENT_PREFIX)} It was passed over."
        for name in sorted(environ)
        if _is_meant_for_us(name) and name not in VARIABLES
    ]


def wrong_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Say of each variable whose value cannot be what it takes."""
    found = {}
    for name in sorted(VARIABLES.keys() & environ.keys()):
        try:
            load_settings(None, {name: environ[name]})
        except SettingWrong as error:
            found[name] = f"{error.detail} The usual value counts until it is corrected."
    return found


def mistakes(environ: Mapping[str, str]) -> list[str]:
    """Everything that the box serves without, in whole sentences."""
    return [*unknown_variables(environ), *wrong_values(environ).values()]


def _is_meant_for_us(name: str) -> bool:
    is_bare = name in Settings.__struct_fields__  # as the file for --config has it
    return is_bare or (name.upper().startswith(ENVIRONMENT_PREFIX) and not name.startswith(OTHERS))


def _from_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingWrong(f"{path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        form = 'Each line is a name, = and a value, such as `port = 80` or `link_hours = "18-6"`.'
        raise SettingWrong(f"{path} cannot be read: {error}. {form}") from error
    for name in values:
        if name not in Settings.__struct_fields__:
            raise SettingWrong(f"{path}: {_no_setting(name)}")
    return {name: _checked(name, value, f"`{name}` in {path}") for name, value in values.items()}


def _checked(name: str, value: object, where: str) -> Any:
    try:
        return msgspec.convert(value, _KINDS[name], strict=False, dec_hook=_decode_path)
    except msgspec.ValidationError as error:
        kind, meta = get_args(_KINDS[name])
        form = form_of(kind, meta)
        wrong = f"{where} cannot be {_shown(value)}. It takes {form}."
        raise SettingWrong(f"{wrong} What it is for: {meta.description}") from error


def form_of(kind: type, meta: Meta) -> str:
    """How a value is written, for people."""
    if meta.extra is not None:
        return str(meta.extra["form"])
    if kind is int:
        return f"a whole number from {meta.ge} to {meta.le}"
    return "the name of a folder" if kind is Path else "words, in the file within quotes"


def _shown(value: object) -> str:
    return f"`{value}`" if value != "" else "empty"


def _no_setting(name: str, prefix: str = "") -> str:
    """Say so, with the name that comes nearest as it is written there."""
    typed = name.lower().removeprefix(ENVIRONMENT_PREFIX.lower())
    close = get_close_matches(typed, Settings.__struct_fields__, n=1, cutoff=LIKENESS_MIN)
    if not close:
        return f"{name} is no setting; the runbook lists all of them."
    return f"{name} is no setting; is {prefix + close[0].upper() if prefix else close[0]} meant?"


def _decode_path(wanted: type, value: Any) -> Path:
    assert wanted is Path, wanted
    if not isinstance(value, str):
        raise msgspec.ValidationError
    return Path(value).expanduser()
