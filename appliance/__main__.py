"""`darasa-box`: serve the school, and look after its one file."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from appliance.accounts.faults import NotClaimed, WrongRecoveryCode
from appliance.accounts.queries import identity, is_claimed, school
from appliance.app import APP_VERSION
from appliance.attachments.keeping import clear_incoming
from appliance.backups.drill import restore_drill
from appliance.backups.making import back_up_away
from appliance.backups.sticks import prepare_alone
from appliance.backups.words import plain_backup_lines
from appliance.clock import listen, system_clock
from appliance.courses.commands import foresee_import
from appliance.courses.disk import course_on_disk, import_from_disk, report_lines
from appliance.database.faults import DatabaseMissing
from appliance.database.integrity import full_check, quick_check
from appliance.database.lock import only_box, shared_lock
from appliance.database.migrate import (
    EDGE_MIGRATIONS,
    file_version,
    migrate,
    require_schema,
    schema_version,
)
from appliance.database.readers import Readers
from appliance.district.queries import sync_status
from appliance.district.words import plain_lines
from appliance.erasures.listing import forget_listed
from appliance.errors import DarasaError
from appliance.health.bundle import write_bundle
from appliance.health.doctor import diagnose
from appliance.health.doctor import lines as doctor_lines
from appliance.maintenance.off_duty import carry_off_duty, copy_off_duty
from appliance.maintenance.stops import note_lessons, noting_the_stop
from appliance.maintenance.weekly import check_if_overdue
from appliance.repair import Footing, find_footing
from appliance.restore import back_up_plainly, open_keys, restore_school
from appliance.server import listening_socket, port_of, serve, serve_lessons
from appliance.settings import Settings
from appliance.settings_reading import load_forgivingly, mistakes

FAILED: Final = 1


def main() -> None:
    """Run one command; a refusal is one sentence and a hint, not a traceback."""
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Run the command in `words` and return the exit status."""
    told = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        for mistake in mistakes(os.environ):
            print(mistake, file=sys.stderr)
        settings = load_forgivingly(told.config, os.environ)
        listen(settings.clock_file, settings.clock_floor)  # what is named by time is named well
        status: int = told.command(settings, told)
    except DarasaError as error:
        print(f"{error.title}: {error.detail}\n{error.hint}", file=sys.stderr)
        return FAILED
    except OSError as error:
        what = f": {error.filename}" if error.filename else ""
        print(f"The machine refused: {error.strerror or error}{what}", file=sys.stderr)
        return FAILED
    return status


def _serve(settings: Settings, _told: argparse.Namespace) -> int:
    """An empty machine gets its first schema here; anything older waits for `migrate`.

    After an unclean stop the database is looked at first, and repaired or replaced by a backup.
    """
    with only_box(settings.data_dir):
        footing = _footing(settings)
        if footing.state != "reading":
            _serve_school(settings, footing)
            return 0
    listener = listening_socket(settings)
    with suppress(OSError):  # a card that can only be read takes no mark
        note_lessons(settings.running, port=port_of(listener))
    serve_lessons(settings, listener, footing.words, may_pass=footing.may_pass)
    return 0


def _footing(settings: Settings) -> Footing:
    footing = find_footing(settings, now_ms=system_clock())
    print("\n".join(footing.words), file=sys.stderr, end="\n" if footing.words else "")
    return footing


def _serve_school(settings: Settings, footing: Footing) -> None:
    if footing.state == "new" and schema_version(settings.database) == 0:
        _apply_migrations(settings)
    if footing.state == "restored":  # the backup may be of an earlier release
        _apply_migrations(settings)
    listener = listening_socket(settings)  # a taken port is told before anything is touched
    with noting_the_stop(settings.running, port=port_of(listener)):
        _tidy_up(settings)
        serve(settings, listener)


def _tidy_up(settings: Settings) -> None:
    """A backup may hold people this box has forgotten; nobody is served before they are gone.

    And what a power cut has left of an upload goes: the phone sends it again.
    """
    require_schema(settings.database)
    with shared_lock(settings.data_dir):
        clear_incoming(settings.blobs)
        forget_listed(
            settings.database, settings.erased_people, files=settings.blobs, now_ms=system_clock()
        )


def _migrate(settings: Settings, _told: argparse.Namespace) -> int:
    """A database that is damaged is no database to migrate: it is repaired first."""
    with only_box(settings.data_dir):
        if _footing(settings).state == "reading":
            return FAILED
        for name in _apply_migrations(settings) or ["nothing to do"]:
            print(name)
    return 0


