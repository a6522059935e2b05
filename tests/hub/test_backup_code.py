"""The district opens one backup of one of its schools, and says plainly what it cannot open."""

from uuid import UUID

import pytest

from appliance.backups.label import Label, lock_for_district, pack_label, secret_of
from sync.hub.backup_code import backup_code
from sync.hub.faults import NotForThisDistrict
from sync.hub.keys import HubKey

SECRET = bytes(range(16))
HUB, OTHER = HubKey(b"\x01" * 32), HubKey(b"\x02" * 32)


def label(locked):
    return pack_label(
        Label(
            school_id=UUID(int=1),
            school_name="Trường Hòa Bình",
            made_at_ms=0,
            seq=1,
            app_version="0.3.0",
            schema_version=11,
            rows=1,
            database_bytes=1,
            files=b"",
            sealed_keys=b"",
            for_box=b"",
            for_district=locked,
        )
    )


def test_the_first_part_of_a_backup_is_enough_for_its_code(tmp_path):
    locked = lock_for_district(SECRET, HUB.public)
    (tmp_path / "part").write_bytes(label(locked) + b"\xa5" * 100)
    school, code = backup_code(tmp_path / "part", HUB)
    assert (school, secret_of(code)) == ("Trường Hòa Bình", SECRET)


@pytest.mark.parametrize(
    "content",
    [b"", b"a film", label(None), label(lock_for_district(SECRET, OTHER.public)), label(None)[:40]],
)
def test_what_is_not_locked_for_this_hub_is_said_to_be_so(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(NotForThisDistrict):
        backup_code(tmp_path / "file", HUB)
