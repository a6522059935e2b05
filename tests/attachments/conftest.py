"""One piece of Amina's work."""

import pytest

from tests.cast import new_id


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
