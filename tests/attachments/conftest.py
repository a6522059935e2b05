"""The real app over a copy of the school, and one piece of Amina's work."""

import pytest

from tests.box import running_box, sign_in
from tests.cast import new_id


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


@pytest.fixture
def work(as_, school):
    """Amina's hand-in: the ids of its text and of the piece of work."""
    revision_id = new_id()
    answer = as_("amina").put(
        f"/api/v1/submission-revisions/{revision_id}",
        json={"assessment_id": str(school.village), "body": "My village, with a photo."},
    )
    assert answer.status_code == 200, answer.text
    return revision_id, answer.json()["submission_id"]
