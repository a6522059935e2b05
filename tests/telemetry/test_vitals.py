"""What the machine says of itself, also to somebody who may not see everything."""

import os
from contextlib import contextmanager

import psutil

from appliance.telemetry.vitals import own_memory_bytes

NOBODY = 65_534


@contextmanager
def as_nobody():
    """Without root's rights, where the tests have them."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


def test_the_memory_of_a_process_whose_map_is_closed_is_told_from_its_counts():
    first = psutil.Process(1)
    with as_nobody():
        seen = own_memory_bytes(first)
    counted = first.memory_info()
    assert 0 < seen <= counted.rss
