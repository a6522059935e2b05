"""The unit files as the tests read them, and systemd's own tools to judge them."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

UNITS: Final = Path(__file__).parents[2] / "systemd"
PROGRAM_FOLDERS: Final = ("/opt/darasa/bin", "/usr/lib/darasa")
PROGRAMS: Final = ("darasa-box", "darasa-agent", "darasa-hub", "update")
SERVICES: Final = tuple(  # those that start a program
    sorted(path.stem for path in UNITS.glob("*.service") if "\nExecStart=" in path.read_text())
)
KINDS: Final = ("*.service", "*.socket", "*.timer")


def values(unit, key):
    """Return what every line `key=…` of the unit says, in order."""
    lines = (UNITS / unit).read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]


def copied_to(folder):
    """Copy the units there, with a program of each name, so that nothing is missing."""
    programs = folder / "bin"
    programs.mkdir()
    for name in PROGRAMS:
        program = programs / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    for unit in every_unit(UNITS):
        text = unit.read_text(encoding="utf-8")
        for each in PROGRAM_FOLDERS:
            text = text.replace(each, str(programs))
        (folder / unit.name).write_text(text)
    return folder


def every_unit(folder):
    """Return the unit files of a folder: services, sockets, timers."""
    return [unit for kind in KINDS for unit in sorted(folder.glob(kind))]


def systemd(program, *words):
    """Run one of systemd's tools, without a terminal and without the machine's settings."""
    found = shutil.which(program)
    assert found, program
    return subprocess.run([found, *map(str, words)], capture_output=True, text=True, check=False)


def system_calls(unit):
    """Return the names the unit's SystemCallFilter lines add up to."""
    allowed = called("@default")
    for line in values(unit, "SystemCallFilter"):
        names = {name for word in line.removeprefix("~").split() for name in called(word)}
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def called(word):
    """Expand one name of a filter: a system call, or a set of them."""
    if not word.startswith("@"):
        return {word}
    listed = systemd("systemd-analyze", "--no-pager", "syscall-filter", word).stdout.splitlines()
    names = [line.strip() for line in listed[1:] if line.strip() and "#" not in line]
    assert names, word
    return {each for name in names for each in called(name)}
