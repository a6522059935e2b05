import pytest

from appliance.database.faults import DataDirInUse
from appliance.database.lock import exclusive_lock, shared_lock


def test_box_and_agent_share_and_keep_others_out(tmp_path):
    held = pytest.raises(DataDirInUse, match="held by another process")
    with shared_lock(tmp_path), shared_lock(tmp_path), held, exclusive_lock(tmp_path):
        pass
    with exclusive_lock(tmp_path), pytest.raises(DataDirInUse), shared_lock(tmp_path):
        pass


def test_the_folder_is_made_when_it_is_missing(tmp_path):
    with exclusive_lock(tmp_path / "new" / "box"):
        assert (tmp_path / "new" / "box" / "school.lock").exists()
    assert (tmp_path / "new" / "box").stat().st_mode & 0o077 == 0
