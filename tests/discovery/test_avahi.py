"""What most laptops ask with, and what many boards already run, finds the box as well."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.discovery.avahi_lab import BOX
from tests.discovery.cables_lab import OTHER

UNSHARE = ("unshare", "--map-root-user", "--net", "--mount", "--fork", "--kill-child")
TOOLS = ("avahi-daemon", "avahi-browse", "dbus-daemon", "ip", "nsenter", "unshare")


def why_not():
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"not installed here: {', '.join(missing)}"
    tried = subprocess.run((*UNSHARE, "true"), capture_output=True, check=False)
    return "network namespaces are not allowed here" if tried.returncode else None


def played(lab):
    """Play it in namespaces of its own; return what was seen there."""
    if reason := why_not():
        pytest.skip(reason)
    words = (*UNSHARE, sys.executable, "-m", f"tests.discovery.{lab}")
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, timeout=50).stdout)


@pytest.mark.timeout(60)
def test_avahi_on_another_machine_finds_the_box_that_runs_an_avahi_of_its_own():
    seen = played("avahi_lab")
    assert seen["announced"] == "darasa"
    assert seen["resolve"] == ["darasa.local", BOX]
    for kind, lines in seen["browse"].items():
        assert f"{kind};local;darasa.local;{BOX};8000;" in lines.replace("Web Site", "_http._tcp")


@pytest.mark.timeout(60)
def test_a_phone_on_the_cable_that_stays_is_never_told_goodbye():
    seen = played("cables_lab")
    assert [tuple(each) for each in seen["said"]] == [(BOX,), (BOX, OTHER), (BOX,), (BOX, OTHER)]
    heard = seen["heard"]
    # At the very end the box goes, and says so: the first goodbye is behind every announcement.
    alive = [ttl > 0 for _, ttl, _ in heard]
    first = alive.index(False)
    assert any(address == OTHER for _, _, address in heard[:first])
    assert not any(alive[first:])
