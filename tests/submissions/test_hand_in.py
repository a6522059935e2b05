from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.errors import NotFound
from appliance.submissions.commands import hand_in, put_draft
from appliance.submissions.faults import AlreadyHandedIn, BodyTooLarge, RevisionIdTaken
from appliance.submissions.models import DraftEdit, HandIn, Stamp
from appliance.submissions.queries import (
    draft_of,
    hand_ins,
    own_hand_in,
    own_receipt,
    receipts_of_task,
)
from tests.cast import HOUR_MS, NOW_MS, new_id

COUNTS = """
SELECT count(*) || ' ' || (SELECT count(*) FROM submission) || ' '
       || (SELECT count(*) FROM submission_draft)
  FROM submission_revision
"""


@pytest.fixture
def give(write, school):
    """Hand in as Amina unless told otherwise."""

    def give(body, revision_id=None, *, who=None, task=None, now_ms=NOW_MS, quality=3):
        return write(
            hand_in,
            who or school.amina,
            revision_id or new_id(),
            HandIn(assessment_id=task or school.village, body=body),
            submission_id=new_id(),
            stamp=Stamp(now_ms, quality),
        )

    return give


@pytest.fixture
def draft(write, school):
    def draft(revision_id, edit_no, body, *, who=None, task=None, now_ms=NOW_MS):
        edit = DraftEdit(assessment_id=task or school.village, edit_no=edit_no, body=body)
        return write(put_draft, who or school.amina, revision_id, edit, now_ms=now_ms)

    return draft


def set_state(tx, submission_id, state):
    tx.run(
        "UPDATE submission SET state = ?2, version = version + 1 WHERE id = ?1",
        (submission_id, state),
    )


def test_a_hand_in_has_a_receipt_with_six_letters(school, give):
    receipt = give("My village lies by the lake.")
    assert len(receipt.code) == 6
    assert (receipt.attempt_no, receipt.rev, receipt.late_ms) == (1, 1, 0)
    assert receipt.title == "My village"
    assert receipt.custody.level == "box"


def test_a_hundred_repetitions_at_once_are_one_hand_in(school, give, db):
    revision_id = new_id()
    with ThreadPoolExecutor(20) as phones:
        receipts = list(phones.map(lambda _: give("Once.", revision_id), range(100)))
    assert len({receipt.code for receipt in receipts}) == 1
    assert all(receipt == receipts[0] for receipt in receipts)
    assert db.value(COUNTS) == "1 1 0"


def test_equal_words_in_another_unicode_form_are_the_same_hand_in(give):
    revision_id = new_id()
    assert give("Nguyê\u0303n", revision_id) == give("Nguy\u1ec5n", revision_id)


def test_the_same_id_with_other_words_is_refused_and_changes_nothing(school, give, db):
    revision_id = new_id()
    first = give("First words.", revision_id)
    with pytest.raises(RevisionIdTaken):
        give("Other words.", revision_id)
    with pytest.raises(RevisionIdTaken):
        give("First words.", revision_id, task=school.river)
    assert own_receipt(db, revision_id, school.amina) == first
    assert db.value(COUNTS) == "1 1 0"


@pytest.mark.parametrize("who", ["jose", "jomo"])
def test_another_pupils_id_is_not_found(school, give, db, who):
    revision_id = new_id()
    give("Mine.", revision_id)
    other = getattr(school, who)
    task = school.village if who == "jose" else school.desert
    with pytest.raises(NotFound):
        give("Mine.", revision_id, who=other, task=task)
    with pytest.raises(NotFound):
        own_receipt(db, revision_id, other)
    assert hand_ins(db, other) == []


@pytest.mark.parametrize("who", ["jomo", "baraka", "mr_otieno", "keeper"])
def test_who_is_not_of_the_class_hands_nothing_in(school, give, db, who):
    with pytest.raises(NotFound):
        give("Hello", who=getattr(school, who))
    assert db.value(COUNTS) == "0 0 0"


def test_who_was_moved_to_another_class_still_hands_in_what_was_written(school, give, write):
    write(
        lambda tx: tx.run(
            "UPDATE enrolment SET state = 'withdrawn', version = version + 1 WHERE person_id = ?1",
            (school.amina,),
        )
    )
    assert give("Written on the bus.").rev == 1


