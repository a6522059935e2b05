"""Debian's kernel as it is today has what the board needs: looked up in its package."""

import os
import subprocess
from pathlib import Path

import pytest
from base import NoMirror
from kernel import (
    CONFIG,
    MODULES,
    NODES,
    fetch_kernel,
    lacking,
    left_out,
    parts_of,
    switched_off,
)

pytestmark = pytest.mark.timeout(170)


@pytest.fixture(scope="session")
def kernel(tmp_path_factory):
    cache = Path(os.environ.get("XDG_CACHE_HOME", tmp_path_factory.mktemp("cache")))
    try:
        return parts_of(fetch_kernel(cache / "darasa"))
    except (OSError, NoMirror) as error:
        pytest.skip(f"the kernel's package could not be fetched: {error}")


def test_the_kernel_has_every_part_the_image_needs(kernel):
    config, _, _ = kernel
    assert lacking(config) == []


def test_the_image_keeps_every_module_that_sticks_and_its_own_test_need(kernel):
    _, _, names = kernel
    assert left_out(names) == []


def test_the_device_tree_switches_the_boards_parts_on(kernel, tools, tmp_path):
    tools({"fdtget": "device-tree-compiler"})
    tree = tmp_path / "board.dtb"
    tree.write_bytes(kernel[1])
    assert switched_off(tree) == []


def test_what_is_lacking_is_named(tools, tmp_path):
    assert lacking("CONFIG_EXT4_FS=m\n# CONFIG_ZRAM is not set\n") == [
        name for name in CONFIG if name != "EXT4_FS"
    ]
    folder = "/usr/lib/modules/6.12.1/kernel/drivers"
    assert left_out([f"{folder}/scsi/sd_mod.ko.xz", f"{folder}/scsi/st.ko"]) == [
        name for name in MODULES if name != "sd_mod"
    ]
    assert left_out([f"{folder}/gpu/{name}.ko" for name in MODULES]) == list(MODULES)
    tools({"fdtget": "device-tree-compiler"})
    source = tmp_path / "board.dts"
    source.write_text(
        """/dts-v1/;
        / { mmc@fe2c0000 { compatible = "a"; };
            pcie@fe190000 { compatible = "b"; status = "okay"; };
            watchdog@feaf0000 { compatible = "c"; status = "disabled"; }; };"""
    )
    subprocess.run(["dtc", "-q", "-o", tmp_path / "board.dtb", source], check=True)
    assert switched_off(tmp_path / "board.dtb") == [
        name for name in NODES if name not in ("the card", "NVMe")
    ]
