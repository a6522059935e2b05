"""The root file system of both slots: Debian's part, Darasa, our files, and no traces.

Needs root, because it makes files of other users and runs the image's own Python once.
"""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kernel import BOARD_TREE
from program import LAUNCHERS, PYTHON, install_program
from scan import findings

HERE: Final = Path(__file__).parent
UNITS: Final = HERE.parent / "systemd"
ENABLED: Final = {
    "multi-user.target.wants": (
        "darasa-migrate.service", "darasa-box.service", "darasa-agent.service",
        "darasa-good.service",
    ),
    "sockets.target.wants": ("darasa-box.socket", "darasa-off.socket", "darasa-restart.socket"),
    "timers.target.wants": ("darasa-backup.timer", "darasa-integrity.timer", "darasa-update.timer"),
    "sysinit.target.wants": ("nftables.service",),
}  # fmt: skip
# What Debian switches on and a box has no use for, or that would write to the root.
MASKED: Final = (
    "sshd-keygen.service", "ssh.socket", "systemd-firstboot.service", "e2scrub_all.timer",
    "e2scrub_reap.service", "dpkg-db-backup.timer", "apt-daily.timer", "apt-daily-upgrade.timer",
    "getty@tty1.service", "serial-getty@.service", "NetworkManager-wait-online.service",
)  # fmt: skip
# Not at every start, and not masked: NetworkManager calls it by D-Bus where a radio is fitted.
ON_DEMAND: Final = "multi-user.target.wants/wpa_supplicant.service"
TRACES: Final = (
    "var/log/*", "var/cache/*", "var/lib/apt", "var/lib/systemd/*", "tmp/*", "var/tmp/*", "root/.*",
    "etc/ssh/ssh_host_*", "etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-",
    "etc/subuid-", "etc/subgid-", "etc/apt", "boot/System.map-*", "etc/resolv.conf",
    "etc/sudoers.d", "usr/sbin/policy-rc.d",
)  # fmt: skip
# Modules that the trimming must leave: a stick with any of the usual file systems, a radio.
DRIVERS: Final = (
    "sd_mod", "usb-storage", "uas", "xhci-hcd", "xhci-plat-hcd", "dwc3", "vfat", "exfat", "ntfs3",
    "nls_iso8859-1", "nbd", "dm-verity", "squashfs", "loop", "zram", "mac80211",
)  # fmt: skip
# What the runbook has a keeper type.
ON_PATH: Final = {
    "board-selftest": "/usr/lib/darasa/board-selftest",
    **dict.fromkeys(LAUNCHERS, "/usr/lib/darasa/as-darasa"),
}
NO_TRACE_OF_BUILD: Final = "var/lib/dpkg/*-old"


class NotClean(Exception):
    """The root file system holds what nobody must get."""


class NotWhole(Exception):
    """The root file system lacks what a box needs."""


