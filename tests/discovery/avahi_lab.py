"""A box and a phone in network namespaces of their own, each with a real avahi-daemon.

The box's holds the mDNS port before ours does. Run inside `unshare --map-root-user --net
--mount`; prints as JSON what the phone's avahi says.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from appliance.discovery.announcer import SERVICE_TYPES, Announcer, lan_addresses

BOX, PHONE = "10.77.0.1", "10.77.0.2"
BUS = """<busconfig><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"""
DAEMON = """set -e
mount -t tmpfs run /run
for each in passwd group; do
  printf 'root:x:0:0::/:\\navahi:x:0:0::/:\\n' > /run/$each
  mount --bind /run/$each /etc/$each
done
exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f "$0"
"""  # it gives its folder to a user whom a namespace of ours does not have


def run(*command, env=None):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout


@contextlib.contextmanager
def running(*command, **options):
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextlib.contextmanager
def cabled_phone(number=0):
    """Another network namespace at the end of a cable; yields the words that run things there."""
    ends = (f"box{number}", f"phone{number}")
    with running("unshare", "--net", "sh", "-c", "echo ready; exec sleep 600") as far:
        far.stdout.readline()
        there = ("nsenter", "--target", str(far.pid), "--net")
        peer = ("peer", "name", ends[1], "netns", str(far.pid))
        run("ip", "link", "add", ends[0], "type", "veth", *peer)
        for where, name, address in (((), ends[0], BOX), (there, ends[1], PHONE)):
            run(*where, "ip", "address", "add", f"{on(number, address)}/24", "dev", name)
            for each in ("lo", name):
                run(*where, "ip", "link", "set", each, "up")
        yield there


def on(number, address):
    """The same end of another cable."""
    return address.replace("10.77.0.", f"10.77.{number}.")


@contextlib.contextmanager
def avahi(folder, name, where=()):
    """An avahi-daemon on a bus of its own; yields the environment in which its tools find it."""
    (folder / name).mkdir()
    bus, settings = folder / name / "bus.conf", folder / name / "avahi.conf"
    path = folder / name / "bus"
    bus.write_text(BUS.format(path=path))
    settings.write_text(f"[server]\nhost-name={name}\nuse-ipv6=no\n")
    env = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={path}"}
    dbus = ("dbus-daemon", f"--config-file={bus}", "--nofork", "--print-address")
    with running(*dbus, stderr=subprocess.DEVNULL) as daemon:
        daemon.stdout.readline()
        command = (*where, "unshare", "--mount", "sh", "-c", DAEMON, str(settings))
        with running(*command, env=env, stderr=subprocess.PIPE) as server:
            for line in server.stderr:
                if "startup complete" in line:
                    break
            yield env


async def announced_and_seen(see):
    box = Announcer(host_name="darasa", port=8000, app_version="0", addresses=lan_addresses)
    await box.refresh()
    try:
        return {"announced": box.announcement.host_name, **await asyncio.to_thread(see)}
    finally:
        await box._withdraw()


def main():
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        there = stack.enter_context(cabled_phone())
        stack.enter_context(avahi(folder, "box"))
        env = stack.enter_context(avahi(folder, "phone", there))

        def see():
            browse = {
                kind: run("avahi-browse", "--resolve", "--parsable", "--terminate", kind, env=env)
                for kind in (name.removesuffix(".local.") for name in SERVICE_TYPES)
            }
            names = run("avahi-resolve", "-4", "--name", "darasa.local", env=env)
            return {"browse": browse, "resolve": names.split()}

        sys.stdout.write(json.dumps(asyncio.run(announced_and_seen(see))))


if __name__ == "__main__":
    main()
