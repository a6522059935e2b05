"""What the board needs of Debian's kernel package: parts switched on, drivers that are there.

The package is fetched by apt into a folder of its own, as nobody in particular, and checked
against the archive's signature. Nothing of it is installed.
"""

import io
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Final

from base import ARCHITECTURE, KEYRINGS, SNAPSHOT, is_left_out, sources

BOARD_TREE: Final = "rockchip/rk3588s-orangepi-5.dtb"
# Built in or as a module; each is a part of the board or of the image.
CONFIG: Final = (
    "DWMAC_ROCKCHIP", "MOTORCOMM_PHY",  # the network
    "MMC_DW", "MMC_DW_ROCKCHIP", "MMC_SDHCI_OF_DWCMSHC",  # card and eMMC
    "PCIE_ROCKCHIP_DW_HOST", "BLK_DEV_NVME", "PHY_ROCKCHIP_NANENG_COMBO_PHY",  # NVMe
    "RTC_DRV_HYM8563", "DW_WATCHDOG", "ROCKCHIP_THERMAL", "CPUFREQ_DT", "ZRAM",
    "EXT4_FS", "SQUASHFS", "DM_VERITY", "BLK_DEV_LOOP", "BLK_DEV_NBD",  # slots and bundles
    "NF_TABLES", "VIRTIO_BLK", "VIRTIO_NET",
    "USB_DWC3", "USB_XHCI_PLATFORM", "USB_EHCI_HCD_PLATFORM", "PHY_ROCKCHIP_INNO_USB2",  # USB
    "FAT_DEFAULT_UTF8",  # names on a stick
)  # fmt: skip
# Modules that must also be left in the image.
MODULES: Final = (
    "usb-storage", "uas", "sd_mod", "scsi_mod", "vfat", "fat", "exfat", "nls_cp437", "nls_ascii",
    "mac80211_hwsim", "i6300esb",  # a radio and a watchdog for `make image-test`
)  # fmt: skip
# Nodes of the device tree that must not be switched off.
NODES: Final = {
    "the card": "/mmc@fe2c0000",
    "NVMe": "/pcie@fe190000",
    "the network": "/ethernet@fe1c0000",
    "the watchdog": "/watchdog@feaf0000",
    "the serial line": "/serial@feb50000",
    "USB, the upper port": "/usb@fc800000",
    "USB, the lower port": "/usb@fc880000",
    "USB 3": "/usb@fcd00000",
}


def fetch_kernel(cache: Path) -> Path:
    """Return the newest kernel package of the suite; it is fetched when it is not there yet."""
    folder = cache / "kernel"
    apt_folder(folder)
    apt(folder, "update")
    shown = apt(folder, "depends", f"linux-image-{ARCHITECTURE}")
    found = re.search(r"linux-image-\d[^\s:]*", shown)
    assert found is not None, shown
    apt(folder, "download", found[0])
    return max(folder.glob("linux-image-*.deb"), key=lambda path: path.stat().st_mtime)


def apt_folder(folder: Path, *kinds: str) -> None:
    """Give apt a place of its own: the mirror's lines, and no package installed."""
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    lines = [
        line.replace("deb ", f"{kind} [signed-by={KEYRINGS}] ")
        for kind in kinds or ("deb",)
        for line in sources()
    ]
    (folder / "sources.list").write_text("\n".join(lines) + "\n")
    (folder / "status").touch()


def apt(folder: Path, *words: str, may_fail: bool = False) -> str:
    """Run apt on the folder's own sources, as if nothing were installed."""
    options = {
        "Dir::State::Lists": folder / "lists",
        "Dir::State::Status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "APT::Architecture": ARCHITECTURE,
        "APT::Architectures": ARCHITECTURE,
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Acquire::Check-Valid-Until": str(not SNAPSHOT).lower(),
    }
    said = [f"-o{name}={value}" for name, value in options.items()]
    done = subprocess.run(
        ["apt-get" if words[0] != "depends" else "apt-cache", "-q", *said, *words],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode and not may_fail:
        raise OSError(f"apt {words[0]}: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


def parts_of(package: Path) -> tuple[str, bytes, list[str]]:
    """Return the kernel's configuration, the board's device tree and the names of all files."""
    content = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True
    ).stdout
    config, tree, names = "", b"", []
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            names.append(member.name.removeprefix("."))
            if member.name.startswith("./boot/config-"):
                config = _read(archive, member).decode()
            elif member.name.endswith(BOARD_TREE):
                tree = _read(archive, member)
    return config, tree, names


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(member)
    assert opened is not None, member.name
    return opened.read()


def lacking(config: str) -> list[str]:
    """Name what is neither built in nor a module."""
    there = set(re.findall(r"^CONFIG_(\w+)=[ym]$", config, re.MULTILINE))
    return [name for name in CONFIG if name not in there]


def left_out(names: list[str]) -> list[str]:
    """Name the modules that the package lacks or the image leaves out."""
    kept = {Path(each).name.partition(".")[0] for each in names if not is_left_out(each)}
    return [name for name in MODULES if name not in kept]


def switched_off(tree: Path) -> list[str]:
    """Name what the device tree lacks or leaves off."""
    return [name for name, node in NODES.items() if not _is_on(tree, node)]


def _is_on(tree: Path, node: str) -> bool:
    """A node that is there and says nothing of its status is on."""
    is_there = _property(tree, node, "compatible")
    return bool(is_there) and _property(tree, node, "status") in ("", "okay")


def _property(tree: Path, node: str, name: str) -> str:
    words = ["fdtget", "-d", "", str(tree), node, name]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
