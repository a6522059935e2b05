"""The page shows what is plugged in, and one tap makes a stick this school's."""

import os
from pathlib import Path

import pytest

from appliance.backups.faults import BackupBusy, MediumFull, MediumMissing, WrongMedium
from appliance.backups.media import FOLDER, Mark, Medium, find, is_same_card, prepare
from appliance.backups.sticks import sticks, take_stick
from appliance.backups.trial import alone
from appliance.settings import Settings
from tests.cast import new_id
from tests.full_disk import small_files

NAME = "Shule ya Mfano"
PAGE = {"accept": "text/html"}


@pytest.fixture
def settings(database):
    """A box that takes whatever prepared stick is plugged in."""
    return Settings(data_dir=database.parent)


@pytest.fixture
def plugged(tmp_path, stick):
    """What the kernel says is mounted: the card, a place of the system's, and the stick."""
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n"
        f"40 22 8:1 / {stick} rw - vfat /dev/sda1 rw\n"
        "41 22 8:2 / /media/gone rw - vfat /dev/sdb1 rw\n"
        "42 22 179:2 /media /media rw - ext4 /dev/mmcblk0p2 rw\n"  # so the unit may write there
    )
    return {"mounts": table, "under": (str(tmp_path), "/media")}


@pytest.fixture
def looked(settings, school, plugged):
    return lambda: sticks(settings, school.school_id, **plugged)


@pytest.fixture
def take(settings, school, plugged, stick):
    return lambda place=stick: take_stick(settings, str(place), school.school_id, NAME, **plugged)


def test_one_tap_makes_a_new_stick_this_schools(settings, school, plugged, stick, looked, take):
    (stick / "photos").mkdir()
    (found,) = looked()
    assert (found.place, found.kind, found.is_free) == (str(stick), "info", True)
    take()
    (found,) = looked()
    assert (found.title, found.is_free) == ("This school's", False)
    assert find(settings, school.school_id, plugged["mounts"]).root == stick
    assert (stick / "photos").exists()
    take()  # a second tap changes nothing


def test_another_schools_stick_is_named_and_cannot_be_had(stick, looked, take):
    prepare(stick, new_id(), "Lycée de Thiès")
    before = sorted(stick.rglob("*"))
    (found,) = looked()
    assert (found.kind, found.is_free) == ("bad", False)
    assert "Lycée de Thiès" in found.words
    with pytest.raises(WrongMedium, match="Lycée de Thiès"):
        take()
    assert sorted(stick.rglob("*")) == before


def test_a_stick_that_is_not_plugged_in_any_more_is_said_so(tmp_path, take):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(MediumMissing, match="not plugged in any more"):
        take(elsewhere)
    assert list(elsewhere.iterdir()) == []


def test_a_stick_too_small_for_the_school_says_so_before_and_after_the_tap(
    settings, looked, take, stick
):
    settings.blobs.mkdir()
    with (settings.blobs / "film").open("wb") as film:
        film.truncate(1 << 43)  # of no size on the card
    (found,) = looked()
    assert (found.title, found.is_free) == ("Full", False)
    with pytest.raises(MediumFull):
        take()
    assert not (stick / FOLDER).exists()


def test_a_stick_that_fills_up_under_the_mark_is_not_marked(looked, take):
    with small_files(10), pytest.raises(MediumFull):
        take()
    assert looked()[0].is_free


@pytest.mark.parametrize(
    ("parts", "is_same"),
    [
        (("mmcblk0/mmcblk0p5", "mmcblk0/mmcblk0p6"), True),  # another partition of the card
        (("mmcblk0/mmcblk0p5", "nvme0n1/nvme0n1p1"), False),
        (("mmcblk0/mmcblk0p5", None), False),
        ((None, None), False),
    ],
)
def test_another_partition_of_the_card_is_the_card(settings, tmp_path, parts, is_same):
    elsewhere = Path("/dev/shm")
    folders = (settings.data_dir, elsewhere)
    assert len({each.stat().st_dev for each in folders}) == 2
    disks = tmp_path / "block"
    disks.mkdir()
    for folder, part in zip(folders, parts, strict=True):
        device = folder.stat().st_dev
        if part is not None:
            (tmp_path / "devices" / part).mkdir(parents=True)
            (tmp_path / "devices" / part / "partition").touch()
            link = disks / f"{os.major(device)}:{os.minor(device)}"
            link.symlink_to(tmp_path / "devices" / part)
    medium = Medium(elsewhere, Mark("m", new_id(), NAME))
    assert is_same_card(medium, settings, disks) is is_same
    assert is_same_card(Medium(settings.data_dir, medium.mark), settings, disks)


def test_of_two_who_tap_at_once_one_is_told(settings, looked, take):
    with alone(settings), pytest.raises(BackupBusy):
        take()
    assert looked()[0].is_free


@pytest.fixture
def page(box, as_, stick):
    """The box of a school, with a stick that nobody has prepared."""
    state = box.app.state
    settings = Settings(data_dir=state.settings.data_dir, backup_dir=str(stick))
    state.backups.settings, before = settings, state.backups.settings
    yield as_
    state.backups.settings = before


def test_the_page_says_what_will_happen_and_does_it_in_one_tap(page, stick):
    keeper = page("keeper")
    text = keeper.get("/box/backups", headers=PAGE).text
    assert "Use this stick" in text
    assert "what else is on it stays" in text
    text = keeper.post("/box/backups/sticks", data={"place": str(stick)}, headers=PAGE).text
    assert "Use this stick" not in text
    assert "This school&#39;s" in text
    assert (stick / FOLDER / "medium.json").exists()


def test_a_refusal_stands_on_the_page_in_plain_words(page, stick):
    prepare(stick, new_id(), "Lycée de Thiès")
    answer = page("keeper").post("/box/backups/sticks", data={"place": str(stick)}, headers=PAGE)
    assert answer.status_code == 409
    assert "This is not this school&#39;s backup stick" in answer.text
    assert "Take this school&#39;s stick" in answer.text
    answer = page("keeper").post("/box/backups", headers=PAGE)
    assert answer.status_code == 409
    assert "`" not in answer.text


@pytest.mark.parametrize("who", ["mr_otieno", "amina", "jomo", None])
def test_who_must_not_prepare_a_stick(page, stick, who):
    answer = page(who).post("/api/v1/box/backup-sticks", json={"place": str(stick)})
    assert answer.status_code == (403 if who else 401)
    assert list(stick.iterdir()) == []


def test_programs_prepare_it_too(page, stick):
    keeper = page("keeper")
    (found,) = keeper.get("/api/v1/box/backups").json()["sticks"]
    answer = keeper.post("/api/v1/box/backup-sticks", json={"place": found["place"]})
    assert (answer.status_code, answer.json()["sticks"][0]["title"]) == (201, "This school's")
