"""A good slot is not given up because the loader could not be told at the first try."""

import types
from importlib.machinery import SourceFileLoader

import pytest

from tests.update.release import SCRIPTS

RAUC = """#!/bin/sh
echo "$*" >> "$CALLS"
[ "$(wc -l < "$CALLS")" -gt "$FAILS" ]
"""
ASKED = "status mark-good booted\n"


@pytest.fixture
def mark_good(tmp_path, monkeypatch):
    """The command as a module, and a `rauc` that fails as often as the test says."""
    loader = SourceFileLoader("mark_good", str(SCRIPTS / "mark-good"))
    command = types.ModuleType(loader.name)
    loader.exec_module(command)
    (tmp_path / "rauc").write_text(RAUC)
    (tmp_path / "rauc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return command


@pytest.mark.parametrize(
    ("fails", "is_told", "tries"), [(0, True, 1), (1, True, 2), (4, True, 5), (99, False, 5)]
)
def test_the_loader_is_told_again_and_not_for_ever(
    mark_good, monkeypatch, tmp_path, fails, is_told, tries
):
    monkeypatch.setenv("FAILS", str(fails))
    assert mark_good.told_the_loader(between_s=0) is is_told
    assert (tmp_path / "calls").read_text() == ASKED * tries


def test_a_rauc_that_hangs_is_not_waited_for_and_all_of_it_fits_the_unit(mark_good, tmp_path):
    (tmp_path / "rauc").write_text("#!/bin/sh\nexec sleep 600\n")
    longest = mark_good.WAIT_S + mark_good.TRIES * (mark_good.TRY_S + mark_good.BETWEEN_S)
    assert longest < 10 * 60
    mark_good.TRY_S = 0.05
    assert not mark_good.told_the_loader(between_s=0)
