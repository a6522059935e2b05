"""What the image brings beside Debian's packages: read by the programs it is for."""

import hashlib
import os
import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from base import UNWANTED, WANTED
from loader import WrongBlob, check_blob
from packages import LOCK, drift, read
from root import DRIVERS
from sbom import bill_of_materials

BUILD = Path(__file__).parents[2] / "image-build"
OVERLAY = BUILD / "overlay"
PACKAGES = (BUILD / "base/packages.list").read_text().splitlines()
SCRIPTS = sorted(
    path for path in BUILD.rglob("*") if path.is_file() and path.read_bytes()[:9] == b"#!/bin/sh"
)


def test_the_firewall_says_what_nft_understands(tools):
    tools({"nft": "nftables"})
    # As nobody one cannot ask the kernel for its tables; a namespace of one's own can be asked.
    words = ["nft", "-c", "-f", OVERLAY / "etc/nftables.conf"]
    if os.geteuid() != 0:
        words = ["unshare", "--user", "--map-root-user", "--net", *words]
    judged = subprocess.run(words, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stderr
    assert judged.stdout + judged.stderr == ""


def test_the_firewall_opens_these_ports_and_no_other():
    rules = (OVERLAY / "etc/nftables.conf").read_text()
    assert re.search(r"elements = \{ 80, 443 \}", rules)
    assert set(re.findall(r"dport (\{[^}]*\}|\S+)", rules)) == {
        "@open_tcp",
        "5353",
        "{ 53, 67 }",
        "53",
    }
    assert "hook input priority filter; policy drop;" in rules
    assert "hook forward priority filter; policy drop;" in rules


def test_phones_on_the_boxes_own_radio_are_told_the_page(tools):
    tools({"dnsmasq": "dnsmasq-base"})
    config = OVERLAY / "etc/NetworkManager/dnsmasq-shared.d/darasa.conf"
    judged = subprocess.run(
        ["dnsmasq", "--test", f"--conf-file={config}"], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_shell_can_read_each_script(script):
    judged = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stderr
    assert os.access(script, os.X_OK)


def test_the_image_locks_every_wheel_of_the_box_at_the_version_that_was_tested():
    needs = tomllib.loads((BUILD.parent / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[\[<>=]", each)[0] for each in needs["optional-dependencies"]["box"]}
    tested, locked = (
        dict(re.findall(r"^(\S+)==(\S+)", path.read_text(), re.MULTILINE))
        for path in (BUILD.parent / "requirements.lock", BUILD / "requirements-arm64.lock")
    )
    assert wanted - set(locked) == set()
    assert {name: tested.get(name) for name in locked} == locked


def is_left_out(path):
    return any(fnmatch(path, each) for each in UNWANTED) and not any(
        fnmatch(path, each) for each in WANTED
    )


def test_trimming_the_kernel_leaves_what_a_stick_needs():
    scsi = "/usr/lib/modules/6.12/kernel/drivers/scsi"
    assert "sd_mod" in DRIVERS
    assert not is_left_out(f"{scsi}/sd_mod.ko.xz")
    assert not is_left_out(f"{scsi}/scsi_mod.ko.xz")
    assert is_left_out(f"{scsi}/megaraid/megaraid_sas.ko.xz")


def test_another_days_package_is_told_from_the_locked_one():
    locked = read(LOCK)
    assert drift(locked, locked) == []
    version, _ = locked["rauc"]
    (told,) = drift({**locked, "rauc": (version, "0" * 64)}, locked)
    assert told.startswith(f"rauc {version} 00000000, locked {version} ")
    (told,) = drift({name: each for name, each in locked.items() if name != "zstd"}, locked)
    assert told.startswith("zstd none")


@pytest.mark.parametrize("name", [line for line in PACKAGES if line and line[0] != "#"])
def test_the_lock_names_each_package_of_the_list(name):
    assert name in read(LOCK)


def test_a_blob_that_is_not_the_pinned_one_is_refused_in_a_sentence(tmp_path):
    other = tmp_path / "tpl.bin"
    with pytest.raises(WrongBlob, match="There is no file"):
        check_blob(other)
    other.write_bytes(b"\0" * 75_320)
    with pytest.raises(WrongBlob, match=r"is not Rockchip's rk3588_ddr.*Nothing was built\."):
        check_blob(other)


def test_the_bill_of_materials_names_each_file_by_its_hash(tmp_path):
    root, wheels = tmp_path / "root", tmp_path / "wheels"
    about = root / "opt/darasa/lib/python3.13/site-packages/markdown_it_py-4.0.0.dist-info"
    for folder in (about, wheels, root / "var/lib/dpkg"):
        folder.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: markdown-it-py\nVersion: 4.0.0\n")
    (wheels / "markdown_it_py-4.0.0-py3-none-any.whl").write_bytes(b"wheel")
    (root / "var/lib/dpkg/status").write_text(
        "Package: zstd\nStatus: install ok installed\nVersion: 1.5.7\nArchitecture: arm64\n"
    )
    told = bill_of_materials(root, wheels, {"zstd": ("1.5.7", "ab" * 32)}, {"version": "0.3.0"})
    found = {each["purl"]: each["hashes"][0]["content"] for each in told["components"]}
    assert found == {
        "pkg:deb/debian/zstd@1.5.7?arch=arm64": "ab" * 32,
        "pkg:pypi/markdown-it-py@4.0.0": hashlib.sha256(b"wheel").hexdigest(),
    }
