"""Rows that were put aside: looked at, tried again, dismissed; and rows with two versions."""

from uuid import UUID

import msgspec
import pytest

from sync.protocol import EXCEPTIONS_MAX
from sync.registry import TABLE
from tests.hub.cast import NOW_MS, District, new_id, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

PAGE = {"accept": "text/html"}
WHY = "A test card from the workshop; the school knows."


async def page(client, path):
    answer = await client.get(path, headers=PAGE)
    assert answer.status_code == 200, answer.text
    return answer.text


def poison(school_id, number=1, **given):
    """Marks below nothing: PostgreSQL itself refuses them."""
    made = [
        values("grade", school_id, points_mp=-1, comment="Sehr gut, نور", seq=n + 1, **given)
        for n in range(number)
    ]
    return rows("grade", *made)


def unreadable(number, **given):
    """Hand-ins whose words are a number: refused before PostgreSQL sees them."""
    return rows(
        "submission_revision",
        *(values("submission_revision", body=7, **given) for _ in range(number)),
    )


@pytest.fixture
async def box(district):
    box = await district.school()
    box.pupil = values("person", box.school_id, display_name="Nguyễn Thị Ánh")
    await box.send(rows("person", box.pupil))
    return box


@pytest.fixture
async def api(district, box):
    async def api(method, path, **body):
        address = f"/api/v1/schools/{box.school_id}/{path}"
        answer = await district.client.request(method, address, json=body or None)
        assert answer.status_code in {200, 204}, answer.text
        return answer.json() if answer.content else None

    return api


async def reason_of(api):
    (group,) = await api("GET", "aside")
    return {"tbl": group["tbl"], "reason": group["reason"]}


@pytest.fixture
async def mend(as_role):
    """The next release takes them; what is changed here is put back for the next test."""
    owner = await as_role("postgres")

    async def mend():
        await owner.execute("ALTER TABLE grade DROP CONSTRAINT grade_points_mp_check")

    yield mend
    await owner.execute(
        "ALTER TABLE grade DROP CONSTRAINT IF EXISTS grade_points_mp_check,"
        " ADD CONSTRAINT grade_points_mp_check CHECK (points_mp >= 0) NOT VALID"
    )


async def test_poison_by_the_thousand_is_one_line_and_pages_of_fifty(box, api, district):
    await box.send(unreadable(1_200), rows("person", values("person", box.school_id)))
    (group,) = await api("GET", "aside")
    assert (group["rows"], group["dismissed"]) == (1_200, 0)
    here = f"/schools/{box.school_id}/aside"
    assert "submission_revision" in await page(district.client, here)
    query = f"rows?tbl={group['tbl']}&reason={group['reason']}"
    seen, after = set(), UUID(int=0)
    for _ in range(3):
        told = await api("GET", f"aside/{query}&after={after}")
        seen |= {row["id"] for row in told["rows"]}
        after = told["next_after"]
    assert len(seen) == 150
    listed = await page(district.client, f"{here}/{query}")
    assert "Next page" in listed


async def test_one_row_is_shown_as_it_came_and_labelled(box, api, district):
    await box.send(poison(box.school_id, person_id=box.pupil[0]))
    group = await reason_of(api)
    (row,) = (await api("GET", f"aside/rows?tbl={group['tbl']}&reason={group['reason']}"))["rows"]
    here = f"/schools/{box.school_id}/aside/rows"
    listed = await page(district.client, f"{here}?tbl={group['tbl']}&reason={group['reason']}")
    assert "Sehr gut" not in listed  # a list says what rows are, never what they say
    shown = await page(district.client, f"{here}/{row['id']}")
    for words in ("Sehr gut, نور", "Nguyễn Thị Ánh", "about a person of the school"):
        assert words in shown, words
    assert (await api("GET", f"aside/rows/{row['id']}"))["is_personal"] is True


async def test_rows_are_tried_again_once_the_cause_is_mended(box, api, as_role, district, mend):
    await box.send(poison(box.school_id, 3))
    assert len((await box.hello()).exceptions) == 3
    group = await reason_of(api)
    assert await api("POST", "aside/replay", **group) == {"merged": 0, "still_aside": 3, "left": 3}
    await mend()
    assert await api("POST", "aside/replay", **group) == {"merged": 3, "still_aside": 0, "left": 0}
    assert await api("GET", "aside") == []
    assert (await box.digests()).tables["grade"].rows == 3
    assert (await box.hello()).exceptions == []
    owner = await as_role("postgres")
    who = await owner.fetch("SELECT replayed_by, resolved_at_ms FROM sync_quarantine")
    me = (await district.client.get("/api/v1/me")).json()
    assert {str(row["replayed_by"]) for row in who} == {me["person_id"]}
    answer = await district.client.post(f"/api/v1/schools/{box.school_id}/aside/replay", json=group)
    assert answer.status_code == 404


