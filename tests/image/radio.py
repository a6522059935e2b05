"""The steps of `make image-test` with a radio of the box's own, which the kernel makes up."""

import json
from pathlib import Path
from typing import Final

from tests.image.air_phone import JOINED, WRONG_KEY
from tests.image.keeper import Keeper
from tests.image.stage import Trouble
from tests.image.sticks import until

POINT: Final = "/usr/lib/darasa/access-point"
NAME: Final = "Shule ya Msingi"
PASSWORD: Final = "chalk and talk"
RADIOS: Final = "modprobe mac80211_hwsim radios=2 && udevadm settle"
APART: Final = "ip netns add phone && iw phy phy1 set netns name phone"
OWN: Final = "10.42.0.1"
ON_AIR: Final = "iw dev | grep -c 'type AP'"


def a_radio_of_its_own(stage):
    """A phone joins over the air with the right password only, and finds the box."""
    machine, keeper = stage.machine, Keeper(stage)
    radio = two_radios(machine)
    status = machine.run(f"{POINT} status")
    said = machine.run(f"{POINT} on '{NAME}' '{PASSWORD}' KE")
    seen = phone(machine, "not the words")
    phones = machine.run("iw dev wlan0 station dump | grep -c ^Station", check=False)
    shown = keeper.page("/box")
    problems = [
        *(["wrong password"] if seen["wrong"] != WRONG_KEY else []),
        *(["right password"] if seen["right"] != JOINED else []),
        *(["address"] if not seen["lease"]["address"].startswith("10.42.0.") else []),
        *(["pages"] if not answered(seen["pages"]) else []),
        *(["a closed port answers"] if seen["knock"] != "silent" else []),
        *(["phones"] if phones != "1" or "on, 1 phone now" not in shown else []),
        *(["KE"] if "country KE" not in machine.run("iw reg get") else []),
    ]
    if problems:
        raise Trouble(f"{problems}: {seen}, {phones} phones, {radio}")
    return f"{status} / {said} / {seen['lease']} / {seen['pages']} / 1 phone"


def two_radios(machine):
    """One for the box, one for the phone."""
    machine.run(RADIOS)
    machine.run(APART)
    return machine.run("iw dev; ip netns exec phone iw dev")


def phone(machine, wrong):
    """What the phone at the other end sees."""
    script = Path(__file__).with_name("air_phone.py")
    machine.push(script, "/run/air_phone.py")
    words = f"wlan1 '{NAME}' '{wrong}' '{PASSWORD}'"
    return json.loads(machine.run(f"ip netns exec phone python3 /run/air_phone.py {words}"))


def answered(pages):
    return (
        pages["/health"][0] == 200
        and pages["/generate_204"][:2] == [302, f"http://{OWN}/"]
        and pages["/captive-portal"][2].startswith("application/captive+json")
    )


def the_radio_after_a_restart(stage):
    """It was on: it is on again by itself, with its country; `off` takes it away."""
    stage.machine.kill()
    took = stage.start()
    stage.machine.until_open()
    stage.machine.run(RADIOS)
    until(lambda: stage.machine.run(ON_AIR, check=False) == "1", "the network is not back")
    said = stage.machine.run(f"{POINT} off; {POINT} status")
    if not said.startswith("Off.") or stage.machine.run(ON_AIR, check=False) != "0":
        raise Trouble(said)
    return f"on again by itself after a power cut, serving after {took:.0f} s; then {said!r}"
