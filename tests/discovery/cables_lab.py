"""A box with two cables, and a phone that listens at the end of the one that stays.

The other one is plugged in, pulled and plugged in while the phone listens. Run inside `unshare
--map-root-user --net --mount`; prints as JSON what the phone has heard.
"""

import asyncio
import json
import socket
import struct
import sys
from contextlib import ExitStack

from zeroconf import DNSIncoming

from appliance.discovery.announcer import Announcer, lan_addresses
from tests.discovery.avahi_lab import BOX, PHONE, cabled_phone, on, run, running

GROUP, PORT = "224.0.0.251", 5353
A = 1  # the type of an address
OTHER = on(1, BOX)


def listen():
    """Print every answer that is multicast here, a line each, until killed."""
    heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    heard.bind((GROUP, PORT))
    member = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton(PHONE))
    heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    sys.stdout.write("ready\n")
    while True:
        sys.stdout.flush()
        for each in DNSIncoming(heard.recv(9_000)).answers():
            address = socket.inet_ntoa(each.address) if each.type == A else ""
            sys.stdout.write(json.dumps([each.name, each.ttl, address]) + "\n")


async def play(box):
    """Two cables, then one, then two again, then none."""
    said = []
    for is_up in (None, "up", "down", "up"):
        if is_up:
            run("ip", "link", "set", "box1", is_up)
        await box.refresh()
        said.append(box.announcement.addresses)
    mark = len(said)
    await box._withdraw()
    return said[:mark]


def main():
    with ExitStack() as stack:
        there = stack.enter_context(cabled_phone())
        stack.enter_context(cabled_phone(1))
        run("ip", "link", "set", "box1", "down")
        command = (*there, sys.executable, "-m", __spec__.name, "listen")
        phone = stack.enter_context(running(*command))
        phone.stdout.readline()
        box = Announcer(host_name="darasa", port=8000, app_version="0", addresses=lan_addresses)
        said = asyncio.run(play(box))
        phone.terminate()
        heard = [json.loads(line) for line in phone.stdout]
    sys.stdout.write(json.dumps({"said": said, "heard": heard}))


if __name__ == "__main__":
    listen() if "listen" in sys.argv else main()