def _apply_migrations(settings: Settings) -> list[str]:
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    applied = migrate(
        settings.database, EDGE_MIGRATIONS, backups=settings.backups, now_ms=system_clock()
    )
    return [f"applied {each.version:04} {each.name} in {each.took_ms} ms" for each in applied]


def _check(settings: Settings, told: argparse.Namespace) -> int:
    _require_database(settings)
    if told.copy:
        state, words = check_if_overdue(settings, now_ms=system_clock())
        print(words)
        return FAILED if state == "failed" else 0
    report = (full_check if told.full else quick_check)(settings.database)
    for problem in [*report.problems, *map(str, report.dangling)]:
        print(problem)
    print("the database is sound" if report.is_ok else "the database is damaged: see the runbook")
    return 0 if report.is_ok else FAILED


def _backup(settings: Settings, told: argparse.Namespace) -> int:
    _require_database(settings)
    if told.plain:
        result = back_up_plainly(settings, told.plain)
        print(f"{told.plain}: {result.size_bytes} bytes in {result.took_ms} ms, checked")
        return 0
    with shared_lock(settings.data_dir):
        run = back_up_away(
            settings, app_version=APP_VERSION, now_ms=system_clock(), root=told.folder
        )
    print(f"{run.place}: {run.file}, {run.size_bytes} bytes in {run.took_ms} ms, sealed")
    print(f"restored to test it: {run.rows} rows, {run.words}")
    if run.is_same_card:
        print("This is the box's own card: whatever happens to the card happens to this backup.")
    return 0


def _nightly_copy(settings: Settings, _told: argparse.Namespace) -> int:
    """For the timer: it must survive a box that does not run, and leave one that does in peace."""
    _require_database(settings)
    with shared_lock(settings.data_dir):  # not while it is migrated, repaired or restored
        now_ms = system_clock()
        print(copy_off_duty(settings, now_ms=now_ms))
        print(f"stick: {carry_off_duty(settings, app_version=APP_VERSION, now_ms=now_ms)}")
    return 0


def _backup_medium(settings: Settings, told: argparse.Namespace) -> int:
    _require_database(settings)
    require_schema(settings.database)
    with closing(Readers(settings.database)) as readers:
        known = school(readers.here)
    if known is None:
        raise NotClaimed("it was never claimed")
    medium = prepare_alone(settings, told.folder, known.id, known.name)
    print(f"{medium.root} takes the backups of {known.name}, every night that it is plugged in.")
    return 0


def _restore_drill(settings: Settings, _told: argparse.Namespace) -> int:
    _require_database(settings)
    require_schema(settings.database)
    with closing(Readers(settings.database)) as readers:
        known = school(readers.here)
    with shared_lock(settings.data_dir):
        run = restore_drill(settings, known.id if known else None, now_ms=system_clock())
    print(f"{run.file}: restored and read, {run.rows} rows, {run.words}")
    return 0


def _restore(settings: Settings, told: argparse.Namespace) -> int:
    ask = partial(_typed, "Recovery code, or the district's code for this backup: ")
    for line in restore_school(settings, told.backup, code=ask, now_ms=system_clock()):
        print(line)
    return 0


def _typed(question: str) -> str:
    """Ask on the console. Raises WrongRecoveryCode where nobody is there to answer."""
    try:
        return input(question)
    except EOFError as error:
        raise WrongRecoveryCode("nothing was typed") from error


def _open_keys(settings: Settings, told: argparse.Namespace) -> int:
    open_keys(settings, told.sealed, _typed("Recovery code: "))
    print(f"the keys are in {settings.keys}")
    return 0


def _export(settings: Settings, told: argparse.Namespace) -> int:
    # Here and not above: it brings the second SQLite library, which the server must never load.
    from appliance.export import export_school  # noqa: PLC0415

    _require_database(settings)
    for table in export_school(settings.database, told.folder):
        print(f"{table.table}: {table.rows} rows")
    return 0


def _import_course(settings: Settings, told: argparse.Namespace) -> int:
    """Safe beside the running box: SQLite lets one of the two write at a time."""
    _require_database(settings)
    require_schema(settings.database)
    with shared_lock(settings.data_dir), closing(Readers(settings.database)) as readers:
        known = school(readers.here)
        if known is None:
            raise NotClaimed("it was never claimed")
        course = course_on_disk(told.folder, language=known.locale)
        report = foresee_import(readers.here, known.id, course)
        if not told.dry_run:
            report = import_from_disk(settings.database, known.id, course, now_ms=system_clock())
    for line in report_lines(report):
        print(line)
    return 0


