"""Counting what is written to the card."""

from appliance.clock import BOARD
from appliance.maintenance.box import Box
from appliance.telemetry.card import counted, read_wear, save_wear, written_bytes


def count_wear(box: Box) -> None:
    """Add what was written since the last look, where the kernel counts it."""
    counter = written_bytes(box.settings.data_dir)
    if counter is None:
        return
    file = box.settings.card_wear
    today = box.local().date() if box.is_clock_sure else None
    save_wear(file, counted(read_wear(file), counter, boot_id=BOARD.boot_id(), today=today))