async def test_other_boards_of_the_school_fetch_what_was_tried_again(box, api, mend):
    await box.send(poison(box.school_id))
    group = await reason_of(api)
    await mend()
    await api("POST", "aside/replay", **group)
    box.begin_epoch()
    assert (await box.hello()).pull
    assert "grade" in [block.t for block in (await box.pull()).rows]


async def test_a_dismissed_row_is_kept_and_its_box_never_calls_it_safe(box, api, district, mend):
    await box.send(poison(box.school_id, 2))
    group = await reason_of(api)
    assert await api("POST", "aside/dismiss", **group, why=WHY) == {"dismissed": 2}
    assert {each.reason for each in (await box.hello()).exceptions} == {f"dismissed: {WHY}"}
    (told,) = await api("GET", "aside")
    assert (told["rows"], told["dismissed"]) == (2, 2)
    path = f"aside/rows?tbl=grade&reason={group['reason']}"
    row = (await api("GET", path))["rows"][0]
    assert row["dismissed_reason"] == WHY
    assert row["dismissed_by_name"] == "Fatuma Noor"
    assert row["dismissed_at_ms"] > NOW_MS
    schools = (await district.client.get("/api/v1/schools")).json()
    assert schools[0]["quarantined"] == 0
    again = await district.client.post(
        f"/api/v1/schools/{box.school_id}/aside/dismiss", json=group | {"why": "again"}
    )
    assert again.status_code == 404
    await mend()
    assert (await api("POST", "aside/replay", row_id=row["id"]))["merged"] == 1
    assert len((await box.hello()).exceptions) == 1


