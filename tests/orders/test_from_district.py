"""What stands on people's pages: announcements, what is the district's, and proposals."""

from uuid import UUID

import pytest

from appliance.clock import CERTAIN, SINCE_BOOT
from appliance.orders.queries import ANNOUNCEMENTS_MAX, announcements
from tests.cast import HOUR_MS, NOW_MS, new_id
from tests.orders.cast import HUB, came_down, make_districts, ordered

PAGE = {"accept": "text/html"}
ANSWERED = (
    "INSERT INTO command_result (id, command_id, person_id, state, at_ms)"
    " VALUES (?1, ?2, ?3, 'applied', 0)"
)


def pin_was_reset(tx, school, pupil):
    command = ordered(tx, school, "reset_pin", {"person_id": pupil}, person_id=pupil)
    tx.run(ANSWERED, (new_id(), command, pupil))


@pytest.fixture
def announce(down, school):
    def announce(title, **values):
        given = {"org_id": school.school_id, "title": title, "body": "", "from_at_ms": NOW_MS - 1}
        return down("announcement", **(given | values))

    return announce


@pytest.mark.parametrize(
    ("times", "is_shown", "is_shown_unsure"),
    [
        ({}, True, True),
        ({"until_at_ms": NOW_MS + 1}, True, True),
        ({"until_at_ms": NOW_MS}, False, True),
        ({"from_at_ms": NOW_MS + 1}, False, True),
        ({"deleted_at_ms": NOW_MS}, False, False),
    ],
)
def test_an_announcement_has_its_days_unless_the_clock_may_be_wrong(
    db, announce, times, is_shown, is_shown_unsure
):
    announce("Exams", **times)
    for quality, shown in ((CERTAIN, is_shown), (SINCE_BOOT, is_shown_unsure)):
        assert bool(announcements(db, now_ms=NOW_MS, quality=quality)) == shown


def test_the_newest_stand_first_and_old_ones_do_not_push_the_tasks_away(db, announce):
    for day in range(ANNOUNCEMENTS_MAX + 2):
        announce(f"Day {day}", from_at_ms=NOW_MS - HOUR_MS * 100 + day)
    shown = [each.title for each in announcements(db, now_ms=NOW_MS, quality=CERTAIN)]
    assert shown == [f"Day {day}" for day in range(6, 1, -1)]


def test_pupils_and_teachers_read_it_as_plain_text(as_, announce):
    announce("مرحبا", body="Bring <b>water</b>.\nNo school on Friday.")
    for who, path in (("amina", "/learn"), ("mr_otieno", "/teach")):
        page = as_(who).get(path, headers=PAGE).text
        assert "مرحبا" in page
        assert "Bring &lt;b&gt;water&lt;/b&gt;." in page
    assert as_("amina").get("/api/v1/announcements").json()[0]["title"] == "مرحبا"
    assert as_(None).get("/api/v1/announcements").status_code == 401


def test_the_teacher_is_shown_a_new_pin_once(as_, write, school):
    write(pin_was_reset, school, school.amina)
    assert "Show the new PIN" in as_("mr_otieno").get("/teach", headers=PAGE).text
    assert "Show the new PIN" not in as_("baraka").get("/teach", headers=PAGE).text
    shown = as_("mr_otieno").post(f"/teach/people/{school.amina}/pin", headers=PAGE)
    assert "Shown this once" in shown.text
    assert "Show the new PIN" not in as_("mr_otieno").get("/teach", headers=PAGE).text


def test_what_the_district_owns_is_not_changed_here_and_the_answer_says_how(as_, write, school):
    member = write(
        lambda tx: tx.value("SELECT id FROM class_member WHERE person_id = ?1", (school.amina,))
    )
    write(make_districts, "class_member", member)
    client = as_("mr_otieno")
    answer = client.delete(f"/api/v1/classes/{school.east}/members/{school.amina}")
    assert (answer.status_code, answer.json()["code"]) == (409, "district-owned")
    assert "proposal" in answer.json()["hint"]
    path = f"/teach/classes/{school.east}/members/{school.amina}/remove"
    page = client.post(path, headers=PAGE)
    assert page.status_code == 409
    assert "/teach/proposals/new" in page.text


def test_a_class_of_the_districts_says_so_on_its_page(as_, write, school):
    path = f"/teach/classes/{school.east}"
    assert "came from the district" not in as_("mr_otieno").get(path, headers=PAGE).text
    write(make_districts, "class_group", school.east)
    write(make_districts, "person", school.amina)
    page = as_("mr_otieno").get(path, headers=PAGE).text
    assert f"/teach/proposals/new?kind=edit_class&amp;about_id={school.east}" in page
    assert f"/teach/proposals/new?kind=edit_person&amp;about_id={school.amina}" in page
    assert f"about_id={school.jose}" not in page
    people = as_("mr_otieno").get("/teach/people", headers=PAGE).text
    assert f"about_id={school.amina}" in people


