"""The watchdog is fed by a box that can do its work, not by one that merely runs."""

import pytest

from appliance.errors import Busy
from appliance.server import can_work
from tests.box import running_box


def test_a_box_without_its_writer_is_not_well(database):
    with running_box(database) as client:
        state = client.app.state
        assert can_work(state)
        state.writer.stop()
        assert not can_work(state)
        with pytest.raises(Busy):
            state.writer.write_blocking(lambda _tx: None)