async def test_forms_do_the_same_as_the_api(box, api, district, mend):
    await box.send(poison(box.school_id, 2))
    group = await reason_of(api)
    here = f"/schools/{box.school_id}/aside"
    row = (await api("GET", f"aside/rows?tbl=grade&reason={group['reason']}"))["rows"][0]
    form = {"row_id": row["id"], "why": WHY}
    answer = await district.client.post(f"{here}/dismiss", data=form, headers=PAGE)
    assert answer.headers["location"] == f"{here}?dismissed=1"
    assert "1 dismissed" in await page(district.client, here)
    assert WHY in await page(district.client, f"{here}/rows/{row['id']}")
    await mend()
    answer = await district.client.post(f"{here}/replay", data=group, headers=PAGE)
    assert answer.headers["location"] == f"{here}?merged=2&kept=0"
    assert "Tried again: 2 rows are merged" in await page(
        district.client, answer.headers["location"]
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("aside/replay", {}),
        ("aside/replay", {"tbl": "grade"}),
        ("aside/dismiss", {"tbl": "grade", "reason": "x"}),
        ("aside/dismiss", {"tbl": "grade", "reason": "x", "why": " "}),
        ("aside/dismiss", {"tbl": "grade", "reason": "x", "why": "w" * 501}),
        ("aside/replay", {"row_id": "no-id"}),
    ],
)
async def test_a_choice_of_nothing_is_refused(box, district, path, body):
    address = f"/api/v1/schools/{box.school_id}/{path}"
    answer = await district.client.post(address, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


async def test_more_rows_than_hello_can_name_are_not_called_safe(box):
    number = EXCEPTIONS_MAX + 50
    await box.send(unreadable(number, person_id=box.pupil[0]))
    told = (await box.hello()).exceptions
    assert len(told) <= EXCEPTIONS_MAX
    hand_ins = TABLE["submission_revision"].number
    assert [(each.tbl, each.pk) for each in told if not each.pk] == [(hand_ins, b"")]


async def a_conflict(box, table="submission_revision", **given):
    """A phone repeated one id at two boards: two contents, each from an epoch of its own."""
    pk, submission = new_id(), new_id()
    for body in ("I measured the rain on Monday", "I measured the rain on Tuesday, too"):
        same = {"id": pk, "submission_id": submission, "person_id": box.pupil[0]}
        row = values(table, body=body, **same, **given)
        await box.send(rows(table, row))
        box.begin_epoch()


async def test_two_versions_stand_side_by_side_with_the_difference_marked(box, api, district):
    await a_conflict(box)
    (row,) = (await api("GET", "conflicts"))["rows"]
    shown = await page(district.client, f"/schools/{box.school_id}/conflicts/{row['id']}")
    assert "<mark>Monday</mark>" in shown
    assert "<mark>Tuesday, too</mark>" in shown
    assert "Nguyễn Thị Ánh" in shown
    assert "about a person of the school" in shown
    assert row["tbl"] in await page(district.client, f"/schools/{box.school_id}/conflicts")
    detail = await api("GET", f"conflicts/{row['id']}")
    assert [pair["name"] for pair in detail["cells"] if pair["differs"]] == ["body"]


async def test_a_look_is_kept_with_who_and_when_and_the_row_waits_no_longer(box, api, district):
    await a_conflict(box)
    (row,) = (await api("GET", "conflicts"))["rows"]
    await api("POST", f"conflicts/{row['id']}/look")
    here = f"/schools/{box.school_id}/conflicts"
    await district.client.post(f"{here}/{row['id']}/look", headers=PAGE)  # the first look stays
    assert (await api("GET", "conflicts"))["rows"] == []
    (seen,) = (await api("GET", "conflicts?seen=true"))["rows"]
    assert seen["looked_by_name"] == "Fatuma Noor"
    assert (await district.client.get("/api/v1/schools")).json()[0]["conflicts"] == 0
    assert [each.reason for each in (await box.hello()).exceptions] == ["conflict"]  # still true


async def test_another_district_s_staff_see_none_of_it(box, api, district, as_role):
    """The outsider is an administrator too, of nothing here."""
    await box.send(poison(box.school_id))
    await a_conflict(box)
    (conflict,) = (await api("GET", "conflicts"))["rows"]
    owner = await as_role("postgres")
    await owner.execute("UPDATE school SET district_id = $1", UUID(int=9))
    for path in ("aside", "aside/rows", "conflicts", f"conflicts/{conflict['id']}"):
        for address in (
            f"/schools/{box.school_id}/{path}",
            f"/api/v1/schools/{box.school_id}/{path}",
        ):
            assert (await district.client.get(address)).status_code == 404, address
    for path, body in (
        ("aside/replay", {"tbl": "grade", "reason": "x"}),
        ("aside/dismiss", {"tbl": "grade", "reason": "x", "why": "y"}),
        (f"conflicts/{conflict['id']}/look", None),
    ):
        answer = await district.client.post(f"/api/v1/schools/{box.school_id}/{path}", json=body)
        assert answer.status_code == 404, path


async def test_a_row_of_a_later_release_is_shown_too(box, api, district):
    strange = msgspec.structs.replace(rows("person", box.pupil), table="yoga_class")
    await box.send(strange)
    (group,) = await api("GET", "aside")
    path = f"aside/rows?tbl={group['tbl']}&reason={group['reason']}"
    (row,) = (await api("GET", path))["rows"]
    shown = await page(district.client, f"/schools/{box.school_id}/aside/rows/{row['id']}")
    assert "yoga_class" in shown
    assert District.__name__ not in shown


async def test_the_first_edit_after_a_restore_is_no_conflict_and_a_rival_still_is(box, api):
    """The restored box sends everything again: it is seen to hold what it goes on from."""
    pupil = values("person", id=box.pupil[0], display_name="Amina", org_id=box.school_id.bytes)
    old_epoch = box.epoch, box.n, box.hash
    box.begin_epoch()
    await box.send(rows("person", box.pupil))
    await box.send(rows("person", edited(pupil, 2, "Amina Otieno")))
    assert (await api("GET", "conflicts"))["rows"] == []
    box.epoch, box.n, box.hash = old_epoch  # the other board never saw that
    await box.send(rows("person", edited(pupil, 3, "Amina O.")))
    (conflict,) = (await api("GET", "conflicts"))["rows"]
    assert conflict["pk"] == str(UUID(bytes=box.pupil[0]))


def edited(row, version, name):
    """The same person at a later version."""
    names = [column.name for column in TABLE["person"].columns]
    changes = {"version": version, "display_name": name}
    return tuple(changes.get(name, cell) for name, cell in zip(names, row, strict=True))
