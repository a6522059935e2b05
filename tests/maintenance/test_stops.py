"""One mark: who runs here, what it serves, and how the last one ended."""

import os
import subprocess
import sys

import pytest
from msgspec import structs

from appliance.errors import DarasaError
from appliance.maintenance.stops import (
    Mark,
    note_lessons,
    note_start,
    note_trouble,
    noting_the_stop,
    read_mark,
    running_box,
)


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "running"


@pytest.fixture
def gone():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_clean_stop_leaves_nothing(mark):
    with noting_the_stop(mark, port=8_000):
        assert running_box(mark).port == 8_000
        assert running_box(mark).pid == os.getpid()
    assert read_mark(mark) is None


@pytest.mark.parametrize(
    ("error", "trouble"), [(DarasaError("no"), "refused"), (KeyboardInterrupt(), "")]
)
def test_any_other_end_leaves_the_mark(mark, error, trouble):
    with pytest.raises(type(error)), noting_the_stop(mark):
        raise error
    assert read_mark(mark).trouble == trouble


def test_damage_outlives_a_clean_stop(mark):
    with noting_the_stop(mark, port=80):
        note_trouble(mark, "damaged")
        assert running_box(mark).port == 80
    assert read_mark(mark).trouble == "damaged"


@pytest.mark.parametrize("left", [None, Mark(), Mark(trouble="refused"), Mark(trouble="damaged")])
def test_showing_lessons_keeps_what_the_next_start_has_to_look_at(mark, left):
    if left is not None:
        note_start(mark, port=None)
        note_trouble(mark, left.trouble)
    note_lessons(mark, port=8_000)
    found = running_box(mark)
    assert (found.serves, found.port) == ("lessons", 8_000)
    assert found.trouble == ("damaged" if left is None else left.trouble)


@pytest.mark.parametrize("content", [b"", b"{", b"running\n", b'{"pid": "x"}'])
def test_a_torn_mark_is_one_of_a_box_that_was_running(mark, content):
    mark.write_bytes(content)
    assert read_mark(mark) == Mark()
    assert running_box(mark) is None


def test_a_process_that_ended_and_one_of_another_boot_are_no_box(mark, gone):
    note_start(mark, port=None)
    here = read_mark(mark)
    assert here.is_alive
    assert not structs.replace(here, pid=gone).is_alive
    assert not structs.replace(here, boot_id="another").is_alive
