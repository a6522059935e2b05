"""A file of a hand-in: kept once, shown to whom it concerns, never run."""

import hashlib
import os

import pytest

from appliance import room
from appliance.attachments.faults import FileKindRefused
from appliance.attachments.rules import FILE_BYTES_MAX, FILES_MAX, kept_name, kind_of
from appliance.room import Card
from tests.cast import new_id

PHOTO = os.urandom(300_000)


def put(client, revision_id, content=PHOTO, *, attachment_id=None, name="kijiji.jpg"):
    address = f"/api/v1/submission-revisions/{revision_id}/files/{attachment_id or new_id()}"
    return client.put(address, params={"name": name}, content=content)


def blobs(database):
    folder = database.parent / "blobs"
    return {path.name for path in folder.iterdir() if path.is_file()} if folder.exists() else set()


def left_over(database):
    return list((database.parent / "blobs" / "incoming").iterdir())


def test_a_file_is_kept_under_its_content_and_given_back_as_it_came(as_, work, database):
    client = as_("amina")
    (kept,) = put(client, work[0]).json()
    assert (kept["name"], kept["size_bytes"], kept["custody_level"]) == (
        "kijiji.jpg",
        len(PHOTO),
        "box",
    )
    assert blobs(database) == {hashlib.sha256(PHOTO).hexdigest()}
    assert left_over(database) == []
    answer = client.get(f"/api/v1/attachments/{kept['id']}")
    assert answer.content == PHOTO
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert "sandbox" in answer.headers["content-security-policy"]


def test_sending_a_file_again_adds_nothing(as_, work):
    client, attachment_id = as_("amina"), new_id()
    for _ in range(3):
        answer = put(client, work[0], attachment_id=attachment_id)
        assert answer.status_code == 200
        assert len(answer.json()) == 1
    other = put(client, work[0], b"other", attachment_id=attachment_id)
    assert (other.status_code, other.json()["code"]) == (409, "attachment-id-taken")


def test_what_was_refused_leaves_nothing_on_the_card(as_, work, database):
    client, attachment_id = as_("amina"), new_id()
    put(client, work[0], attachment_id=attachment_id)
    before = blobs(database)
    assert put(client, work[0], b"other", attachment_id=attachment_id).status_code == 409
    assert blobs(database) == before
    assert left_over(database) == []


@pytest.mark.parametrize(
    ("content", "name", "status", "code"),
    [
        (b"", "kijiji.jpg", 422, "file-empty"),
        (b"MZ", "game.exe", 422, "file-kind-refused"),
        (b"<script>", "page.html", 422, "file-kind-refused"),
        (b"x", "no-ending", 422, "file-kind-refused"),
        (bytes(FILE_BYTES_MAX + 1), "film.mp4", 413, "file-too-large"),
    ],
)
def test_a_file_that_may_not_be_added_says_why(as_, work, database, content, name, status, code):
    answer = put(as_("amina"), work[0], content, name=name)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert blobs(database) == set()


def test_a_hand_in_has_a_bounded_number_of_files(as_, work):
    client = as_("amina")
    for number in range(FILES_MAX):
        assert put(client, work[0], bytes([number])).status_code == 200
    assert put(client, work[0], b"one more").status_code == 413


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("amina", 200),
        ("mr_otieno", 200),
        ("jose", 404),
        ("jomo", 404),
        ("baraka", 404),
        ("keeper", 403),
        (None, 401),
    ],
)
def test_who_may_look_at_aminas_files(as_, work, who, status):
    (kept,) = put(as_("amina"), work[0]).json()
    client = as_(who)
    assert client.get(f"/api/v1/attachments/{kept['id']}").status_code == status
    assert client.get(f"/api/v1/submissions/{work[1]}/files").status_code == status


def test_nobody_adds_a_file_to_the_work_of_another(as_, work, database):
    assert put(as_("jose"), work[0]).status_code == 404
    assert blobs(database) == set()


def test_two_pupils_with_one_picture_share_the_bytes_and_not_the_rows(as_, work, school, database):
    put(as_("amina"), work[0])
    client, revision_id = as_("jose"), new_id()
    body = {"assessment_id": str(school.village), "body": "Same photo."}
    client.put(f"/api/v1/submission-revisions/{revision_id}", json=body)
    (kept,) = put(client, revision_id).json()
    assert len(blobs(database)) == 1
    assert client.get(f"/api/v1/attachments/{kept['id']}").content == PHOTO


def test_the_page_takes_a_file_without_scripts_and_shows_it(as_, work):
    client = as_("amina")
    page = f"/learn/hand-ins/{work[1]}/files"
    assert "No files yet" in client.get(page).text
    form = {"revision_id": str(work[0]), "attachment_id": str(new_id())}
    sent = client.post(page, data=form, files={"file": ("picha.png", b"png", "image/png")})
    assert sent.status_code == 200, sent.text
    assert "picha.png" in client.get(page).text
    refused = client.post(page, data=form, files={"file": ("x.exe", b"MZ", "x/y")})
    assert "This kind of file cannot be added" in refused.text
    assert "picha.png" in as_("mr_otieno").get(f"/teach/submissions/{work[1]}").text


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("picha ya kijiji.jpg", "picha ya kijiji.jpg"),
        ("C:\\Users\\Noor\\قرية.pdf", "قرية.pdf"),
        ("../../etc/passwd.txt", "passwd.txt"),
        ("a\u202egpj.txt", "a_gpj.txt"),
        ("\x00\x01.png", "_.png"),
        ("x" * 500 + ".jpeg", "x" * 115 + ".jpeg"),
        (".jpg", "jpg"),
    ],
)
def test_a_name_that_is_kept_misleads_nobody(name, kept):
    assert kept_name(name) == kept


def test_a_kind_is_read_from_the_ending_in_any_case():
    assert kind_of("IMG_0001.HEIC") == "image/heic"
    with pytest.raises(FileKindRefused):
        kind_of("archive.tar.gz")


def test_a_full_card_refuses_files_in_words_and_takes_text(
    as_, work, school, database, monkeypatch
):
    client = as_("amina")
    full = Card(total_bytes=32 << 30, free_bytes=199 << 20)
    monkeypatch.setattr(room, "card_of", lambda _folder: full)
    refused = put(client, work[0])
    assert (refused.status_code, refused.json()["code"]) == (507, "no-room-for-files")
    assert blobs(database) == set()
    more = {"assessment_id": str(school.village), "body": "My village, in words."}
    handed_in = client.put(f"/api/v1/submission-revisions/{new_id()}", json=more)
    assert handed_in.status_code == 200