def make_root(root: Path, base: Path, wheels: Path, build: Mapping[str, str]) -> None:
    """Make the tree; `build` says what it is, and goes into it."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(mode=0o755, parents=True)
    subprocess.run(["tar", "-xf", base, "-C", root, "--numeric-owner"], check=True)
    install_program(root, wheels)
    _place_kernel(root)
    if missing := lacking(root):
        raise NotWhole(f"the kernel came without {', '.join(missing)}")
    _compile(root)
    _place_files(root, build)
    _enable(root)
    _scrub(root)
    _own(root / "opt/darasa")
    if found := findings(root):
        raise NotClean("\n".join(found))


def _place_kernel(root: Path) -> None:
    """Give the loader names that stay the same."""
    boot = root / "boot"
    for name in ("vmlinuz", "initrd.img"):
        (found,) = boot.glob(f"{name}-*")
        found.rename(boot / name)
    (tree,) = root.glob(f"usr/lib/linux-image-*/{BOARD_TREE}")
    target = boot / "dtb" / BOARD_TREE
    target.parent.mkdir(parents=True)
    shutil.copyfile(tree, target)
    shutil.rmtree(tree.parents[1])


def lacking(root: Path) -> list[str]:
    """Name the drivers that are neither a module nor built in."""
    (modules,) = root.glob("usr/lib/modules/*")
    there = {each.name.partition(".")[0] for each in modules.rglob("*.ko*")}
    there |= {Path(line).stem for line in (modules / "modules.builtin").read_text().split()}
    return [name for name in DRIVERS if name not in there]


def _compile(root: Path) -> None:
    """Python on a read-only root cannot keep what it has compiled: a start would take 20 s more."""
    words = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    folders = ["opt/darasa/lib", f"usr/lib/python{PYTHON}", "usr/lib/python3"]
    native = native_python()
    if native:  # a minute instead of ten: the compiled form is the same on every processor
        words += ["-s", str(root), "-p", "/", *(str(root / each) for each in folders)]
        subprocess.run([native, *words], check=False)
    else:
        subprocess.run(
            ["chroot", root, "python3", *words, *(f"/{each}" for each in folders)], check=False
        )


def native_python() -> str | None:
    """Find this machine's own Python of the image's version."""
    found = shutil.which(f"python{PYTHON}")
    works = found and subprocess.run([found, "-c", ""], check=False).returncode == 0
    return found if works else None


def _place_files(root: Path, build: Mapping[str, str]) -> None:
    shutil.copytree(HERE / "overlay", root, dirs_exist_ok=True, symlinks=True)
    for unit in (*UNITS.glob("*.service"), *UNITS.glob("*.socket"), *UNITS.glob("*.timer")):
        if "hub" not in unit.name:
            shutil.copy(unit, root / "usr/lib/systemd/system" / unit.name)
    shutil.copy(UNITS / "darasa-box.sysusers", root / "usr/lib/sysusers.d/darasa-box.conf")
    shutil.copy(UNITS / "darasa-box.tmpfiles", root / "usr/lib/tmpfiles.d/darasa-box.conf")
    subprocess.run(["systemd-sysusers", f"--root={root}", "darasa-box.conf"], check=True)
    config = root / "etc/rauc/system.conf"
    config.write_text(config.read_text().replace("@VERSION@", build["version"]))
    (root / "usr/share/darasa").mkdir(exist_ok=True)
    (root / "usr/share/darasa/build.json").write_text(json.dumps(build, indent=2) + "\n")
    for name in ("data", "etc/darasa", "etc/NetworkManager/system-connections"):
        (root / name).mkdir(exist_ok=True)
    for profile in root.glob("usr/lib/NetworkManager/system-connections/*"):
        profile.chmod(0o600)  # NetworkManager takes no other
    for name, target in ON_PATH.items():
        (root / "usr/bin" / name).symlink_to(target)


def _enable(root: Path) -> None:
    units = root / "etc/systemd/system"
    for target, names in ENABLED.items():
        (units / target).mkdir(exist_ok=True)
        for name in names:
            _link(units / target / name, f"/usr/lib/systemd/system/{name}")
    _link(units / "multi-user.target.wants/darasa-good.service", "../darasa-good.service")
    (units / ON_DEMAND).unlink(missing_ok=True)
    for name in MASKED:
        _link(units / name, "/dev/null")


def _link(place: Path, target: str) -> None:
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def _scrub(root: Path) -> None:
    for pattern in (*TRACES, NO_TRACE_OF_BUILD):
        for found in root.glob(pattern):
            shutil.rmtree(found) if found.is_dir() and not found.is_symlink() else found.unlink()
    (root / "etc/machine-id").write_text("")
    (root / "etc/resolv.conf").symlink_to("/run/NetworkManager/resolv.conf")


def _own(folder: Path) -> None:
    """Whoever builds, the files are the system's, and nobody but it writes them."""
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, 0, 0, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o022)
