"""As every pupil, through every address a pupil may open, with every id there is."""

import re
from uuid import UUID

import pytest

from appliance.access.policy import POLICY, served
from tests.cast import new_id

# Points nobody would find by chance, and words nobody would write. The points stand alone:
# inside the hexadecimal digits of an id or a hash the same four turn up now and then.
UNRELEASED = (r"(?<![0-9a-f])6543(?![0-9a-f])", r"6\.543", "UNRELEASED-COMMENT")
ANOTHER_PUPILS = ("JOSES-WORK", "JOSES-DRAFT")

EVERY_ID = """
SELECT id FROM person UNION ALL SELECT id FROM class_group UNION ALL SELECT id FROM course
 UNION ALL SELECT id FROM course_version UNION ALL SELECT id FROM course_run
 UNION ALL SELECT id FROM lesson UNION ALL SELECT id FROM section
 UNION ALL SELECT id FROM enrolment UNION ALL SELECT id FROM assessment
 UNION ALL SELECT id FROM submission UNION ALL SELECT id FROM submission_revision
 UNION ALL SELECT id FROM grade UNION ALL SELECT revision_id FROM submission_draft
"""


@pytest.fixture
def secrets_in_place(as_, school):
    """Amina's mark is saved and not given back; José has handed in and is writing on."""

    def give(who, body, task):
        return (
            as_(who)
            .put(
                f"/api/v1/submission-revisions/{new_id()}",
                json={"assessment_id": str(task), "body": body},
            )
            .json()["submission_id"]
        )

    amina = give("amina", "AMINAS-WORK", school.village)
    give("jose", "JOSES-WORK", school.village)
    edit = {"assessment_id": str(school.river), "edit_no": 1, "body": "JOSES-DRAFT"}
    as_("jose").put(f"/api/v1/drafts/{new_id()}", json=edit)
    mark = {
        "id": str(new_id()),
        "points_mp": 6_543,
        "comment": "UNRELEASED-COMMENT",
        "version": 1,
    }
    saved = as_("mr_otieno").post(f"/api/v1/submissions/{amina}/grades", json=mark)
    assert saved.status_code == 201
    return amina


def pupils_addresses(app):
    return sorted(
        address.removeprefix("GET ")
        for address in served(app)
        if address.startswith("GET ") and "learner" in POLICY[address]
    )


def crawl(client, ids):
    """Every answer a pupil can get: addresses with one id in them take each id in turn."""
    for address in pupils_addresses(client.app):
        if "static" in address:
            continue
        parts = address.split("{")
        if len(parts) == 1:
            yield address, client.get(address)
            continue
        assert len(parts) == 2, f"teach this test about {address}"
        for each in ids:
            url = parts[0] + str(each) + parts[1].partition("}")[2]
            yield url, client.get(url, headers={"accept": "text/html"})  # /api answers JSON anyway


@pytest.mark.parametrize("who", ["amina", "jomo"])
def test_no_unreleased_mark_and_no_other_pupils_work_reaches_a_pupil(
    as_, box, school, secrets_in_place, who
):
    rows = box.app.state.readers.here._connection.execute(EVERY_ID).fetchall()
    ids = [UUID(bytes=row[0]) for row in rows]
    client = as_(who)
    opened = found_own_work = 0
    hidden = (*UNRELEASED, *ANOTHER_PUPILS, *(("AMINAS-WORK",) if who == "jomo" else ()))
    for url, answer in crawl(client, ids):
        assert answer.status_code < 500, (url, answer.text[:300])
        opened += answer.status_code == 200
        found_own_work += "AMINAS-WORK" in answer.text
        for secret in hidden:
            assert not re.search(secret, answer.text), (url, secret)
        assert '"graded"' not in answer.text, url  # that a mark exists is not told either
    assert opened > 5
    assert bool(found_own_work) == (who == "amina")


def test_the_crawl_would_notice_a_leak(as_, school, secrets_in_place):
    """The same words are there for the teacher."""
    seen = as_("mr_otieno").get(f"/api/v1/submissions/{secrets_in_place}").text
    assert all(secret in seen for secret in ("6543", "UNRELEASED-COMMENT"))
