"""What the image brings beside Debian's packages: read by the programs it is for."""

import os
import re
import subprocess
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "image-build"
OVERLAY = BUILD / "overlay"
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
