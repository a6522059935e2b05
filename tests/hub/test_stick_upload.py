"""A stick through a browser: what a clerk without a shell brings in, and takes back."""

import io
import shutil
import zipfile
from pathlib import Path

import pytest

from sync.core.bundle import MANIFEST
from sync.hub.sticks import pages, uploading
from sync.hub.sticks.uploading import KEPT_MS, places
from tests.cast import a_school
from tests.hub.cast import NOW_MS
from tests.hub.test_sticks import Carrier

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

OTHER = "00000000-0000-7000-8000-000000000002"


@pytest.fixture
async def box(tmp_path, edge_template, app, watch, district):
    """A school that joined over the net and has a week of work to carry."""
    box = Carrier(tmp_path / "board", edge_template, app, watch)
    with box.db.changing() as tx:
        box.cast = a_school(tx)
    box.wish(await district.token())
    await box.agent.one_try()
    box.rename("Nguyễn Thị Ánh")
    yield box
    box.close()


@pytest.fixture
def stick(tmp_path, box):
    folder = tmp_path / "stick"
    folder.mkdir()
    box.export(folder)
    return folder


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def zipped(files):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return whole.getvalue()


async def upload(client, files):
    return await client.post("/sticks", files=[("files", each) for each in files.items()])


def answer_link(page):
    return page.split('class="button" href="')[1].split('"')[0]


def lay_back(folder, content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)


@pytest.mark.parametrize("how", ["zip", "folder"])
async def test_a_stick_goes_in_through_the_page_and_its_answer_comes_back(
    district, box, stick, settings, how
):
    assert box.waiting == 1
    found = {f"USB STICK/{name}": content for name, content in files_of(stick).items()}
    chosen = {"stick.zip": zipped(found)} if how == "zip" else found
    answer = await upload(district.client, chosen)
    assert answer.status_code == 200, answer.text
    for words in ("1 parcel of changes came", "All taken in", "Fetch the answer"):
        assert words in answer.text
    fetched = await district.client.get(answer_link(answer.text))
    assert fetched.headers["content-type"] == "application/zip"
    assert "darasa-answer.zip" in fetched.headers["content-disposition"]
    lay_back(stick, fetched.content)
    box.bring_back(stick)
    assert box.waiting == 0
    assert [path.name for path in settings.sticks_folder.glob("*/*")] == ["answer.zip"]
    again = await upload(district.client, chosen)
    assert "0 parcels of changes came, 1 were here already" in again.text


async def test_a_folder_of_a_year_without_a_link_goes_in_at_once(district, box, stick):
    """Thousands of small files: the framework's own bound is a thousand parts."""
    junk = {f"darasa/{OTHER}/{OTHER}/0/{n}.seg.box": b"x" for n in range(1, 1_500)}
    answer = await upload(district.client, files_of(stick) | junk)
    assert answer.status_code == 200, answer.text
    assert "1 parcel of changes came" in answer.text
    assert "And 1480 more like these" in answer.text


async def test_nobody_who_finds_an_answer_can_read_a_name_in_it(district, box, stick):
    answer = await upload(district.client, {"stick.zip": zipped(files_of(stick))})
    content = (await district.client.get(answer_link(answer.text))).content
    assert "Nguyễn".encode() not in content
    assert "Nguyễn" not in answer.text


async def test_what_is_no_stick_is_refused_with_what_to_do(district, monkeypatch):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"darasa/{OTHER}/{OTHER}/0/1.seg.box", bytes(3 << 20))
    monkeypatch.setattr(pages, "STICK_BYTES_MAX", 1 << 20)
    for chosen, status, words in (
        ({}, 400, "Choose the folder darasa"),
        ({"holiday.jpg": b"x"}, 400, "Choose the folder darasa"),
        ({"stick.zip": b"PK no"}, 400, "This zip file cannot be read"),
        ({"stick.zip": zipped({"../../etc/passwd": b"x"})}, 400, "This zip file cannot be read"),
        ({"stick.zip": bomb.getvalue()}, 413, "This is too large"),
    ):
        answer = await upload(district.client, chosen)
        assert (answer.status_code, words in answer.text) == (status, True), answer.text


