"""Keeps the tables in these pages equal to the code: they stand between two comments.

`python -m docs.generate` rewrites them, `--check` exits with 1 when one would change.
"""

import argparse
import importlib
import pkgutil
import re
import sys
from calendar import day_name
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final, get_args, get_origin, get_type_hints

from litestar.testing import TestClient

import appliance
import sync
from appliance.app import create_app
from appliance.database.migrate import EDGE_MIGRATIONS, migrate
from appliance.errors import DarasaError
from appliance.maintenance.schedule import NIGHT, Job
from appliance.settings import Settings
from appliance.settings_reading import ENVIRONMENT_PREFIX
from sync.hub.settings import PREFIX, HubSettings
from sync.hub.telemetry import WHAT, WHAT_HERE, WHAT_IS_BEHIND
from sync.registry import NOT_SYNCED, TABLES

DOCS: Final = Path(__file__).parent
BLOCK: Final = re.compile(
    r"(?P<begin><!-- generated: (?P<name>[a-z-]+) -->\n).*?(?P<end><!-- end generated -->)",
    re.DOTALL,
)


def main() -> None:
    """Rewrite the pages, or say which would change."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 on drift")
    told = parser.parse_args()
    drifted = [page for page in sorted(DOCS.rglob("*.md")) if rewritten(page, told.check)]
    for page in drifted:
        print(f"{page.name}: {'drifted' if told.check else 'rewritten'}")  # noqa: T201 -- a command
    if told.check and drifted:
        sys.exit("The code says something else than these pages: run `make fix`.")


def rewritten(page: Path, check: bool) -> bool:  # noqa: FBT001 -- one caller, one word
    """Bring one page up to date unless only asked; return whether it was not."""
    text = page.read_text(encoding="utf-8")
    fresh = BLOCK.sub(filled, text)
    if fresh != text and not check:
        page.write_text(fresh, encoding="utf-8")
    return fresh != text


def filled(block: re.Match[str]) -> str:
    """Return the block with what the code says now."""
    return f"{block['begin']}{GENERATORS[block['name']]()}\n{block['end']}"


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out a table; `|` inside a cell is escaped."""
    lines = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines])


def first_line(documented: object) -> str:
    """Return the first sentence of a docstring."""
    return (documented.__doc__ or "").strip().split("\n")[0]


# Settings ---------------------------------------------------------------------------------


def settings() -> str:
    """Every setting of the box and the hub, from their Structs."""
    head = ("variable", "default", "allowed", "what")
    return f"""\
Box and agent read these variables. On the image they stand in `/etc/darasa/box.env`, one a line:

    DARASA_LESSON_HOURS=7:30-12,13-16
    DARASA_LINK_DAY_BYTES_MAX=20000000

The same names, in lower case and without the prefix, may stand in a TOML file given with
`--config`; a variable wins over the file:

    lesson_hours = "7:30-12,13-16"
    link_day_bytes_max = 20000000

A variable that is misspelt, or cannot have its value, is passed over by the box, which serves as
usual; *This box*, `darasa-box doctor` and the start say what it takes and which one is meant. The
agent does not start with such a value, since it may be a bound of the link. In the file for
`--config` any mistake is an error: nothing starts with it, and what runs is not touched.

{markdown(head, setting_rows(Settings, ENVIRONMENT_PREFIX))}

The hub has variables only; its unit reads them from `/etc/darasa/hub.env`.

{markdown(head, setting_rows(HubSettings, PREFIX))}"""


