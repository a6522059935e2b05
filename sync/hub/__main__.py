"""`darasa-hub`: serve the district."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg

from appliance.clock import system_clock
from appliance.errors import DarasaError
from sync.hub.backup.command import back_up, note_restored
from sync.hub.backup.taking import archive_wal
from sync.hub.backup_code import backup_code
from sync.hub.keys import claim_code, load_key, spoken
from sync.hub.migrate import migrate
from sync.hub.settings import HubSettings, load_settings
from sync.hub.sharding import shard

FAILED: Final = 1


def main() -> None:
    """Run one command; a refusal is one sentence and a hint, not a traceback."""
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Run the command in `words` and return the exit status."""
    told = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        told.command(load_settings(os.environ), told)
    except DarasaError as error:
        print(f"{error.title}: {error.detail}\n{error.hint}", file=sys.stderr)
        return FAILED
    except (OSError, asyncpg.PostgresError) as error:
        print(f"PostgreSQL or the machine refused: {error}", file=sys.stderr)
        return FAILED
    return 0


def _serve(settings: HubSettings, _told: argparse.Namespace) -> None:
    # Here and not above: `migrate` and `claim-code` need none of the server.
    from sync.hub.server import serve  # noqa: PLC0415

    try:
        serve(settings)
    except ExceptionGroup as group:  # the framework wraps whatever its start-up meets
        raise innermost(group) from group


def innermost(group: ExceptionGroup[Exception]) -> Exception:
    """Return the one thing that went wrong inside groups of one."""
    error: Exception = group
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _migrate(settings: HubSettings, _told: argparse.Namespace) -> None:
    run_now = asyncio.run(migrate(settings.dsn, system_clock))
    for migration in run_now:
        print(f"applied {migration.number:04} {migration.name}")
    if not run_now:
        print("nothing to do")


def _claim_code(settings: HubSettings, _told: argparse.Namespace) -> None:
    if settings.claim_file.exists():
        print(spoken(claim_code(settings.claim_file)))
    else:
        print("There is no claim code: the hub was claimed, or has not been started yet.")


def _backup(settings: HubSettings, told: argparse.Namespace) -> None:
    asyncio.run(back_up(settings, told.folder, system_clock, print))


def _archive_wal(_settings: HubSettings, told: argparse.Namespace) -> None:
    archive_wal(told.segment, told.folder)


def _restored(settings: HubSettings, _told: argparse.Namespace) -> None:
    asyncio.run(note_restored(settings, system_clock, print))


def _backup_code(settings: HubSettings, told: argparse.Namespace) -> None:
    school, code = backup_code(told.file, load_key(settings.key_file))
    print(f"{school}: type this where `darasa-box restore` asks for the recovery code:\n{code}")


def _shard(settings: HubSettings, _told: argparse.Namespace) -> None:
    statements, was_run = asyncio.run(shard(settings.dsn))
    for statement in statements:
        print(f"{statement};")
    if not was_run:
        print("-- Citus is not installed in this database: nothing was done.")


def _import(settings: HubSettings, told: argparse.Namespace) -> None:
    # Here and not above: only this command needs the intake.
    from sync.hub.sticks.command import import_folder  # noqa: PLC0415

    asyncio.run(import_folder(settings, told.folder, system_clock, print))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="darasa-hub", description="Serve the district. Settings: DARASA_HUB_* variables."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, call, words in (
        ("serve", _serve, "serve the district; without one, print a claim code"),
        ("migrate", _migrate, "make the roles and bring the database to this release"),
        ("claim-code", _claim_code, "print the code that makes the first administrator"),
        ("shard", _shard, "spread the schools over a Citus cluster; without one, show how"),
        ("restored", _restored, "after PostgreSQL was restored: let every box look again"),
    ):
        commands.add_parser(name, help=words, description=words).set_defaults(command=call)
    words = "take in what schools sent on a stick, and put the answers on it"
    carried = commands.add_parser("import", help=words, description=words)
    carried.add_argument("folder", type=Path, metavar="DIR", help="where the stick is mounted")
    carried.set_defaults(command=_import)
    words = "copy the server, restore the copy, look at everything in it, tell the boxes"
    backup = commands.add_parser("backup", help=words, description=words)
    backup.add_argument("folder", type=Path, help="on another disk; the newest seven stay")
    backup.set_defaults(command=_backup)
    words = "say the code that opens one backup of a box whose recovery code was lost"
    opened = commands.add_parser("backup-code", help=words, description=words)
    opened.add_argument("file", type=Path, help="the backup, or its first megabyte")
    opened.set_defaults(command=_backup_code)
    words = "keep one log segment; archive_command calls it with the segment's path"
    archive = commands.add_parser("archive-wal", help=words, description=words)
    archive.add_argument("segment", type=Path)
    archive.add_argument("folder", type=Path)
    archive.set_defaults(command=_archive_wal)
    return parser


if __name__ == "__main__":
    main()
