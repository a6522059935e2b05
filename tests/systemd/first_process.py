"""Makes systemd the first process of a small machine, with our units and nothing else.

    unshare --mount --pid --fork --cgroup … python first_process.py FOLDER UNITS USER_ID

Its files are this machine's, its own changes lie above them and go with it. Switched off or
restarted, the kernel ends it with the signal that says which (pid_namespaces(7)).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

WANTED = "[Unit]\nRequires={sockets}\nAfter={sockets}\n"
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
EMPTY = ("sysinit.target.wants", "local-fs.target.wants", "sockets.target.wants")


def mount(kind, place, *options):
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", kind, *options, "small-machine", place], check=True)


def main():
    folder, units, user_id = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    mount("tmpfs", folder)
    for name in ("upper", "work", "root"):
        (folder / name).mkdir()
    root = folder / "root"
    mount("overlay", root, "-o", f"lowerdir=/,upperdir={folder}/upper,workdir={folder}/work")
    for kind, place in (("proc", "proc"), ("sysfs", "sys"), ("tmpfs", "run"), ("tmpfs", "dev")):
        mount(kind, root / place)
    mount("cgroup2", root / "sys/fs/cgroup")
    for name in DEVICES:
        (root / "dev" / name).touch()
        subprocess.run(["mount", "--bind", f"/dev/{name}", root / "dev" / name], check=True)
    for name in EMPTY:  # what this machine's systemd would start is not asked for
        mount("tmpfs", root / "lib/systemd/system" / name)
    put_units(root, units, user_id)
    os.chroot(root)
    os.chdir("/")
    words = ["systemd", "--system", "--unit=small.target", "--log-target=null", "--show-status=0"]
    os.execve("/lib/systemd/systemd", words, {"container": "unshare", "PATH": "/usr/bin:/bin"})


def put_units(root, units, user_id):
    place = root / "etc/systemd/system"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    sockets = " ".join(path.name for path in sorted(units.glob("*.socket")))
    (place / "small.target").write_text(WANTED.format(sockets=sockets))
    for path in units.iterdir():
        shutil.copy(path, place)
    with (root / "etc/passwd").open("a") as people, (root / "etc/group").open("a") as groups:
        people.write(f"darasa:x:{user_id}:{user_id}::/:/bin/sh\n")
        groups.write(f"darasa:x:{user_id}:\n")


if __name__ == "__main__":
    main()
