"""Chrome 61 is the floor: scripts and styles are served as written, so they are written for it."""

import subprocess

import pytest

from tests.sources import ROOT

ESBUILD = ROOT / "node_modules" / "esbuild" / "bin" / "esbuild"
NODE = ROOT / ".venv" / "bin" / "node"
FLOOR = "chrome61"
NEWEST = "esnext"
SERVED = sorted(
    path
    for folder in ("appliance", "sync/hub")
    for kind in ("*.js", "*.css")
    for path in (ROOT / folder).rglob(kind)
    if "vendor" not in path.parts  # the API's own pages are for integrators
)


def rewritten(text, kind, target):
    """Print `text` as that browser needs it; the same words come back when nothing is too new."""
    command = [NODE, ESBUILD, f"--loader={kind}", f"--target={target}", "--log-level=warning"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", SERVED, ids=lambda path: path.name)
def test_nothing_served_is_too_new_for_the_oldest_phone(path):
    text, kind = path.read_text(), path.suffix[1:]
    assert rewritten(text, kind, FLOOR) == rewritten(text, kind, NEWEST)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("js", "pupil?.name"),
        ("js", "try { save() } catch { retry() }"),
        ("css", ".card { & p { margin: 0 } }"),
        ("css", ".card { inset: 0 }"),
        ("css", ".card { color: rgb(0 0 0 / 50%) }"),
    ],
)
def test_what_is_too_new_would_be_noticed(kind, text):
    assert rewritten(text, kind, FLOOR) != rewritten(text, kind, NEWEST)
