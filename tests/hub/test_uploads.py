"""Segments that were cut on their way: the rest is enough, and nothing rests on it."""

import hashlib

import pytest

from sync.hub.faults import UploadGone
from sync.hub.intake import uploads
from sync.hub.intake.accepting import Address
from sync.hub.intake.uploads import Uploads
from sync.protocol import HUB_SEGMENT_BYTES_MAX, SegmentAnswer, UploadStart, decode
from tests.hub.cast import facts

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

PLACE = ("node", "epoch", 0, 1)


class Lost(Exception):
    """The link went away."""


async def a_body(*pieces, is_cut=False):
    for piece in pieces:
        yield piece
    if is_cut:
        raise Lost


@pytest.fixture
def held():
    return Uploads()


async def cut(held, place, *pieces, offset=0):
    with pytest.raises(Lost):
        await held.take(place, a_body(*pieces, is_cut=True), offset=offset)


async def test_what_came_of_a_cut_body_is_kept_and_the_rest_completes_it(held):
    await cut(held, PLACE, b"Amina ", b"handed")
    assert held.start(PLACE) == UploadStart(
        offset=12, sha256=hashlib.sha256(b"Amina handed").digest()
    )
    await cut(held, PLACE, b" in", offset=12)
    assert held.start(PLACE).offset == 15
    assert await held.take(PLACE, a_body(b" late"), offset=15) == b"Amina handed in late"
    assert held.start(PLACE).offset == 0


async def test_a_box_may_go_on_from_an_earlier_byte_or_from_the_first(held):
    await cut(held, PLACE, b"0123456789")
    assert await held.take(PLACE, a_body(b"abc"), offset=4) == b"0123abc"
    await cut(held, PLACE, b"0123456789")
    assert await held.take(PLACE, a_body(b"whole")) == b"whole"


async def test_the_rest_of_what_is_not_here_is_refused(held):
    with pytest.raises(UploadGone):
        await held.take(PLACE, a_body(b"rest"), offset=4)


async def test_an_upload_that_has_not_noticed_its_end_spoils_no_other(held):
    """The old connection hangs; the box has come back by a new one and goes on."""
    await cut(held, PLACE, b"0123")

    async def slow():
        yield b"45"
        assert await held.take(PLACE, a_body(b"4567"), offset=4) == b"01234567"
        yield b"zz"

    assert await held.take(PLACE, slow(), offset=4) == b"012345zz"
    assert held.start(PLACE).offset == 0


async def test_what_is_kept_has_a_bound_and_the_oldest_goes_first(held, monkeypatch):
    monkeypatch.setattr(uploads, "KEPT_BYTES_MAX", 25)
    for number in range(4):
        await cut(held, number, bytes(10))
    await held.take("another", a_body(b""))
    assert [held.start(number).offset for number in range(4)] == [0, 0, 10, 10]
    monkeypatch.setattr(uploads, "KEPT_MAX", 1)
    await held.take("another", a_body(b""))
    assert [held.start(number).offset for number in range(4)] == [0, 0, 0, 0]


# The same through the hub.


@pytest.fixture
async def box(district):
    return await district.school()


def uploads_address(box):
    return Address(box.node_id, box.epoch, 0, 1)


def path(box, n=1):
    return f"/sync/v1/streams/{box.node_id}/{box.epoch}/0/segments/{n}"


async def ask(box, method, where, content=b""):
    return await box.client.request(method, where, content=content, headers=box.headers)


async def test_a_cut_segment_is_merged_when_its_rest_comes(box, app):
    sealed = box.seal(facts(50))
    address = uploads_address(box)
    await cut(app.state.hub.uploads, address, sealed.payload[:700])
    started = await ask(box, "GET", f"{path(box)}/start")
    assert decode(started.content, UploadStart).offset == 700
    answer = await ask(box, "PATCH", f"{path(box)}?offset=700", sealed.payload[700:])
    assert answer.status_code == 200, answer.text
    assert decode(answer.content, SegmentAnswer).applied_n == 1


async def test_parts_that_do_not_fit_are_refused_and_the_whole_is_taken(box, app):
    sealed = box.seal(facts(50))
    await cut(app.state.hub.uploads, uploads_address(box), bytes(700))
    answer = await ask(box, "PATCH", f"{path(box)}?offset=700", sealed.payload[700:])
    assert answer.json()["code"] == "segment-corrupt"
    gone = await ask(box, "PATCH", f"{path(box)}?offset=700", sealed.payload[700:])
    assert (gone.status_code, gone.json()["code"]) == (409, "upload-gone")
    assert (await ask(box, "PUT", path(box), sealed.payload)).status_code == 200


async def test_two_parts_that_are_too_much_together_are_refused(box, app):
    first = HUB_SEGMENT_BYTES_MAX - 1
    await cut(app.state.hub.uploads, uploads_address(box), bytes(first))
    answer = await ask(box, "PATCH", f"{path(box)}?offset={first}", b"xy")
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert (await box.put(box.seal(facts(1)))).status_code == 200


async def test_nobody_asks_about_or_adds_to_another_boxs_segment(box, district, app):
    other = await district.school("Lakeside School")
    await cut(app.state.hub.uploads, uploads_address(box), b"theirs")
    for method, where in (("GET", f"{path(box)}/start"), ("PATCH", f"{path(box)}?offset=6")):
        answer = await ask(other, method, where, b"mine")
        assert answer.json()["code"] == "wrong-school"
    assert app.state.hub.uploads.start(uploads_address(box)).offset == 6
