"""A box, its radio and its cable, each with a phone at the other end, in network namespaces.

The box's end of the radio is a cable too, named as a radio is. Everything else is real: the
firewall's rules, NetworkManager with our settings and the dnsmasq it starts, the box itself,
udhcpc as the phone. Run by root inside `unshare --net --mount --pid --fork --kill-child`:

    python -m tests.image.net_lab firewall|radio|access_point

prints as JSON what was seen.
"""

import contextlib
import importlib.machinery
import io
import json
import os
import resource
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import types
import urllib.request
from pathlib import Path

OVERLAY = Path(__file__).parents[2] / "image-build/overlay"
RULES = OVERLAY / "etc/nftables.conf"
OWN = "10.42.0.1"
LINKS = {  # the box's end: its address, a phone's in the same school, one from elsewhere
    "wlan0": (OWN, "10.42.0.77", None),
    "eth0": ("192.168.7.2", "192.168.7.77", "203.0.113.9"),
}
PROFILE = f"""[connection]
id=access-point
type=ethernet
interface-name=wlan0

[ipv4]
method=shared
address1={OWN}/24

[ipv6]
method=disabled
"""
BUS = """<busconfig><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"""
LEASED = "#!/bin/sh\n[ $1 = bound ] && env && ip address add $ip/$mask dev $interface\nexit 0\n"
COMMAND = "usr/lib/darasa/access-point"
WRONG = (
    ["on", "School", "chalk and talk", "KE"],  # no radio is fitted
    ["on", "School", "short", "KE"],
    ["on", "School", "пароль-пароль", "KE"],
    ["on", "School", "chalk and talk", "XX"],
    ["on", "School", "chalk and talk", "Kenya"],
    ["on", "", "chalk and talk", "KE"],
    ["on", "Ş" * 17, "chalk and talk", "KE"],
)
RIGHT = ["on", "Shule ya Msingi", "chalk and talk", "ke"]
DEVICES = "phy#0\n\tInterface wlan9\n\t\tifindex 3\n\t\ttype managed\n"
LISTED = """Wiphy phy0
\tSupported interface modes:
\t\t * managed
\t\t * AP
\tMaximum associated stations in AP mode: 8
"""
NAMES = ("darasa.local", "darasa", "captive.apple.com", "connectivitycheck.gstatic.com",
         "www.msftconnecttest.com", "www.google.com", "example.org", "darasa-2.local")  # fmt: skip
ASKED = ("/generate_204", "/hotspot-detect.html", "/connecttest.txt", "/captive-portal", "/health")
A, AAAA = 1, 28
PATIENCE_S = 60.0
SILENCE_S = 0.3
# Every one that a service of the system has, and some that others like to take.
TCP_PORTS = (*range(1, 1_025), 1883, 3000, 3306, 5000, 5355, 5432, 6379, 8000, 8080, 8443, 9100)
UDP_PORTS = (22, 53, 67, 68, 69, 80, 123, 137, 161, 443, 1900, 5353, 5355, 51820)


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@contextlib.contextmanager
def running(*command, **options):
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def phone(link):
    """A phone at the other end of `link`; yields the words that run things there."""
    with running("unshare", "--net", "sh", "-c", "echo; exec sleep 600", stdout=-1) as far:
        far.stdout.readline()
        there = ("nsenter", "--target", str(far.pid), "--net")
        run("ip", "link", "add", link, "type", "veth", "peer", "phone0", "netns", str(far.pid))
        run("ip", "link", "set", link, "up")
        for each in ("lo", "phone0"):
            run(*there, "ip", "link", "set", each, "up")
        yield there


def in_phone(there, deed, *words):
    """Have this program do one thing over there."""
    return json.loads(run(*there, sys.executable, "-m", "tests.image.net_lab", deed, *words))


# -- the firewall -----------------------------------------------------------------------------


