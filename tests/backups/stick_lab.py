"""Every wrong stick, backup, code and setting of a keeper's bad day, with real file systems.

    unshare --map-root-user --mount python -m tests.backups.stick_lab DATA_DIR

DATA_DIR holds a school and its keys. Prints, as JSON by the name of each case, how the command
ended, what it said, and whether a byte of the school's file or keys has changed.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from appliance.__main__ import run
from appliance.accounts.keys import new_keys, new_recovery_code, write_keys
from appliance.backups.media import FOLDER
from appliance.backups.trial import alone
from appliance.database.writer import Writer
from appliance.settings import Settings
from tests.cast import new_id

ROOMY, SMALL = "64m", "16k"  # a backup of the school has 23 KB
BAD_DAY: dict[str, Callable[["Lab"], list[str]]] = {}


class Lab:
    """A school, its good backup, another school's stick, and sticks made as they are needed."""

    def __init__(self, data_dir: Path) -> None:
        self.settings = Settings(data_dir=data_dir)
        self.folder = data_dir.parent / "lab"
        self.good = self.stick("good")
        self.of(data_dir).answer(["backup", str(self.good)])
        self.theirs = self.stick("theirs")
        self.of(self.another_school()).answer(["backup", str(self.theirs)])
        self.typed = ""

    def of(self, data_dir: Path) -> "Lab":
        """Stand at another box."""
        os.environ["DARASA_DATA_DIR"] = str(data_dir)
        os.environ["DARASA_BACKUP_DIR"] = str(self.good)
        return self

    def stick(self, name: str, size: str = ROOMY) -> Path:
        place = self.folder / name
        place.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "stick", place], check=True)
        return place

    def another_school(self) -> Path:
        data_dir = self.folder / "another"
        data_dir.mkdir()
        shutil.copy(self.settings.database, data_dir)
        writer = Writer(data_dir / "school.db")
        writer.start()
        writer.write_blocking(_become_another, new_id())
        writer.stop()
        write_keys(data_dir / "keys", new_keys(), new_recovery_code())
        return data_dir

    def backup_on(self, stick: Path) -> Path:
        return next((stick / FOLDER).glob("*.backup"))

    def answer(self, words: list[str]) -> tuple[int, str]:
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            status = run(words)
        return status, said.getvalue()

    def print_of_school(self) -> str:
        found = hashlib.sha256()
        for path in (self.settings.database, *sorted(self.settings.keys.iterdir())):
            found.update(path.read_bytes())
        return found.hexdigest()


def _become_another(tx, school_id):
    tx.run(
        "INSERT INTO org_unit (id, kind, name, locale, version, updated_at_ms)"
        " VALUES (?1, 'school', 'Lycée de Thiès', 'fr', 1, 0)",
        (school_id,),
    )
    tx.run("UPDATE sync_identity SET school_id = ?1", (school_id,))


def case(make: Callable[[Lab], list[str]]) -> Callable[[Lab], list[str]]:
    """Name a case by its function; it returns the command a keeper gives."""
    BAD_DAY[make.__name__] = make
    return make


@case
def another_schools_stick(lab: Lab) -> list[str]:
    return ["backup", str(lab.theirs)]


@case
def another_schools_stick_to_prepare(lab: Lab) -> list[str]:
    return ["backup-medium", str(lab.theirs)]


@case
def another_schools_stick_without_its_mark(lab: Lab) -> list[str]:
    (lab.theirs / FOLDER / "medium.json").write_bytes(b"{")
    return ["backup-medium", str(lab.theirs)]


@case
def full_stick(lab: Lab) -> list[str]:
    return ["backup", str(lab.stick("full", SMALL))]


@case
def small_stick_that_nobody_has_prepared(lab: Lab) -> list[str]:
    """A packed backup would fit for once; `backup-medium` refuses it, and so does this."""
    return ["backup", str(lab.stick("small", "64k"))]


@case
def full_stick_to_prepare(lab: Lab) -> list[str]:
    return ["backup-medium", str(lab.stick("full-too", SMALL))]


@case
def read_only_stick(lab: Lab) -> list[str]:
    stick = lab.stick("locked")
    subprocess.run(["mount", "-o", "remount,ro", stick], check=True)
    return ["backup-medium", str(stick)]


@case
def stick_pulled_out_while_writing(lab: Lab) -> list[str]:
    return ["backup", str(pulled_at_the_end(lab.stick("pulled")))]


