"""Starts the built image in qemu and asks it to do what a school's box does.

    python -m tests.image.drill [--kills 20] [--only STEP…]

Every step prints its verdict and its time. The times are qemu's, on this machine; they say
nothing about a board.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from card import cache_folder, missing_tools, search_path

from demo.day import fill_classroom, hang_up
from demo.material import sample_material
from demo.phone import Unexpected, Unreachable
from demo.school import open_school
from tests.image.bought import TOOLS
from tests.image.radio import a_radio_of_its_own, the_radio_after_a_restart
from tests.image.stage import Stage, Trouble
from tests.image.stick_updates import a_stick_pulled_out_of_an_update, updates_from_a_stick
from tests.image.sticks import a_stick_pulled_out_of_a_backup, sticks_as_bought
from tests.image.switching import is_switched_from_its_page
from tests.image.updates import (
    goes_back,
    outlives_a_cut_in_an_update,
    refuses_strangers,
    updates,
)
from tests.image.watchdog import comes_back_by_its_watchdog

PUPILS = 6
NAMED_PORTS = {"tcp 0.0.0.0:22", "tcp [::]:22", "tcp 0.0.0.0:80", "udp mdns", "itself"}
CODE = re.compile(r"darasa-box\[\d+\]:\s+(\w{4}-\w{4})\s*$", re.MULTILINE)


def boots(stage):
    took = stage.start()
    stage.machine.until_open()
    root = stage.machine.run("findmnt -no OPTIONS / | cut -d, -f1; findmnt -no SIZE /data")
    return f"/health after {took:.0f} s; root and data: {root.split()}"


def claims(stage):
    data_dir = stage.folder / "box"
    data_dir.mkdir()
    code = CODE.findall(stage.machine.console.read_text(errors="replace").replace("\r", ""))
    if not code:
        raise Trouble("the console shows no claim code")
    (data_dir / "claim-code").write_text(code[-1].replace("-", ""))
    school = asyncio.run(open_school(sample_material(PUPILS)[0], stage.machine.http, data_dir))
    stage.room = fill_classroom(school, seed=1)
    asyncio.run(everybody_arrives(stage.room))
    return f"{school.name}: {len(school.pupils)} pupils, by the code on the console"


async def everybody_arrives(room):
    """Sign in once: a power cut signs nobody out."""
    for learner in room.learners:
        await learner.sign_in()
        await learner.open_course()
    hang_up([room])


def names_its_ports(stage):
    lines = stage.machine.run("ss -Hlntu").splitlines()
    found = {shown_as(words[0], words[4]) for words in map(str.split, lines)}
    if more := found - NAMED_PORTS:
        raise Trouble(f"also open: {sorted(more)}")
    policy = stage.machine.run("nft list chain inet darasa input")
    if "policy drop" not in policy:
        raise Trouble(policy)
    return f"{sorted(found)}; 22 only because of the key on the data partition"


def shown_as(kind, address):
    """What only the box itself reaches is one place; mDNS stands on each address of its own."""
    host, _, port = re.sub(r"%\w+", "", address).rpartition(":")
    if host.startswith("127.") or host == "[::1]":
        return "itself"
    return "udp mdns" if (kind, port) == ("udp", "5353") else f"{kind} {host}:{port}"


def tests_itself(stage):
    report = json.loads(stage.machine.run("board-selftest", check=False))
    lines = {name: line["state"] for name, line in report["lines"].items()}
    if failed := {n: report["lines"][n]["read"] for n, state in lines.items() if state == "failed"}:
        raise Trouble(str(failed))
    told = stage.machine.run("darasa-box doctor", check=False)
    if "Memory of the box" not in told:
        raise Trouble(f"darasa-box doctor: {told}")
    return f"{report['board']}: {lines}; the doctor says {told.splitlines()[0]}"


def survives_power_cuts(stage):
    """Every cut is followed by one start and one comparison of all rows ever acknowledged."""
    times = []
    for number in range(1, stage.kills + 1):
        times.append(stage.cut_under_load())
        acknowledged = stage.result.acknowledged
        print(f"  cut {number}: {times[-1]:.0f} s, {acknowledged} acknowledged", file=sys.stderr)
    checked = stage.machine.run("darasa-box check")
    return (
        f"{stage.kills} cuts, acknowledged {stage.result.acknowledged}"
        f" ({len(stage.room.book.hand_ins)} hand-ins), lost 0, twice 0, {checked};"
        f" serving again after {min(times):.0f}-{max(times):.0f} s"
    )


STEPS = {
    each.__name__.replace("_", "-"): each
    for each in (
        boots, claims, names_its_ports, tests_itself, refuses_strangers, sticks_as_bought,
        a_stick_pulled_out_of_a_backup, a_radio_of_its_own, the_radio_after_a_restart,
        comes_back_by_its_watchdog, is_switched_from_its_page, survives_power_cuts,
        outlives_a_cut_in_an_update, goes_back, updates, a_stick_pulled_out_of_an_update,
        updates_from_a_stick,
    )
}  # fmt: skip


def main():
    os.environ["PATH"] = search_path()
    parser = argparse.ArgumentParser(prog="image-test")
    latest = cache_folder() / "latest"
    parser.add_argument("--build", type=Path, default=latest, help="default: what was made last")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--only", nargs="*", choices=STEPS, default=list(STEPS))
    told = parser.parse_args()
    if missing := {TOOLS[name] for name in missing_tools(*TOOLS)}:
        parser.error(f"apt-get install {' '.join(sorted(missing))}")
    told.build = told.build.resolve(strict=True)
    bad, began = 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="darasa-image-", dir=told.build) as folder:
        stage = Stage(told.build, Path(folder), told.kills)
        try:
            for name in told.only:
                bad += not holds(stage, name)
        finally:
            stage.machine.kill()
    verdict = "passed" if not bad else f"{bad} of {len(told.only)} failed"
    print(f"image-test: {verdict} in {time.monotonic() - began:.0f} s, {told.build.name}")
    return bool(bad)


def holds(stage, name):
    """Play one step and print its line."""
    began = time.monotonic()
    try:
        words, verdict = STEPS[name](stage), "ok"
    except (Trouble, AssertionError, subprocess.SubprocessError, Unreachable, Unexpected) as error:
        words, verdict = f"{type(error).__name__}: {error}", "FAILED"
    print(f"{verdict:6}  {time.monotonic() - began:6.0f} s  {name}: {words}", flush=True)
    return verdict == "ok"


if __name__ == "__main__":
    sys.exit(main())
