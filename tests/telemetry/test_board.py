"""What the board says of its power and its card, from files as the kernel lays them out."""

import os
from datetime import date

import pytest

from appliance.telemetry.card import DAYS_KEPT, Wear, counted, read_wear, save_wear, written_bytes
from appliance.telemetry.power import Power, read_power

MOUSE = {
    "supply/M/type": "Battery",
    "supply/M/scope": "Device",
    "supply/M/status": "Discharging",
}
SATURDAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("files", "power"),
    [
        ({}, Power()),
        ({"supply/AC/type": "Mains", "supply/AC/online": "1"}, Power()),
        ({"supply/B/type": "Battery", "supply/B/status": "Charging"}, Power()),
        ({"supply/B/type": "Battery", "supply/B/status": "Discharging"}, Power(on_battery=True)),
        ({"supply/U/type": "UPS", "supply/U/status": "Discharging"}, Power(on_battery=True)),
        (  # somebody's mouse
            {
                "supply/M/type": "Battery",
                "supply/M/scope": "Device",
                "supply/M/status": "Discharging",
            },
            Power(),
        ),
        ({"hwmon/hwmon1/in0_lcrit_alarm": "1\n"}, Power(under_voltage=True)),
        ({"hwmon/hwmon1/in0_lcrit_alarm": "0\n"}, Power()),
    ],
)
def test_power_is_what_the_board_says(tmp_path, files, power):
    for name, words in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words)
    assert read_power(tmp_path / "supply", tmp_path / "hwmon") == power


def test_the_devices_own_counter_is_read(tmp_path):
    device = tmp_path.stat().st_dev
    stat = tmp_path / f"{os.major(device)}:{os.minor(device)}" / "stat"
    assert written_bytes(tmp_path, tmp_path) is None
    stat.parent.mkdir()
    stat.write_text("   11  12  13  14  15  16  2000  18  0  1  2\n")
    assert written_bytes(tmp_path, tmp_path) == 2_000 * 512
    stat.write_text("")
    assert written_bytes(tmp_path, tmp_path) is None


def test_wear_is_counted_by_day_and_across_boots(tmp_path):
    file = tmp_path / "wear"
    assert read_wear(file) == Wear()
    wear = counted(read_wear(file), 5_000, boot_id="one", today=SATURDAY)
    assert wear.days == {}, "what was written before anybody counted is not today's"
    wear = counted(wear, 7_000, boot_id="one", today=SATURDAY)
    save_wear(file, wear)
    assert read_wear(file).latest_day == ("2026-11-21", 2_000)
    wear = counted(read_wear(file), 300, boot_id="two", today=SATURDAY)
    assert wear.days == {"2026-11-21": 2_300}
    wear = counted(wear, 400, boot_id="two", today=None)
    assert wear.days == {"2026-11-21": 2_400}, "a clock nobody vouches for begins no day"
    wear = counted(wear, 500, boot_id="two", today=date(2026, 11, 22))
    assert wear.days == {"2026-11-21": 2_400, "2026-11-22": 100}


def test_wear_is_kept_for_two_months_and_a_torn_file_begins_anew(tmp_path):
    wear = Wear("one", 0, {date.fromordinal(700_000 + n).isoformat(): n for n in range(90)})
    wear = counted(wear, 1, boot_id="one", today=SATURDAY)
    assert len(wear.days) == DAYS_KEPT
    assert wear.latest_day == ("2026-11-21", 1)
    (tmp_path / "wear").write_text('{"boot_id": "on')
    assert read_wear(tmp_path / "wear") == Wear()