def _status(settings: Settings, _told: argparse.Namespace) -> int:
    _require_database(settings)
    require_schema(settings.database)
    with closing(Readers(settings.database)) as readers:
        here = readers.here
        known = school(here)
        print(f"school: {known.name if known else 'none yet'}")
        print(f"claimed: {'yes' if is_claimed(here) else 'no'}")
        print(f"node: {found.node_id if (found := identity(here)) else 'none yet'}")
        print(f"schema: {schema_version(settings.database)}")
        print("\n".join(plain_lines(sync_status(here), now_ms=system_clock())))
    print("\n".join(plain_backup_lines(settings, now_ms=system_clock())))
    return 0


def _doctor(settings: Settings, told: argparse.Namespace) -> int:
    """Exit status 1 only where somebody must act now: a watchdog script may rely on it."""
    if not settings.keys.exists():  # with keys it is a school's box, whatever became of its file
        _require_database(settings)
    if file_version(settings.database):
        require_schema(settings.database)
    diagnosis = diagnose(settings)
    if told.json:
        shown = {key: getattr(diagnosis, key) for key in ("status", "findings", "figures")}
        print(msgspec.json.encode(shown).decode())
    else:
        print("\n".join(doctor_lines(diagnosis)))
    if told.bundle is not None:
        size_bytes = write_bundle(settings, diagnosis, told.bundle, told.log)
        print(f"{told.bundle}: {size_bytes} bytes, no names in it", file=sys.stderr)
    return FAILED if diagnosis.status == "now" else 0


def _require_database(settings: Settings) -> None:
    if not settings.database.exists():
        raise DatabaseMissing(f"{settings.database} is not there")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="darasa-box", description=__doc__)
    parser.add_argument("--config", type=Path, help="TOML file; DARASA_* variables win over it")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, call: object, words: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=words, description=words)
        added.set_defaults(command=call)
        return added

    command("serve", _serve, "serve the school; on an empty machine, print a claim code")
    command("migrate", _migrate, "bring the database to this release; a backup is made first")
    check = command("check", _check, "look for damage; repairs nothing")
    check.add_argument("--full", action="store_true", help="read every page and every index")
    words = "the newest copy, where no box has done it in nine days; for the timer"
    check.add_argument("--copy", action="store_true", help=words)
    _add_backup_commands(command)
    export = command("export", _export, "write the school as plain SQLite and CSV")
    export.add_argument("folder", type=Path, help="an empty or new folder")
    imported = command("import-course", _import_course, "put a folder of Markdown on the shelf")
    imported.add_argument("folder", type=Path, help="the folder, or a zip file of it")
    imported.add_argument("--dry-run", action="store_true", help="say what would happen")
    command("status", _status, "say whose box this is and how much waits to be sent")
    doctor = command("doctor", _doctor, "say how the box is and what to do; 1: act now")
    doctor.add_argument("--json", action="store_true", help="the same as JSON")
    doctor.add_argument("--bundle", type=Path, help="also write a file for support, without names")
    doctor.add_argument("--log", type=Path, action="append", default=[], help="a log to add to it")
    return parser


def _add_backup_commands(command: Callable[[str, object, str], argparse.ArgumentParser]) -> None:
    backup = command("backup", _backup, "make a sealed backup and restore it to test it")
    backup.add_argument("folder", nargs="?", type=Path, help="default: the stick plugged in")
    backup.add_argument("--plain", type=Path, metavar="FILE", help="an unsealed copy instead")
    words = "copy the database on this card and onto the stick, unless a box runs; for the timer"
    command("nightly-copy", _nightly_copy, words)
    words = "mark a stick or a folder for this school's backups"
    medium = command("backup-medium", _backup_medium, words)
    medium.add_argument("folder", type=Path, help="where it is mounted")
    command("restore-drill", _restore_drill, "restore an old backup beside the school, to try it")
    restored = command("restore", _restore, "put a backup in place; what was there is kept")
    restored.add_argument("backup", type=Path, help="a file of the stick, or one of backups/")
    opened = command("open-keys", _open_keys, "make keys/ again with the printed recovery code")
    opened.add_argument("sealed", type=Path, help="the .keys file beside a backup")


if __name__ == "__main__":
    main()
