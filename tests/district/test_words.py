"""One set of words for the page and both commands, and what to do about each."""

import pytest
from msgspec import structs

from appliance.__main__ import run
from appliance.district.models import SyncStatus
from appliance.district.queries import sync_status
from appliance.district.words import plain_lines, status_lines
from tests.cast import NOW_MS

DAY_MS = 86_400_000
WELL = SyncStatus(
    **dict.fromkeys(SyncStatus.__struct_fields__, 0)
    | {
        "is_enrolled": True,
        "hub_url": "https://hub.example",
        "contact_at_ms": NOW_MS,
        "error": None,
        "asked_url": None,
        "asked_at_ms": None,
        "recovery_due": False,
        "left_reason": None,
        "left_at_ms": None,
        "held_words": None,
        "oldest_since_ms": None,
        "has_unlisted": False,
        "compared": 512,
        "verified_at_ms": NOW_MS,
        "verified_no": 733,
    }
)


def said(**changes):
    lines = status_lines(structs.replace(WELL, **changes), now_ms=NOW_MS)
    return {line.title: (line.kind, f"{line.words} {line.todo}") for line in lines}


def test_all_is_well():
    told = said()
    assert list(told) == ["At the district", "Last contact", "Verified"]
    assert "Verified up to change 733" in told["Verified"][1]
    assert "512 rows are the same" in told["Verified"][1]


@pytest.mark.parametrize(
    ("changes", "title", "kind", "words"),
    [
        ({"is_enrolled": False}, "On this box only", "wait", "has not joined a district"),
        ({"waiting": 1}, "Waiting", "wait", "1 change is not at the district yet"),
        (
            {"waiting": 12, "oldest_since_ms": NOW_MS - DAY_MS},
            "Waiting",
            "wait",
            "12 changes are not at the district yet; the oldest has waited since",
        ),
        (
            {"waiting": 12, "oldest_since_ms": NOW_MS - 4 * DAY_MS},
            "Waiting for long",
            "bad",
            "darasa-agent export",
        ),
        ({"contact_at_ms": None}, "No contact", "wait", "has not answered yet"),
        ({"contact_at_ms": NOW_MS - 4 * DAY_MS}, "Last contact", "wait", "can go on working"),
        ({"recovery_due": True}, "Fetching", "wait", "Nothing is sent until that is done"),
        (
            {"left_reason": "payload-damaged", "left_at_ms": NOW_MS},
            "Card damaged",
            "bad",
            "put a new card in",
        ),
        (
            {"left_reason": "new-incarnation", "left_at_ms": NOW_MS},
            "Repaired",
            "info",
            "(new-incarnation)",
        ),
        (
            {"held_words": "Nothing is sent or fetched until 2026-12-03: used up."},
            "The link waits",
            "wait",
            "until 2026-12-03",
        ),
        ({"put_aside": 3}, "Put aside", "bad", "3 rows are put aside"),
        ({"put_aside": 3, "has_unlisted": True}, "Put aside", "bad", "More than 3 rows"),
        ({"dismissed": 1}, "Not taken", "wait", "1 row will not be taken"),
        ({"in_conflict": 5}, "Two versions", "info", "5 rows have two versions"),
        ({"different": 2}, "Different", "bad", "last agreed at change 733"),
        ({"different": 2, "verified_at_ms": None}, "Different", "bad", "darasa-agent verify"),
        ({"verified_at_ms": None}, "Not verified", "info", "not been compared"),
        ({"compared": 512, "explained": 12}, "Verified", "good", "500 rows are the same"),
    ],
)
def test_each_trouble_is_named_with_what_to_do(changes, title, kind, words):
    found = said(**changes)[title]
    assert found[0] == kind
    assert words in found[1]


def test_who_waits_for_a_bound_is_not_sent_to_look_at_the_link():
    told = said(contact_at_ms=NOW_MS - 4 * DAY_MS, held_words="Nothing is sent until Monday.")
    assert "Look at the link" not in told["Last contact"][1]


@pytest.mark.parametrize("trouble", ["put_aside", "dismissed", "different"])
def test_nothing_is_called_arrived_that_is_not_safe_there(trouble):
    assert "At the district" not in said(**{trouble: 1})


def test_the_command_and_the_page_say_the_same(box, as_, monkeypatch, capsys):
    settings = box.app.state.settings
    monkeypatch.setenv("DARASA_DATA_DIR", str(settings.data_dir))
    assert run(["status"]) == 0
    told = capsys.readouterr().out
    page = as_("keeper").get("/box/district", headers={"accept": "text/html"}).text
    with_readers = box.app.state.readers.here
    lines = plain_lines(sync_status(with_readers), now_ms=NOW_MS)
    for line in lines:
        assert line in told
    assert "This school has not joined a district." in page


def test_the_last_trouble_is_said_too():
    lines = plain_lines(structs.replace(WELL, error="the token is not known"), now_ms=NOW_MS)
    assert lines[-1] == "The last try did not work: the token is not known"
