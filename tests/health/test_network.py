"""The keeper reads how phones reach the box: cable, address, and how full the radio is."""

import pytest

from appliance.health.network import (
    Link,
    Network,
    network_figures,
    network_findings,
    read_network,
)
from appliance.health.radio import Radio, phones_on, radios, serving_names

# As `iw list` and `iw dev` write it; the numbers of the lines that matter differ by driver.
SAYS_A_LIMIT = """Wiphy phy0
\twiphy index: 0
\tmax # scan SSIDs: 4
\tSupported interface modes:
\t\t * IBSS
\t\t * managed
\t\t * AP
\t\t * AP/VLAN
\tBand 1:
\t\tCapabilities: 0x1062
\tvalid interface combinations:
\t\t * #{ managed } <= 1, #{ AP } <= 1,
\t\t   total <= 2, #channels <= 1
\tMaximum associated stations in AP mode: 32
"""
SAYS_NONE = """Wiphy phy1
\tSupported interface modes:
\t\t * managed
\t\t * AP
\t\t * P2P-client
\tSupported RX frame types:
\t\t * AP: 0x00 0x20
"""
CANNOT = """Wiphy phy2
\tSupported interface modes:
\t\t * managed
\t\t * monitor
\tSupported RX frame types:
\t\t * AP: 0x00 0x20
"""
DEVICES = """phy#2
\tInterface wlan2
\t\tifindex 5
\t\ttype managed
phy#1
\tUnnamed/non-netdev interface
\t\twdev 0x100000002
\t\ttype P2P-device
\tInterface wlan1
\t\tifindex 4
\t\tssid \\xc3\\x89cole \"1\"
\t\ttype AP
\t\tchannel 6 (2437 MHz), width: 20 MHz, center1: 2437 MHz
phy#0
\tInterface wlan0
\t\tifindex 3
\t\ttype managed
"""
DUMP = """Station 02:00:00:00:01:00 (on wlan1)
\tinactive time:\t304 ms
\trx bytes:\t18816
Station 02:00:00:00:02:00 (on wlan1)
\tinactive time:\t12 ms
"""
CABLE_OUT = Link("eth0", is_radio=False, is_up=False)
CABLE_IN = Link("eth0", is_radio=False, is_up=True, addresses=("192.168.1.20",))
NO_ADDRESS = Link("eth0", is_radio=False, is_up=True)
OWN_CHOICE = Link("eth0", is_radio=False, is_up=True, addresses=("169.254.8.1",))
ON_AIR = Link("wlan0", is_radio=True, is_up=True, addresses=("10.42.0.1",))


def test_each_radio_is_read_with_its_own_limit():
    assert radios(SAYS_A_LIMIT + SAYS_NONE + CANNOT, DEVICES) == [
        Radio("wlan2", can_serve=False, phones_max=None),
        Radio("wlan1", can_serve=True, phones_max=None),
        Radio("wlan0", can_serve=True, phones_max=32),
    ]
    assert serving_names(DEVICES) == {"wlan1": 'École "1"'}
    assert phones_on(DUMP) == 2
    assert radios("", "") == []
    assert phones_on("") == 0


@pytest.mark.parametrize(
    ("radio", "words"),
    [
        (Radio("w", can_serve=False, phones_max=None), "fitted, cannot serve phones"),
        (Radio("w", can_serve=True, phones_max=8), "fitted, off; serves up to 8"),
        (Radio("w", can_serve=True, phones_max=8, phones=1), "on, 1 phone now; serves up to 8"),
        (
            Radio("w", can_serve=True, phones_max=None, phones=3),
            "on, 3 phones now; does not say how many it serves: count on no more than 10",
        ),
    ],
)
def test_a_radio_is_spoken_of_with_its_limit(radio, words):
    assert radio.words() == words


@pytest.mark.parametrize(
    ("links", "words"),
    [
        ([], None),  # a machine whose network cannot be seen
        ([CABLE_IN], None),
        ([CABLE_OUT, ON_AIR], None),
        ([CABLE_OUT], "No cable is plugged in"),
        ([NO_ADDRESS], "no address"),
        ([OWN_CHOICE], "Nobody on the network gives out addresses"),
        ([OWN_CHOICE, ON_AIR], None),
    ],
)
def test_what_keeps_phones_out_is_said_with_what_to_do(links, words):
    found = network_findings(Network(links, []))
    assert [each.level for each in found] == (["soon"] if words else [])
    assert all(words in each.words and each.todo for each in found)


@pytest.mark.parametrize(("phones", "limit", "full"), [(7, 8, 0), (8, 8, 1), (10, None, 1)])
def test_a_full_radio_is_said(phones, limit, full):
    radio = Radio("wlan0", can_serve=True, phones_max=limit, phones=phones)
    assert len(network_findings(Network([ON_AIR], [radio]))) == full


def test_the_figures_name_cable_address_and_radio():
    radio = Radio("wlan0", can_serve=True, phones_max=8, phones=2)
    assert network_figures(Network([CABLE_IN, ON_AIR], [radio])) == {
        "Cable": "eth0 plugged in, 192.168.1.20",
        "Radio": "wlan0 on, 2 phones now; serves up to 8, 10.42.0.1",
    }
    assert network_figures(Network([CABLE_OUT], [])) == {
        "Cable": "eth0 not plugged in",
        "Radio": "none fitted",
    }
    assert network_figures(Network([], []))["Cable"] == "no socket for one"


def test_this_machines_own_network_is_read_without_its_loop(tmp_path):
    assert "lo" not in [link.name for link in read_network().links]
    (tmp_path / "end0/device").mkdir(parents=True)
    (tmp_path / "end0/carrier").write_text("1\n")
    (tmp_path / "end1/device").mkdir(parents=True)  # switched off: asking fails
    (tmp_path / "veth7").mkdir()
    assert [(link.name, link.is_up) for link in read_network(tmp_path).links] == [
        ("end0", True),
        ("end1", False),
    ]


def test_the_page_and_the_api_say_it(as_):
    text = as_("keeper").get("/box").text
    assert '<th scope="row">Cable</th>' in text
    assert '<th scope="row">Radio</th>' in text
    assert {"Cable", "Radio"} <= as_("keeper").get("/api/v1/box/health").json()["figures"].keys()
