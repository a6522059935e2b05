"""A school with keys and a stick. The recovery code is slow on purpose, so it is made once."""

import shutil

import pytest

from appliance.accounts.keys import new_keys, new_recovery_code, write_keys
from appliance.backups.making import back_up_away
from appliance.settings import Settings
from tests.cast import NOW_MS


@pytest.fixture(scope="session")
def printed(tmp_path_factory):
    """The folder of keys as a claim leaves it, and the code that was printed."""
    folder, code = tmp_path_factory.mktemp("claimed") / "keys", new_recovery_code()
    write_keys(folder, new_keys(), code)
    return folder, code


@pytest.fixture
def recovery_code(printed):
    return printed[1]


@pytest.fixture
def stick(tmp_path):
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


@pytest.fixture
def settings(database, printed, stick):
    shutil.copytree(printed[0], database.parent / "keys")
    return Settings(data_dir=database.parent, backup_dir=str(stick))


@pytest.fixture
def make(settings, stick):
    """Make one backup at a time of day."""

    def make(now_ms=NOW_MS, root=stick):
        return back_up_away(settings, app_version="0.3.0", now_ms=now_ms, root=root)

    return make