def firewall():
    """Nothing listens: what is let through is refused at once, the rest is silence."""
    run("sysctl", "-q", "-w", "net.ipv4.icmp_ratelimit=0")
    run("nft", "-f", RULES)
    seen = {}
    for link, (own, near, far) in LINKS.items():
        with phone(link) as there:
            run("ip", "address", "add", f"{own}/24", "dev", link)
            run(*there, "ip", "address", "add", f"{near}/24", "dev", "phone0")
            seen[link] = in_phone(there, "scan", own, near)
            if far:
                run(*there, "ip", "address", "add", f"{far}/32", "dev", "phone0")
                run("ip", "route", "add", f"{far}/32", "dev", link)
                seen["elsewhere"] = in_phone(there, "scan", own, far)
                run("nft", "add", "element", "inet", "darasa", "open_tcp", "{ 22 }")
                seen["ssh"] = in_phone(there, "scan", own, near)
    return seen


def scan(host, source):
    """The ports that are not silent, be it with a no."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * len(TCP_PORTS), 2 * len(TCP_PORTS)))
    return {
        "tcp": heard(host, source, TCP_PORTS, socket.SOCK_STREAM, select.EPOLLOUT),
        "udp": heard(host, source, UDP_PORTS, socket.SOCK_DGRAM, select.EPOLLERR),
    }


def heard(host, source, ports, kind, sign):
    """Those that answer before there has been silence for a while."""
    poll, found, asked = select.epoll(), [], {}
    with contextlib.ExitStack() as stack:
        for port in ports:
            tried = stack.enter_context(socket.socket(type=kind))
            tried.settimeout(0)
            tried.bind((source, 0))
            with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                tried.connect((host, port))
                tried.send(b"?")
            asked[tried.fileno()] = port
            poll.register(tried, sign)
        while events := poll.poll(SILENCE_S):
            for number, _ in events:
                poll.unregister(number)
                found.append(asked[number])
    return sorted(found)


# -- switching the radio on -------------------------------------------------------------------


def access_point():
    """The command itself against NetworkManager, with an `iw` that tells of a radio not there."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        run("ip", "link", "set", "lo", "up")
        stack.enter_context(phone("wlan0"))
        stack.enter_context(network_manager(folder))
        command = access_point_in(folder)
        os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
        script = folder / "iw"
        script.write_text(f"#!/bin/sh\ncat {folder}/said-$1 2>&-; true\n")
        script.chmod(0o755)
        seen = [said(command, *words) for words in WRONG]
        (folder / "said-dev").write_text(DEVICES)
        (folder / "said-list").write_text(LISTED)
        tried = [said(command, *words) for words in (["status"], RIGHT, ["off"], ["status"])]
        kept = (folder / "radio.env").read_text()
        return {
            "wrong": seen,
            "tried": tried,
            "kept": kept,
            "left": run("nmcli", "-g", "NAME", "connection"),
        }


def access_point_in(folder):
    """The command as a module, with its two files elsewhere."""
    loader = importlib.machinery.SourceFileLoader("access_point", str(OVERLAY / COMMAND))
    command = types.ModuleType(loader.name)
    loader.exec_module(command)
    command.KEPT = folder / "radio.env"
    command.COUNTRIES = folder / "countries"
    command.COUNTRIES.write_bytes(b"RGDB\0\0\0\x1400\4\xf7KE\5\xd4PK\5\xe6\0\0\0\0ZZ\1\1")
    return command


def said(command, *words):
    """The exit status and every word."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        status = command.main(list(words))
    return [status, out.getvalue()]


# -- the radio --------------------------------------------------------------------------------


def radio():
    """A phone joins the box's own network, asks for names, and asks what phones ask."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        run("ip", "link", "set", "lo", "up")
        run("nft", "-f", RULES)
        there = stack.enter_context(phone("wlan0"))
        stack.enter_context(network_manager(folder))
        stack.enter_context(box(folder))
        return {
            "lease": leased(there, folder),
            "names": in_phone(there, "names", OWN),
            "pages": in_phone(there, "pages", OWN),
            "listening": run("ss", "-Hlntu"),
        }