def test_before_the_mark_a_second_hand_in_is_a_further_revision(school, give, db):
    first = give("One.")
    second = give("Two.")
    assert (second.submission_id, second.rev) == (first.submission_id, 2)
    work = own_hand_in(db, first.submission_id, school.amina)
    assert [revision.body for revision in work.revisions] == ["Two.", "One."]


def test_after_the_return_the_next_attempt_opens_while_there_are_any(school, give, write):
    numbers = []
    for _ in range(4):
        receipt = give("Again.", task=school.river)
        numbers.append((receipt.attempt_no, receipt.rev))
        write(set_state, receipt.submission_id, "returned")
    assert numbers == [(1, 1), (2, 1), (3, 1), (3, 2)]


def test_a_hand_in_after_a_saved_mark_puts_the_work_back_on_the_desk(school, give, write, db):
    receipt = give("One.")
    write(set_state, receipt.submission_id, "graded")
    assert give("Two.").rev == 2
    assert db.value("SELECT state FROM submission") == "submitted"


@pytest.mark.parametrize(
    ("after_ms", "quality", "late_ms", "is_sure"),
    [(0, 3, 0, True), (5 * HOUR_MS, 3, 4 * HOUR_MS, True), (5 * HOUR_MS, 1, 0, False)],
)
def test_late_work_is_taken_and_says_how_late(give, db, after_ms, quality, late_ms, is_sure):
    receipt = give("Sorry.", now_ms=NOW_MS + after_ms, quality=quality)
    assert (receipt.late_ms, receipt.is_clock_sure) == (late_ms, is_sure)
    assert db.value("SELECT late_ms FROM submission") == late_ms
    assert db.value("SELECT clock_quality FROM submission") == quality


def test_a_revision_by_an_unsure_clock_makes_the_submission_unsure(give, school, db):
    first = give("One.", now_ms=NOW_MS + 2 * HOUR_MS, quality=3)
    assert first.late_ms == HOUR_MS
    give("Two.", now_ms=NOW_MS + 3 * HOUR_MS, quality=0)
    assert all(not r.is_clock_sure for r in receipts_of_task(db, school.village, school.amina))


def test_handing_in_ends_its_draft_in_the_same_transaction(school, give, draft, db):
    revision_id, other_phone = new_id(), new_id()
    draft(revision_id, 1, "My vil")
    draft(other_phone, 1, "Something else", now_ms=NOW_MS - 1)
    give("My village.", revision_id)
    left = draft_of(db, school.village, school.amina)
    assert left is not None
    assert left.revision_id == other_phone


def test_a_refused_hand_in_keeps_the_draft(school, give, draft, db):
    revision_id = new_id()
    draft(revision_id, 1, "My village")
    with pytest.raises(BodyTooLarge):
        give("x" * 70_000, revision_id)
    assert draft_of(db, school.village, school.amina).body == "My village"
    assert db.value(COUNTS) == "0 0 1"


def test_an_older_edit_never_replaces_a_newer_one(draft):
    revision_id = new_id()
    assert draft(revision_id, 2, "two").body == "two"
    late = draft(revision_id, 1, "one")
    assert (late.edit_no, late.body) == (2, "two")
    assert draft(revision_id, 3, "three").body == "three"


def test_an_autosave_after_its_hand_in_is_told_so(give, draft, db):
    revision_id = new_id()
    give("Done.", revision_id)
    with pytest.raises(AlreadyHandedIn):
        draft(revision_id, 9, "Done")
    assert db.value(COUNTS) == "1 1 0"


def test_drafts_of_another_pupil_do_not_exist(school, give, draft, db):
    revision_id = new_id()
    draft(revision_id, 1, "secret")
    for attempt in (
        lambda: draft(revision_id, 2, "mine now", who=school.jose),
        lambda: give("mine now", revision_id, who=school.jose),
        lambda: draft(revision_id, 2, "moved", task=school.river),
        lambda: draft(new_id(), 1, "outside", who=school.jomo),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert draft_of(db, school.village, school.jose) is None
    assert draft_of(db, school.village, school.amina).body == "secret"


def test_a_draft_is_bounded(draft, db):
    with pytest.raises(BodyTooLarge) as refused:
        draft(new_id(), 1, "ê" * 40_000)
    assert "80000" in refused.value.detail
    assert db.value(COUNTS) == "0 0 0"


def test_a_draft_under_another_pupils_handed_in_id_is_not_found(school, give, draft):
    revision_id = new_id()
    give("Mine.", revision_id)
    with pytest.raises(NotFound):
        draft(revision_id, 1, "Mine?", who=school.jose)
