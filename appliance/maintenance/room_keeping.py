"""Doing without, as the card fills: looked at every ten seconds, done when there is need."""

import asyncio
from typing import Final

from appliance.backups.aside import shed_aside
from appliance.backups.nightly import KEPT_IN_NEED, forget_old_copies
from appliance.errors import StorageFull
from appliance.maintenance.box import Box
from appliance.maintenance.commands import prune_oldest_runs
from appliance.room import card_of, keep_reserve

RUNS_KEPT_IN_NEED: Final = 200  # the last ten days, and with them the last of every job


async def make_room(box: Box) -> str | None:
    """Do what the card asks for; say what was done, or None.

    Readings and new files are refused where they are made (guards.py, appliance.attachments).
    """
    settings = box.settings
    card = card_of(settings.data_dir)
    done = [await asyncio.to_thread(keep_reserve, settings.reserve, card, settings.reserve_bytes)]
    if "logs" in card.sheds:
        done.append(await _shorten_journal(box))
    if "copies" in card.sheds:
        gone = await asyncio.to_thread(forget_old_copies, settings.backups, KEPT_IN_NEED)
        gone += await asyncio.to_thread(shed_aside, settings)
        done.append(f"{gone} older copies on this card are gone" if gone else None)
    words = [each for each in done if each]
    return "; ".join(words) or None


async def _shorten_journal(box: Box) -> str | None:
    try:
        gone = await box.writer.write(prune_oldest_runs, kept=RUNS_KEPT_IN_NEED)
    except StorageFull:
        return None  # the reserve is given up by now; the next look has room for this
    return f"{gone} old lines of the journal are gone" if gone else None