@pytest.fixture
def proposed(as_, write, school):
    """Mr Otieno proposes another name for his class."""
    write(make_districts, "class_group", school.east)
    proposal = new_id()
    wish = {"kind": "edit_class", "about_id": str(school.east), "wish": "Call it 6 Asubuhi."}
    answer = as_("mr_otieno").put(f"/api/v1/proposals/{proposal}", json=wish)
    assert answer.status_code == 200, answer.text
    return proposal, wish


def test_a_proposal_waits_and_then_shows_what_was_decided(as_, write, proposed):
    proposal, _ = proposed
    (open_,) = as_("mr_otieno").get("/api/v1/proposals").json()
    assert (open_["id"], open_["state"], open_["about_name"]) == (str(proposal), "open", "6 East")
    for state, reason, at_ms in (("refused", "No.", 1), ("accepted", "After all.", 2)):
        decided = {"proposal_id": proposal, "state": state, "reason": reason, "at_ms": at_ms}
        write(came_down, "proposal_decision", **decided)
    page = as_("mr_otieno").get("/teach/proposals", headers=PAGE).text
    for words in ("Accepted", "After all.", "Call it 6 Asubuhi.", "Otieno wa Kamau"):
        assert words in page
    assert "No." not in page


def test_the_same_proposal_again_changes_nothing_and_other_words_need_an_id(as_, proposed, db):
    proposal, wish = proposed
    path = f"/api/v1/proposals/{proposal}"
    assert as_("mr_otieno").put(path, json=wish).status_code == 200
    other = as_("mr_otieno").put(path, json=wish | {"wish": "Something else."})
    assert (other.status_code, other.json()["code"]) == (409, "proposal-taken")
    assert db.value("SELECT count(*) FROM proposal") == 1


@pytest.mark.parametrize(
    ("who", "listed", "status"),
    [
        ("keeper", 1, 200),
        ("baraka", 0, 404),
        ("ms_wanjiru", 0, 200),
        ("jomo", None, 403),
        (None, None, 401),
    ],
)
def test_who_may_propose_about_a_class_and_who_sees_it(as_, proposed, who, listed, status):
    _, wish = proposed
    if listed is not None:
        assert len(as_(who).get("/api/v1/proposals").json()) == listed
    answer = as_(who).put(f"/api/v1/proposals/{new_id()}", json=wish)
    assert answer.status_code == status


@pytest.mark.parametrize("kind", ["edit_person", "edit_class", "edit_course", "edit_enrolment"])
def test_the_school_s_own_needs_no_proposal(as_, school, db, kind):
    own = {
        "edit_person": school.amina,
        "edit_class": school.east,
        "edit_course": UUID(bytes=db.value("SELECT id FROM course")),
        "edit_enrolment": UUID(
            bytes=db.value("SELECT id FROM enrolment WHERE person_id = ?1", (school.amina,))
        ),
    }
    wish = {"kind": kind, "about_id": str(own[kind]), "wish": "Please."}
    answer = as_("mr_otieno").put(f"/api/v1/proposals/{new_id()}", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (422, "not-the-districts")


def test_the_form_keeps_a_proposal_once_however_often_it_is_sent(as_, db):
    client = as_("mr_otieno")
    page = client.get("/teach/proposals/new", headers=PAGE).text
    proposal = page.split('name="id" value="')[1].split('"')[0]
    form = {"id": proposal, "kind": "other", "wish": "نريد كتبًا أكثر"}
    for _ in range(2):
        answer = client.post("/teach/proposals", data=form, headers=PAGE, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/teach/proposals")
    assert "نريد كتبًا أكثر" in client.get("/teach/proposals", headers=PAGE).text
    assert db.value("SELECT count(*) FROM proposal") == 1


def test_the_keeper_reads_what_was_asked_and_what_is_set(as_, down, school):
    down("setting", org_id=school.school_id, key="link_hours", value='"fri"')
    order = {"org_id": school.school_id, "kind": "reset_pin", "payload": "{}"}
    down("command", **order, by_person_id=HUB, issued_at_ms=NOW_MS, expires_at_ms=NOW_MS + 1)
    page = as_("keeper").get("/box/orders", headers=PAGE).text
    for words in ("Hours open to everything", "New PIN"):
        assert words in page
    assert as_("keeper").get("/api/v1/box/orders").json()["settings"][0]["value"] == '"fri"'
    assert as_("mr_otieno").get("/api/v1/box/orders").status_code == 403


def test_a_course_of_the_districts_stands_on_the_shelf(as_, down, school):
    district = down("org_unit", kind="district", name="Lakeside", locale="en")
    course = down("course", org_id=district, code="maths", title="Maths for all", language="en")
    down(
        "course_version",
        course_id=course,
        number=1,
        state="published",
        content_hash=bytes(32),
    )
    titles = [each["title"] for each in as_("mr_otieno").get("/api/v1/courses").json()]
    assert sorted(titles) == ["Maths for all", "Water"]
