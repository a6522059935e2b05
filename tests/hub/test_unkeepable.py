"""What the district cannot keep: said at once, and never called safe."""

import pytest

from sync.core.columns import Rows
from sync.hub.intake.exceptions import UNLISTED
from sync.protocol import EXCEPTIONS_MAX
from sync.registry import TABLE, TABLES
from tests.hub.cast import PASSWORD, Box, new_id, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/sessions", {"sign_in_name": "fat\0uma", "password": PASSWORD}),
        ("/api/v1/enrolment-tokens", {"mode": "adopt", "school_name": "Hill\0top"}),
    ],
)
async def test_a_text_with_a_nul_is_refused_to_people(district, path, body):
    answer = await district.client.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


async def test_a_text_with_a_nul_is_refused_to_boxes(district):
    box = await district.school()
    answer = await box.hello_answer(app_version="0.1\0")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    token, other = await district.token(), Box(district.client, "Hill\0top")
    answer = await other.post("/sync/v1/enrol", other.enrol_request(token))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    other.name = "Hilltop"  # the refusal has not used the token up
    await other.enrol(token)


async def test_a_hand_in_put_aside_is_listed_before_any_number_of_other_rows(district):
    box = await district.school()
    nameless = (values("person", box.school_id, display_name="") for _ in range(EXCEPTIONS_MAX + 1))
    work = values("submission_revision", rev=0)
    await box.send(rows("person", *nameless))
    await box.send(rows("submission_revision", work))
    exceptions = (await box.hello()).exceptions
    assert len(exceptions) == EXCEPTIONS_MAX - len(TABLES) + 1
    assert exceptions[0].pk == work[0]
    rest = exceptions[-1]
    assert (rest.tbl, rest.pk, rest.reason) == (TABLE["person"].number, b"", UNLISTED)


async def test_rows_of_a_table_to_come_hide_no_row_of_a_known_one(district):
    """They have no number here, so they are not on the list; nor may they fill it."""
    box = await district.school()
    to_come = [(new_id(),) for _ in range(EXCEPTIONS_MAX + 1)]
    nameless = values("person", box.school_id, display_name="")
    await box.send(Rows("badge", ("id",), to_come), rows("person", nameless))
    assert [found.pk for found in (await box.hello()).exceptions] == [nameless[0]]


async def test_a_list_that_ends_counts_work_with_two_images_and_says_so_first(district):
    box = await district.school()
    nameless = (values("person", box.school_id, display_name="") for _ in range(EXCEPTIONS_MAX))
    await box.send(rows("person", *nameless))
    work = values("submission_revision", body="Mvua")
    for body in ("Mvua", "Theluji"):
        row = values("submission_revision", id=work[0], body=body)
        await box.send(rows("submission_revision", row))
        box.begin_epoch()
    exceptions = (await box.hello()).exceptions
    assert (exceptions[0].pk, exceptions[0].reason) == (work[0], "conflict")
    unlisted = [found.tbl for found in exceptions if found.reason == UNLISTED]
    assert unlisted == [TABLE["person"].number]


async def test_a_row_put_aside_is_not_answered_for_by_its_rival(district):
    """Two clones change one class: what one sent and the hub could not keep is still shown."""
    box = await district.school()
    row_id = new_id()
    refused = values("class_group", box.school_id, id=row_id, name="", version=2)
    await box.send(rows("class_group", refused))
    box.begin_epoch()
    rival = values("class_group", box.school_id, id=row_id, name="Lớp 6", version=2)
    await box.send(rows("class_group", rival))
    assert [found.pk for found in (await box.hello()).exceptions] == [row_id]
    await box.send(rows("class_group", refused))  # marked again, under the new epoch
    mended = values("class_group", box.school_id, id=row_id, name="Kidato 1", version=3)
    await box.send(rows("class_group", mended))
    assert (await box.hello()).exceptions == []