def setting_rows(struct: type, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    """One row for each field, in the order of the Struct."""
    hints = get_type_hints(struct, include_extras=True)
    fields: tuple[str, ...] = struct.__struct_fields__  # type: ignore[attr-defined]
    defaults = dict(zip(reversed(fields), reversed(struct.__struct_defaults__), strict=False))  # type: ignore[attr-defined]
    for name in fields:
        assert get_origin(hints[name]) is Annotated, f"{struct.__name__}.{name}: no description"
        meta = get_args(hints[name])[1]
        default = defaults.get(name)
        shown = "must be set" if default is None else f"`{default}`" if default != "" else "empty"
        yield f"`{prefix}{name.upper()}`", shown, allowed(meta), meta.description


def allowed(meta: object) -> str:
    """Say the range or the form of one setting."""
    ge, le, extra = (getattr(meta, name) for name in ("ge", "le", "extra"))
    if ge is not None:
        return f"{ge} to {le}"
    return str(extra["form"]) if extra else ""


# Errors -----------------------------------------------------------------------------------


def errors() -> str:
    """Every error code, from the classes of both packages."""
    import_everything()
    faults = {(each.code, where(each), each.status, each.title, each.hint) for each in family()}
    rows = ((f"`{code}`", *rest) for code, *rest in sorted(faults))
    return markdown(("code", "from", "status", "what it says", "what to do"), rows)


def where(fault: type[DarasaError]) -> str:
    """Say which program answers with this fault."""
    for package, program in (("sync.hub", "hub"), ("sync.agent", "agent"), ("appliance.", "box")):
        if fault.__module__.startswith(package):
            return "box, hub" if fault.__module__ == "appliance.errors" else program
    raise AssertionError(fault)


def family(root: type[DarasaError] = DarasaError) -> Iterator[type[DarasaError]]:
    """Yield the class and everything derived from it."""
    yield root
    for child in root.__subclasses__():
        yield from family(child)


def import_everything() -> None:
    """A class is known to its parent only once its module has been read."""
    for package in (appliance, sync):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


# Commands ---------------------------------------------------------------------------------


def commands() -> str:
    """Every command of the three programs, from their own parsers."""
    parsers = [
        importlib.import_module(f"{package}.__main__")._parser()  # noqa: SLF001 -- theirs, not a copy
        for package in ("appliance", "sync.agent", "sync.hub")
    ]
    return markdown(("command", "what it does"), (row for each in parsers for row in lines(each)))


def lines(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """One row for each sub-command."""
    for action in parser._actions:  # noqa: SLF001 -- argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for entry in action._get_subactions():  # noqa: SLF001
                usage = action.choices[entry.dest].format_usage()
                words = usage.removeprefix("usage: ").replace("[-h]", "").split()
                yield f"`{' '.join(words)}`", entry.help or ""


# Tables -----------------------------------------------------------------------------------


def tables() -> str:
    """Every table: what travels and how, and what stays at home and why."""
    writer = owners()
    head = ("table", "written by", "kind", "rank", "privacy", "retention", "subject")
    travelling = (
        (
            f"`{table.name}`",
            writer.get(table.name, "agent"),
            "fact" if table.is_fact else "row",
            table.rank,
            table.privacy,
            table.retention,
            f"`{table.subject}`" if table.subject else "",
        )
        for table in TABLES
    )
    staying = ((f"`{name}`", writer.get(name, ""), why) for name, why in sorted(NOT_SYNCED.items()))
    return f"""\
{markdown(head, travelling)}

What stays on the box:

{markdown(("table", "written by", "why"), staying)}"""


def owners() -> dict[str, str]:
    """Say which feature writes each table, from the OWNS of its commands."""
    import_everything()
    return {
        table: module.split(".")[-2]
        for module in sorted(sys.modules)
        if module.startswith("appliance.") and module.endswith(".commands")
        for table in sys.modules[module].OWNS
    }


# The night and the figures ----------------------------------------------------------------


def jobs() -> str:
    """The night, as it is scheduled."""
    rows = ((times(job), f"`{job.name}`", first_line(job.run), held_back(job)) for job in NIGHT)
    return markdown(("local time", "job", "what it does", "held back when"), rows)


def times(job: Job) -> str:
    """Say when a job runs."""
    day = "" if job.weekday is None else f"{day_name[job.weekday]} "
    return day + ", ".join(f"{hour:02}:{job.minute:02}" for hour in job.hours)


def held_back(job: Job) -> str:
    """Say what makes a job wait for the next night."""
    asked = [*job.guards, *([job.skip_if] if job.skip_if is not None else [])]
    return " ".join(map(first_line, asked))


def metrics() -> str:
    """Every metric: the box's as a box in a temporary folder shows them, and the hub's."""
    hub = (
        (f"darasa_hub_{name}", "counter" if name.endswith("_total") else "gauge", what)
        for name, what in (WHAT | WHAT_IS_BEHIND | WHAT_HERE).items()
    )
    rows = sorted([*exposed(box_metrics()), *hub])
    shown = ((f"`{name}`", kind, what) for name, kind, what in rows)
    return markdown(("metric", "kind", "what"), shown)


def box_metrics() -> str:
    """Start a real box without a network, and read its page of figures."""
    with TemporaryDirectory() as place:
        settings = Settings(data_dir=Path(place))
        migrate(settings.database, EDGE_MIGRATIONS, backups=settings.backups, now_ms=0)
        with TestClient(create_app(settings)) as client:
            return client.get("/metrics").raise_for_status().text


def exposed(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, kind and help from the Prometheus text format."""
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    for name, what in re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE):
        yield name, kinds[name], what


GENERATORS: Final[dict[str, Callable[[], str]]] = {
    generator.__name__: generator
    for generator in (settings, errors, commands, tables, jobs, metrics)
}

if __name__ == "__main__":
    main()
