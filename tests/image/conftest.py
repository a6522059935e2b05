import os

import pytest
from card import missing_tools, search_path

os.environ["PATH"] = search_path()  # partitions and file systems are made without root


@pytest.fixture
def tools():
    """Skip with the names of the programs that are not here and of their Debian packages."""

    def need(packages):
        missing = missing_tools(*packages)
        if missing:
            wanted = sorted({packages[name] for name in missing})
            pytest.skip(f"{', '.join(missing)} not here: apt-get install {' '.join(wanted)}")

    return need
