"""What a keeper types on the image's console: found, and run as its units run it."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from program import LAUNCHERS
from root import ON_PATH

BUILD = Path(__file__).parents[2] / "image-build"
RUNBOOK = BUILD.parent / "docs/runbook.md"
AS_DARASA = BUILD / "overlay/usr/lib/darasa/as-darasa"
TOOLS = {"unshare": "util-linux", "setpriv": "util-linux"}
# In place of the box: who runs it, with which settings, and what it was told.
PROGRAM = """#!/bin/sh
echo "user=$(id -un) umask=$(umask)"
printenv | grep ^DARASA_ | sort
for each in "$@"; do echo "told=$each"; done
exit 3
"""
SETTINGS = """# What this school has set.
DARASA_LESSON_HOURS="7:30-12,13-16"
DARASA_HOST_NAME='kisumu'
  DARASA_LINK_DAY_BYTES_MAX=20000000
DARASA_BACKUP_DIR=/media/second disk

PATH=/nowhere
DARASA_BAD-NAME=$(touch /tmp/never)
DARASA_RESERVE_BYTES=1000"""
PLAY = 'mount --bind "$1/etc" /etc; mount --bind "$1/opt" /opt; shift; exec "$@"'


@pytest.fixture
def console(tools, tmp_path):
    """A machine with the image's wrapper; `type_as(user, *words)` types a command."""
    tools(TOOLS)
    if os.geteuid() != 0:
        pytest.skip("only root changes into another user")
    tmp_path.chmod(0o755)
    for folder in ("etc/darasa", "opt/darasa/bin", "bin"):
        (tmp_path / folder).mkdir(parents=True)
    users = "root:x:0:0::/root:/bin/sh\ndarasa:x:970:970::/:/bin/sh\namina:x:1000:970::/:/bin/sh\n"
    (tmp_path / "etc/passwd").write_text(users)
    (tmp_path / "etc/group").write_text("root:x:0:\ndarasa:x:970:\n")
    (tmp_path / "etc/darasa/box.env").write_text(SETTINGS)
    program = tmp_path / "opt/darasa/bin/darasa-box"
    program.write_text(PROGRAM)
    program.chmod(0o755)

    def type_as(user, *words, **environment):
        command = tmp_path / "opt/darasa/darasa-box"
        command.unlink(missing_ok=True)
        (tmp_path / "opt/darasa/as-darasa").write_bytes(AS_DARASA.read_bytes())
        (tmp_path / "opt/darasa/as-darasa").chmod(0o755)
        command.symlink_to("as-darasa")
        line = ["setpriv", f"--reuid={user}", "--clear-groups"] if user != "root" else []
        line += ["/opt/darasa/darasa-box", *words]
        env = {"PATH": os.environ["PATH"], **environment}
        started = ["unshare", "--mount", "sh", "-ec", PLAY, "sh", tmp_path, *line]
        return subprocess.run(started, env=env, capture_output=True, text=True, check=False)

    return type_as


@pytest.mark.parametrize("user", ["root", "darasa"])
def test_a_command_runs_as_darasa_with_the_settings_of_the_box(console, user):
    done = console(user, "backup", "a stick", "", DARASA_HOST_NAME="typed")
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.splitlines() == [
        "user=darasa umask=0077",
        "DARASA_BACKUP_DIR=/media/second disk",
        "DARASA_HOST_NAME=typed",
        "DARASA_LESSON_HOURS=7:30-12,13-16",
        "DARASA_LINK_DAY_BYTES_MAX=20000000",
        "DARASA_RESERVE_BYTES=1000",
        "told=backup",
        "told=a stick",
        "told=",
    ]


def test_anybody_else_is_told_who_may(console):
    done = console("amina", "status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("darasa-box: only root and the user darasa may")


def test_every_command_of_the_runbook_is_on_the_path():
    typed = set(re.findall(r"\b(darasa-box|darasa-agent|board-selftest)\b", RUNBOOK.read_text()))
    assert typed - set(ON_PATH) == set()
    assert set(LAUNCHERS) - set(ON_PATH) == set()
    for target in ON_PATH.values():
        assert os.access(BUILD / "overlay" / target.lstrip("/"), os.X_OK), target
