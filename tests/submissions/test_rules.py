import hashlib

import pytest

from appliance.submissions.faults import BodyTooLarge, NothingWritten
from appliance.submissions.rules import (
    BODY_BYTES_MAX,
    Place,
    content_hash,
    form_text,
    kept_text,
    late_ms,
    place_of,
    work_text,
)


@pytest.mark.parametrize(
    ("due", "saved", "quality", "late"),
    [
        (None, 500, 3, 0),
        (400, 300, 3, 0),
        (400, 400, 3, 0),
        (400, 401, 3, 1),
        (400, 900, 2, 500),
        (400, 900, 1, 0),  # the clock may be wrong: nobody is late by it
        (400, 900, 0, 0),
    ],
)
def test_lateness_is_only_told_by_a_clock_somebody_vouched_for(due, saved, quality, late):
    assert late_ms(due, saved, quality) == late


@pytest.mark.parametrize(
    ("attempt_no", "state", "attempts_max", "place"),
    [
        (0, None, 1, Place(1, is_new_attempt=True)),
        (1, "submitted", 3, Place(1, is_new_attempt=False)),
        (1, "in_grading", 3, Place(1, is_new_attempt=False)),
        (1, "graded", 3, Place(1, is_new_attempt=False)),
        (1, "returned", 3, Place(2, is_new_attempt=True)),
        (3, "returned", 3, Place(3, is_new_attempt=False)),  # kept, as "came after the mark"
        (1, "void", 1, Place(2, is_new_attempt=True)),
        (2, "withdrawn", 1, Place(3, is_new_attempt=True)),
    ],
)
def test_a_hand_in_always_has_a_place(attempt_no, state, attempts_max, place):
    assert place_of(attempt_no, state, attempts_max) == place


def test_text_is_kept_in_one_form_so_that_equal_words_have_equal_hashes():
    composed, decomposed = "\u00c1nh", "A\u0301nh"
    assert kept_text(decomposed) == composed
    assert content_hash(kept_text(decomposed)) == hashlib.sha256("Ánh".encode()).digest()
    assert form_text("a\r\nb\nc") == "a\nb\nc"


def test_the_limit_counts_bytes_not_letters():
    fits = "ኢ" * (BODY_BYTES_MAX // 3)
    assert kept_text(fits) == fits
    with pytest.raises(BodyTooLarge):
        kept_text(fits + "ኢ")


@pytest.mark.parametrize("blank", ["", " ", "\n\t \u00a0"])
def test_blank_text_is_no_hand_in(blank):
    with pytest.raises(NothingWritten):
        work_text(blank)
