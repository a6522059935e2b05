"""The units mean what they say: systemd has nothing to remark, and little is left open."""

import pytest

from appliance.__main__ import _parser
from appliance.health.release import OFFER
from tests.systemd.units import SERVICES, UNITS, copied_to, every_unit, systemd, values

EXPOSURE_MAX = 20  # tenths; systemd calls up to 2.0 "OK", and an unhardened service has 9.6

pytestmark = pytest.mark.usefixtures("needs_systemd")


@pytest.fixture
def units(tmp_path):
    return copied_to(tmp_path)


def remarks(folder):
    """Return every line `verify` prints: for unknown keys its exit status is still 0."""
    done = systemd("systemd-analyze", "verify", *every_unit(folder))
    return done.stdout + done.stderr


def test_systemd_has_no_remark_on_any_unit(units):
    assert {path.name for path in units.iterdir()} >= {
        "darasa-box.service",
        "darasa-box.socket",
        "darasa-agent.service",
        "darasa-hub.service",
        "darasa-migrate.service",
        "darasa-backup.timer",
        "darasa-integrity.timer",
        "darasa-update.timer",
        "darasa-off.socket",
        "darasa-restart.socket",
    }
    assert remarks(units) == ""


@pytest.mark.parametrize(
    ("section", "line", "complaint"),
    [
        ("[Service]", "ProtectEverything=yes", "ProtectEverything"),
        ("[Service]", "WatchdogSec=soon", "soon"),
        ("[Unit]", "After=darasa box", "darasa"),
    ],
)
def test_a_mistake_in_a_unit_is_noticed(units, section, line, complaint):
    box = units / "darasa-box.service"
    box.write_text(box.read_text().replace(section, f"{section}\n{line}"))
    assert complaint in remarks(units)


def test_a_missing_program_is_noticed(units):
    (units / "bin" / "darasa-hub").unlink()
    assert "darasa-hub" in remarks(units)


@pytest.mark.parametrize("service", SERVICES)
def test_little_is_left_open(units, service):
    judged = systemd(
        "systemd-analyze",
        "security",
        "--offline=true",
        f"--threshold={EXPOSURE_MAX}",
        units / f"{service}.service",
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_an_open_unit_is_noticed(units):
    box = units / "darasa-box.service"
    kept = [line for line in box.read_text().splitlines() if "Protect" not in line]
    box.write_text("\n".join(kept))
    judged = systemd(
        "systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", box
    )
    assert judged.returncode != 0


@pytest.mark.parametrize("user", ["darasa-box", "darasa-hub"])
def test_systemd_can_make_the_users(user, tmp_path):
    (tmp_path / "etc").mkdir()
    made = systemd("systemd-sysusers", f"--root={tmp_path}", UNITS / f"{user}.sysusers")
    assert made.returncode == 0, made.stderr
    name = values(f"{user}.service", "User")[0]
    assert f"{name}:" in (tmp_path / "etc" / "passwd").read_text()


@pytest.mark.parametrize("name", ["agent", "migrate", "backup", "integrity"])
def test_all_who_open_the_database_are_one_user_on_one_folder(name):
    for key in ("User", "Group", "StateDirectory", "UMask", "StateDirectoryMode"):
        assert values("darasa-box.service", key) == values(f"darasa-{name}.service", key), key
    assert values(f"darasa-{name}.service", "RequiresMountsFor") == ["%S/darasa"]


@pytest.mark.parametrize("name", ["migrate", "backup", "integrity"])
def test_what_a_unit_asks_of_the_box_is_a_command_it_has(name):
    (words,) = values(f"darasa-{name}.service", "ExecStart")
    program, *words = words.split()
    assert program.endswith("/darasa-box")
    assert callable(_parser().parse_args(words).command)


BY_THE_CLOCK = [path.stem for path in UNITS.glob("*.timer") if "OnCalendar" in path.read_text()]


def test_the_weekly_check_counts_the_hours_the_machine_runs_and_takes_what_is_left_over():
    assert set(BY_THE_CLOCK) == {f"darasa-{name}" for name in ("backup", "update")}
    assert values("darasa-integrity.timer", "Persistent") == []
    assert values("darasa-integrity.timer", "OnBootSec") == ["1h"]
    for key in ("CPUSchedulingPolicy", "IOSchedulingClass"):
        assert values("darasa-integrity.service", key) == ["idle"]


@pytest.mark.parametrize("timer", sorted(BY_THE_CLOCK))
def test_a_timer_starts_a_service_of_its_name_and_makes_up_for_nights_off(timer):
    assert timer in SERVICES
    assert values(f"{timer}.timer", "Persistent") == ["yes"]
    (when,) = values(f"{timer}.timer", "OnCalendar")
    judged = systemd("systemd-analyze", "calendar", when)
    assert judged.returncode == 0, judged.stderr


@pytest.mark.parametrize("name", ["off", "restart"])
def test_a_switch_starts_no_program_and_only_the_boxs_user_may_press_it(name):
    assert f"darasa-{name}" not in SERVICES
    assert values(f"darasa-{name}.socket", "SocketMode") == ["0600"]
    assert values(f"darasa-{name}.socket", "SocketUser") == values("darasa-box.service", "User")


def test_what_the_machine_has_found_lies_where_the_box_looks_and_may_read():
    assert values("darasa-update.service", "RuntimeDirectory") == [OFFER.partition("/")[0]]
    assert values("darasa-update.service", "UMask") == ["0022"]
    script = UNITS.parent / "image-build/overlay/usr/lib/darasa/update"
    assert f'"/run/{OFFER}"' in script.read_text()


def test_nobody_opens_the_file_before_it_is_at_this_release():
    (before,) = values("darasa-migrate.service", "Before")
    assert set(before.split()) == {"darasa-box.service", "darasa-agent.service"}
    assert "darasa-migrate.service" in values("darasa-box.service", "Wants")


def test_systemd_has_no_remark_on_the_folders(tmp_path):
    (tmp_path / "etc").mkdir()
    systemd("systemd-sysusers", f"--root={tmp_path}", UNITS / "darasa-box.sysusers")
    made = systemd(
        "systemd-tmpfiles", "--create", f"--root={tmp_path}", UNITS / "darasa-box.tmpfiles"
    )
    assert made.stdout + made.stderr == ""
    assert (tmp_path / "var/lib/darasa").stat().st_mode & 0o777 == 0o700


def test_every_limit_is_explained():
    words = (UNITS / "README.md").read_text(encoding="utf-8")
    lines = {
        line.partition("=")[0]
        for unit in every_unit(UNITS)
        for line in unit.read_text(encoding="utf-8").splitlines()
        if "=" in line and not line.startswith("#")
    }
    assert {key for key in lines if f"`{key}" not in words} == set()