@contextlib.contextmanager
def network_manager(folder):
    """NetworkManager with the image's own settings, on a bus of its own."""
    settings, state = folder / "settings", folder / "state"
    shutil.copytree(OVERLAY / "etc/NetworkManager", settings)
    (settings / "conf.d/lab.conf").write_text("[main]\nauth-polkit=false\nplugins=keyfile\n")
    profile = settings / "system-connections/access-point.nmconnection"
    profile.parent.mkdir()
    profile.write_text(PROFILE)
    profile.chmod(0o600)
    state.mkdir()
    run("mount", "-t", "tmpfs", "run", "/run")
    run("mount", "-t", "sysfs", "-o", "ro", "sys", "/sys")  # no udev to wait for
    run("mount", "--bind", settings, "/etc/NetworkManager")
    run("mount", "--bind", state, "/var/lib/NetworkManager")
    (folder / "bus.conf").write_text(BUS.format(path=folder / "bus"))
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={folder / 'bus'}"
    daemon = ("dbus-daemon", f"--config-file={folder / 'bus.conf'}", "--nofork", "--print-address")
    quiet = {"stderr": subprocess.DEVNULL}
    with running(*daemon, stdout=-1, **quiet) as bus:
        bus.stdout.readline()
        with running("NetworkManager", "--debug", stdout=subprocess.DEVNULL, **quiet):
            until(lambda: OWN in run("ip", "-brief", "address", "show", "wlan0"))
            yield


@contextlib.contextmanager
def box(folder):
    """The real box, on port 80."""
    env = os.environ | {"DARASA_DATA_DIR": str(folder / "box"), "DARASA_PORT": "80"}
    program = Path(sys.executable).with_name("darasa-box")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running(program, "serve", env=env, **quiet):
        until(lambda: ":80 " in run("ss", "-Hltn"))
        yield


def leased(there, folder):
    """What DHCP gives a phone."""
    script = folder / "leased"
    script.write_text(LEASED)
    script.chmod(0o755)
    asked = ("udhcpc", "-f", "-q", "-n", "-i", "phone0", "-O", "114", "-s", str(script))
    lines = subprocess.run(
        [*there, *asked], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ).stdout.splitlines()
    wanted = ("ip", "mask", "router", "dns", "lease", "opt114")
    return {
        key: value for key, _, value in (each.partition("=") for each in lines) if key in wanted
    }


def names(server):
    """Return what the name server says of each: its code, the answers, and the last address."""
    return {f"{name} {kind}": ask(server, name, kind) for name in NAMES for kind in (A, AAAA)}


def ask(server, name, kind):
    """RFC 1035, one question."""
    words = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    with socket.socket(type=socket.SOCK_DGRAM) as asked:
        asked.settimeout(PATIENCE_S / 6)
        head = b"\0\7\1\0\0\1\0\0\0\0\0\0"
        asked.sendto(head + words + b"\0" + bytes((0, kind, 0, 1)), (server, 53))
        said = asked.recv(1_024)
    answers = int.from_bytes(said[6:8])
    return [said[3] & 15, answers, socket.inet_ntoa(said[-4:]) if answers else ""]


class Staying(urllib.request.HTTPRedirectHandler):
    """Go nowhere: the answer itself is what is looked at."""

    def redirect_request(self, *_):
        return None


def pages(server):
    """Return what the box says to each question a phone asks, under the name it asks it."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Staying)
    found = {}
    for path in ASKED:
        request = urllib.request.Request(f"http://{server}{path}", headers={"Host": NAMES[3]})
        try:
            said = opener.open(request, timeout=PATIENCE_S / 3)
        except urllib.request.HTTPError as error:
            said = error
        with said:
            head = said.headers
            found[path] = [
                said.code,
                head["Location"],
                head["Content-Type"],
                said.read(300).decode(),
            ]
    return found


def until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, run("ip", "address")
        time.sleep(0.05)


def main(deed, *words):
    sys.stdout.write(json.dumps(globals()[deed](*words)))


if __name__ == "__main__":
    main(*sys.argv[1:])
