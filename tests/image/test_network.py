"""The box's network in namespaces: what is open, and what a phone meets on the box's own radio."""

import json
import os
import subprocess
import sys

import pytest

from appliance.discovery.captive import QUESTIONS

UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
TOOLS = {
    "unshare": "util-linux", "nsenter": "util-linux", "ip": "iproute2", "ss": "iproute2",
    "nft": "nftables", "sysctl": "procps",
}  # fmt: skip
MORE_TOOLS = {
    "NetworkManager": "network-manager", "dnsmasq": "dnsmasq-base", "udhcpc": "udhcpc",
    "dbus-daemon": "dbus-daemon",
}  # fmt: skip
OWN = "10.42.0.1"
PAGE = f"http://{OWN}/"
KNOWN, NO_SUCH_NAME = 0, 3

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]


def seen(deed):
    """Play one scene in namespaces of its own; return what was seen."""
    if os.geteuid() != 0 or subprocess.run((*UNSHARE, "true"), check=False).returncode:
        pytest.skip("network namespaces need root")
    lab = (*UNSHARE, sys.executable, "-m", "tests.image.net_lab", deed)
    return json.loads(subprocess.run(lab, check=True, stdout=subprocess.PIPE, timeout=80).stdout)


def test_what_the_firewall_lets_through_is_what_the_readme_says(tools):
    tools(TOOLS)
    found = seen("firewall")
    assert found == {
        "eth0": {"tcp": [80, 443], "udp": [5353]},
        "wlan0": {"tcp": [53, 80, 443], "udp": [53, 67, 5353]},
        "elsewhere": {"tcp": [], "udp": []},  # an address that is no school's
        "ssh": {"tcp": [22, 80, 443], "udp": [5353]},  # as ssh.service opens it
    }


def test_a_phone_on_the_boxs_own_radio_finds_the_page_and_no_false_name(tools):
    tools(TOOLS | MORE_TOOLS)
    found = seen("radio")
    lease = found["lease"]
    assert bytes.fromhex(lease.pop("opt114")).decode() == f"http://{OWN}/captive-portal"
    assert lease.pop("ip").startswith("10.42.0.")
    assert lease == {"mask": "24", "router": OWN, "dns": OWN, "lease": "3600"}
    for name, (code, answers, address) in found["names"].items():
        wanted, _, kind = name.partition(" ")
        if wanted in ("www.google.com", "example.org", "darasa-2.local"):
            assert (code, answers) == (NO_SUCH_NAME, 0), name
        elif kind == "1":
            assert (code, answers, address) == (KNOWN, 1, OWN), name
        else:  # no IPv6 address: the name is there all the same
            assert (code, answers) == (KNOWN, 0), name
    pages = found["pages"]
    assert pages.pop("/health")[0] == 200
    code, _, kind, body = pages.pop("/captive-portal")
    assert (code, kind) == (200, "application/captive+json")
    assert json.loads(body) == {"captive": True, "user-portal-url": PAGE}
    assert {place: said[:2] for place, said in pages.items()} == {
        place: [302, PAGE] for place in pages
    }
    assert pages.keys() <= set(QUESTIONS)


def test_what_no_radio_takes_is_refused_with_a_sentence_and_the_former_network_stays(tools):
    tools(TOOLS | MORE_TOOLS | {"nmcli": "network-manager"})
    found = seen("access_point")
    sentences = [
        "No radio is fitted.", "The password must have 8", "The password must have 8",
        "XX is no country", "KENYA is no country", "The name must have", "The name must have",
    ]  # fmt: skip
    assert [status for status, _ in found["wrong"]] == [1] * len(sentences)
    for sentence, (_, words) in zip(sentences, found["wrong"], strict=True):
        assert words.startswith(sentence)
    before, tried, off, after = found["tried"]
    assert before == after == [0, "wlan9: fitted, off; serves up to 8\n"]
    # NetworkManager takes every word of the profile, and then finds no such radio.
    assert tried[0] == 1
    assert "No suitable device found" in tried[1]
    assert "access point that hangs on the cable" in tried[1]
    assert off == [0, "Off.\n"]  # the one before was still there
    assert found["kept"] == "COUNTRY=KE\n"
