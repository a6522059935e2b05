"""The real app over a copy of the school."""

import pytest

from tests.box import running_box, sign_in


@pytest.fixture
def box(database):
    with running_box(database) as client:
        yield client


@pytest.fixture
def as_(box, school):
    """Return the client signed in as one of the cast, or as nobody."""

    def as_(name):
        return sign_in(box, getattr(school, name) if name else None)

    return as_