@case
def stick_pulled_out_while_preparing(lab: Lab) -> list[str]:
    return ["backup-medium", str(pulled_at_the_end(lab.stick("pulled-too")))]


@case
def no_stick(lab: Lab) -> list[str]:
    return ["backup", str(lab.folder / "nothing")]


@case
def backup_of_another_school(lab: Lab) -> list[str]:
    return ["restore", str(lab.backup_on(lab.theirs))]


@case
def damaged_backup(lab: Lab) -> list[str]:
    damaged = lab.folder / "damaged.backup"
    content = bytearray(lab.backup_on(lab.good).read_bytes())
    content[-5_000] ^= 0xFF
    damaged.write_bytes(content)
    return ["restore", str(damaged)]


@case
def cut_off_backup(lab: Lab) -> list[str]:
    cut = lab.folder / "cut.backup"
    cut.write_bytes(lab.backup_on(lab.good).read_bytes()[:-9_000])
    return ["restore", str(cut)]


@case
def no_backup_at_all(lab: Lab) -> list[str]:
    photo = lab.folder / "photo.jpg"
    photo.write_bytes(b"\xff\xd8" * 4_000)
    return ["restore", str(photo)]


@case
def empty_backup(lab: Lab) -> list[str]:
    empty = lab.folder / "school-20261121-030000-4711.backup"
    empty.touch()
    return ["restore", str(empty)]


@case
def wrong_code(lab: Lab) -> list[str]:
    lab.of(lab.folder / "new-board")
    lab.typed = "2222-3333-4444-5555-6666-7777"
    return ["restore", str(lab.backup_on(lab.good))]


@case
def broken_settings_file(lab: Lab) -> list[str]:
    return ["--config", str(written(lab, "port = = 80")), "status"]


@case
def unknown_setting(lab: Lab) -> list[str]:
    return ["--config", str(written(lab, "lesson_hour = '7-12'")), "status"]


@case
def impossible_setting(lab: Lab) -> list[str]:
    return ["--config", str(written(lab, "lesson_days = 'mo-fr'")), "serve"]


@case
def two_keepers_back_up(lab: Lab) -> list[str]:
    return ["backup", str(lab.good)]


@case
def two_keepers_try_a_backup(_lab: Lab) -> list[str]:
    return ["restore-drill"]


@case
def two_keepers_restore(lab: Lab) -> list[str]:
    return ["restore", str(lab.backup_on(lab.good))]


def written(lab: Lab, words: str) -> Path:
    file = lab.folder / "darasa.toml"
    file.write_text(words)
    return file


_pulled: set[str] = set()


def pulled_at_the_end(stick: Path) -> Path:
    """All bytes are written; in the moment before they get their name the stick is gone."""
    _pulled.add(str(stick))
    return stick


def pull_out(event: str, arguments: tuple[object, ...]) -> None:
    """Asked by the interpreter at whatever a program does to a file."""
    if event != "os.rename" or not _pulled:
        return
    for stick in [each for each in _pulled if str(arguments[1]).startswith(f"{each}/")]:
        _pulled.remove(stick)
        subprocess.run(["umount", "--lazy", stick], check=True)


@contextmanager
def first_keeper(lab: Lab, name: str) -> Iterator[None]:
    """Somebody else is at it already, where a case needs two."""
    if not name.startswith("two_keepers"):
        yield
        return
    with alone(lab.settings):
        yield


def main() -> None:
    lab = Lab(Path(sys.argv[1]))
    sys.addaudithook(pull_out)
    told = {}
    for name, make in BAD_DAY.items():
        lab.of(lab.settings.data_dir)
        words, before = make(lab), lab.print_of_school()
        sys.stdin = io.StringIO(f"{lab.typed}\n")
        with first_keeper(lab, name):
            status, said = lab.answer(words)
        is_untouched = before == lab.print_of_school()
        told[name] = {"status": status, "said": said, "is_untouched": is_untouched}
    status, said = lab.of(lab.settings.data_dir).answer(["backup", str(lab.good)])
    told["afterwards"] = {"status": status, "said": said}
    told["new_board"] = [path.name for path in (lab.folder / "new-board").glob("school.db*")]
    print(json.dumps(told))  # noqa: T201 -- a command


if __name__ == "__main__":
    main()