async def test_zips_are_bounded_all_together(district, monkeypatch):
    """Each unpacks to less than the bound; a body of 64 MB could hold a thousand of them."""
    monkeypatch.setattr(pages, "STICK_BYTES_MAX", 1_000_000)
    bombs = {f"{n}.zip": zipped({f"{n}.seg": bytes(400_000)}) for n in range(3)}
    answer = await upload(district.client, bombs)
    assert answer.status_code == 413
    bombs.pop("2.zip")
    assert (await upload(district.client, bombs)).status_code != 413


async def test_a_body_past_the_bound_is_not_read(district):
    announced = {"content-type": "multipart/form-data; boundary=x", "content-length": "9" * 12}
    answer = await district.client.post("/sticks", content=b"--x", headers=announced)
    assert answer.status_code == 413


async def test_what_cannot_be_taken_in_is_said_for_each_box(district, box, stick):
    """One damaged part, and a folder of a stranger's."""
    (part,) = stick.rglob("*.seg.box")
    part.write_bytes(b"not a segment")
    files = files_of(stick) | {f"darasa/{OTHER}/{OTHER}/{MANIFEST}": b"junk"}
    answer = await upload(district.client, {"stick.zip": zipped(files)})
    assert answer.status_code == 200
    for words in ("Look here", "left on the stick", "An unknown school", "no answer can be given"):
        assert words in answer.text


async def test_an_answer_is_the_districts_alone_and_kept_for_a_week(district, box, stick, watch):
    link = answer_link((await upload(district.client, {"s.zip": zipped(files_of(stick))})).text)
    cookies = dict(district.client.cookies)
    district.client.cookies.clear()
    page = {"accept": "application/json"}
    assert (await district.client.get(link, headers=page)).status_code == 401
    assert (await upload(district.client, files_of(stick))).status_code == 401
    district.client.cookies.update(cookies)
    missing = f"/sticks/{OTHER}/answer"
    assert (await district.client.get(missing, headers=page)).status_code == 404
    watch.now_ms += KEPT_MS - 1_000_000
    await district.sign_in()
    await upload(district.client, files_of(stick))
    assert (await district.client.get(link)).status_code == 200


async def test_last_weeks_answers_and_what_a_killed_import_left_are_removed(settings, tmp_path):
    old = settings.sticks_folder / OTHER / "stick"
    old.mkdir(parents=True)
    kept = settings.sticks_folder / "notes"
    kept.mkdir()
    uploading._forget_old(settings.sticks_folder, NOW_MS)
    assert [path.name for path in settings.sticks_folder.iterdir()] == ["notes"]
    shutil.rmtree(settings.sticks_folder)
    uploading._forget_old(settings.sticks_folder, NOW_MS)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (f"darasa/{OTHER}/{OTHER}/manifest.bin", f"darasa/{OTHER}/{OTHER}/manifest.bin"),
        (f"E:\\darasa\\{OTHER}\\{OTHER}\\0\\1.seg.box", f"darasa/{OTHER}/{OTHER}/0/1.seg.box"),
        (f"{OTHER}/{OTHER}/0/1.seg.box", f"darasa/{OTHER}/{OTHER}/0/1.seg.box"),
    ],
)
def test_any_folder_above_may_be_chosen(path, place):
    assert places({path: b""}) == {Path(place): b""}


@pytest.mark.parametrize(
    "path",
    [
        "manifest.bin",
        f"{OTHER}/manifest.bin",
        f"{OTHER}/{OTHER}",
        f"{OTHER}/{OTHER}/../../x",
        f"{OTHER}/{OTHER}/a/b/c/d",
        f"{OTHER}/x/{OTHER}/1",
    ],
)
def test_what_lies_elsewhere_is_nothing_of_a_box(path):
    with pytest.raises(uploading.StickEmpty):
        places({path: b""})


async def test_a_hub_that_cannot_lay_the_files_out_says_so(district, box, stick, settings):
    settings.sticks_folder.write_bytes(b"a file where the folder should be")
    answer = await upload(district.client, files_of(stick))
    assert answer.status_code >= 400
    assert "The stick did not work" in answer.text
    assert "Take it in" in (await district.client.get("/sticks")).text
