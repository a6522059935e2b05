"""The Orange Pi's loader: U-Boot from Debian's source, with Debian's BL31.

One part nobody else may give away: Rockchip's start of the memory (TPL). The operator brings
it, and its hash is known here.
"""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Final

from kernel import apt, apt_folder

TPL: Final = "rk3588_ddr_lp4_2112MHz_lp5_2400MHz_v1.18.bin"
TPL_SHA256: Final = "d89d40a8183b099589bfcffc5cc2ce9d874eb5b1d19b78bdad2cfcf45b9cb68f"
VERSION: Final = "2025.01"
DEFCONFIG: Final = "orangepi-5-rk3588s_defconfig"
CONFIG: Final = Path(__file__).parent / "boards/orangepi5.config"
BL31: Final = "usr/lib/arm-trusted-firmware/rk3588/bl31.elf"
PRODUCT: Final = "u-boot-rockchip.bin"


class WrongBlob(Exception):
    """The operator's file is not the one this recipe was written for."""


def check_blob(tpl: Path) -> None:
    """Refuse any file but the one whose hash is known: another may damage a board's memory."""
    if not tpl.is_file():
        raise WrongBlob(f"There is no file {tpl}. Nothing was built.")
    digest = hashlib.sha256(tpl.read_bytes()).hexdigest()
    if digest != TPL_SHA256:
        raise WrongBlob(
            f"{tpl} is not Rockchip's {TPL}: its SHA-256 is {digest}, and the one this recipe"
            f" was written for has {TPL_SHA256}. Nothing was built."
        )


def build_loader(cache: Path, tpl: Path) -> Path:
    """Return the loader, from the cache where it was built from the same parts."""
    key = hashlib.sha256(CONFIG.read_bytes() + VERSION.encode()).hexdigest()[:16]
    built = cache / f"loader-{key}"
    if not (built / PRODUCT).exists():
        source, bl31 = fetched_parts(cache / "loader")
        compile_loader(source, built, bl31, tpl)
    return built / PRODUCT


def fetched_parts(folder: Path) -> tuple[Path, Path]:
    """Return U-Boot's unpacked source and BL31, both checked by apt against the archive."""
    apt_folder(folder, "deb", "deb-src")
    source = folder / f"u-boot-{VERSION}"
    if not source.exists():
        apt(folder, "update")
        # Not every mirror has the list of the parts (.dsc); each part has its own hash.
        apt(folder, "source", "--download-only", "u-boot", may_fail=True)
        apt(folder, "download", "arm-trusted-firmware")
        (archive,) = folder.glob(f"u-boot_{VERSION}.orig.tar.*[!c]")
        subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    (firmware,) = folder.glob("arm-trusted-firmware_*.deb")
    subprocess.run(["dpkg-deb", "-x", firmware, folder / "firmware"], check=True)
    return source, folder / "firmware" / BL31


def compile_loader(source: Path, built: Path, bl31: Path, tpl: Path) -> None:
    """Configure, add our lines, compile. The machine's own Python, not an environment's."""
    env = {"PATH": "/usr/bin:/bin:/usr/sbin", "CROSS_COMPILE": "aarch64-linux-gnu-"}
    env |= {"BL31": str(bl31), "ROCKCHIP_TPL": str(tpl), "SOURCE_DATE_EPOCH": "1767225600"}
    make = ["make", f"O={built}", "PYTHON3=/usr/bin/python3"]
    built.mkdir(parents=True, exist_ok=True)
    subprocess.run([*make, "-s", DEFCONFIG], cwd=source, env=env, check=True)
    merge = [
        "scripts/kconfig/merge_config.sh",
        "-O",
        str(built),
        str(built / ".config"),
        str(CONFIG),
    ]
    subprocess.run(merge, cwd=source, env=env, check=True, stdout=subprocess.DEVNULL)
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    subprocess.run([*make, "-s", jobs], cwd=source, env=env, check=True)
