"""A phone inside the image's own machine: its second radio, in a namespace of its own.

Only what the image has: Python's library, wpa_supplicant, ip. Prints as JSON what was seen.

    python3 air_phone.py RADIO NAME WRONG-PASSWORD PASSWORD
"""

import contextlib
import http.client
import json
import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path("/run/phone")
LOG = FOLDER / "log"
PATIENCE_S = 90.0
JOINED, WRONG_KEY = "CTRL-EVENT-CONNECTED", "WRONG_KEY"
COOKIE = b"\x63\x82\x53\x63"
DISCOVER, REQUEST = 1, 3
SERVER, MESSAGE, WISHES, WISHED = 54, 53, 55, 50
MASK, ROUTER, NAMES, PORTAL = 1, 3, 6, 114
ASKED = ("/health", "/generate_204", "/captive-portal")
SILENT_PORT = 8000


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def join(radio, name, password):
    """Try to join until the radio says that it has, or that the password is wrong."""
    network = f"network={{\n ssid={name.encode().hex()}\n psk={json.dumps(password)}\n}}\n"
    (FOLDER / "conf").write_text(f"ctrl_interface={FOLDER}/control\n{network}")
    LOG.unlink(missing_ok=True)
    run("wpa_supplicant", "-B", "-i", radio, "-c", str(FOLDER / "conf"), "-f", str(LOG),
        "-P", str(FOLDER / "pid"))  # fmt: skip
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        said = LOG.read_text(errors="replace") if LOG.exists() else ""
        for sign in (JOINED, WRONG_KEY):
            if sign in said:
                return sign
        time.sleep(0.2)
    return said[-2_000:]


def leave():
    """Switch the phone's radio off."""
    os.kill(int((FOLDER / "pid").read_text()), 15)
    while (FOLDER / "pid").exists():
        time.sleep(0.1)


def lease(radio):
    """DHCP (RFC 2131): ask who gives addresses, take the one that is offered, return it all."""
    with socket.socket(type=socket.SOCK_DGRAM) as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, radio.encode())
        asked.bind(("", 68))
        asked.settimeout(5)
        number = bytes.fromhex(Path(f"/sys/class/net/{radio}/address").read_text().replace(":", ""))
        offered, options = answer(asked, number, {MESSAGE: bytes([DISCOVER])})
        wish = {MESSAGE: bytes([REQUEST]), SERVER: options[SERVER], WISHED: offered}
        given, options = answer(asked, number, wish)
    address = socket.inet_ntoa(given)
    run("ip", "address", "add", f"{address}/24", "dev", radio)
    run("ip", "route", "add", "default", "via", socket.inet_ntoa(options[ROUTER]))
    return {
        "address": address,
        "router": socket.inet_ntoa(options[ROUTER]),
        "names": socket.inet_ntoa(options[NAMES][:4]),
        "portal": options.get(PORTAL, b"").decode(),
    }


def answer(asked, number, options):
    """Ask until somebody answers."""
    head = struct.pack(">BBBB4sHH16x", 1, 1, 6, 0, b"drsa", 0, 0x8000)
    options = {**options, WISHES: bytes([MASK, ROUTER, NAMES, PORTAL])}
    words = b"".join(bytes([code, len(each)]) + each for code, each in options.items())
    question = head + number.ljust(16, b"\0") + bytes(192) + COOKIE + words + b"\xff"
    end = time.monotonic() + PATIENCE_S
    while True:
        asked.sendto(question, ("255.255.255.255", 67))
        with contextlib.suppress(TimeoutError):
            said = asked.recv(2_048)
            return said[16:20], read_options(said[240:])
        assert time.monotonic() < end, "nobody gives addresses"


def read_options(said):
    found = {}
    while said and said[0] != 255:
        found[said[0]] = said[2 : 2 + said[1]]
        said = said[2 + said[1] :]
    return found


def ask(host, path):
    with contextlib.closing(http.client.HTTPConnection(host, timeout=60)) as asked:
        asked.request("GET", path, headers={"host": "connectivitycheck.gstatic.com"})
        said = asked.getresponse()
        return [said.status, said.headers["location"], said.headers["content-type"]]


def knock(host, port):
    """Try a port where nothing is open to phones."""
    with socket.socket() as tried:
        tried.settimeout(5)
        try:
            tried.connect((host, port))
        except TimeoutError:
            return "silent"
        except OSError as error:
            return str(error)
        return "open"


def main(radio, name, wrong, right):
    FOLDER.mkdir(exist_ok=True)
    Path("/proc/sys/net/ipv4/conf/all/rp_filter").write_text("0")
    Path(f"/proc/sys/net/ipv4/conf/{radio}/rp_filter").write_text("0")
    run("ip", "link", "set", "lo", "up")
    seen = {"wrong": join(radio, name, wrong)}
    leave()
    seen["right"] = join(radio, name, right)
    seen["lease"] = lease(radio)
    box = seen["lease"]["router"]
    seen["pages"] = {path: ask(box, path) for path in ASKED}
    seen["knock"] = knock(box, SILENT_PORT)
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
