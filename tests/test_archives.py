"""Zip files that are broken, huge or spiteful."""

import io
import zipfile

import pytest

from appliance.archives import BrokenArchive, decode_text, read_zip
from appliance.errors import Invalid, TooLarge


def zipped(files, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def read(data, files_max=10, bytes_max=10_000):
    return read_zip(data, files_max=files_max, bytes_max=bytes_max)


def test_files_come_back_by_path_and_what_a_mac_adds_does_not():
    data = zipped({"rain/a.md": b"a", "rain/b/c.md": b"c", "__MACOSX/rain/._a.md": b"x"})
    assert read(data) == {"rain/a.md": b"a", "rain/b/c.md": b"c"}


@pytest.mark.parametrize("name", ["../a.md", "/etc/a.md", "a/../../b.md", "..\\a.md", "C:\\a.md"])
def test_a_path_that_leads_out_of_the_folder_is_refused(name):
    with pytest.raises(BrokenArchive, match="leads out"):
        read(zipped({name: b"x"}))


def test_a_bomb_is_refused_while_it_unpacks():
    bomb = zipped({"a.md": b"0" * 50_000_000})
    assert len(bomb) < 100_000
    with pytest.raises(TooLarge):
        read(bomb)


def test_a_bomb_that_lies_about_its_size_is_refused_too():
    data = bytearray(zipped({"a.md": b"0" * 1_000_000}))
    at = data.rfind(b"PK\x01\x02") + 24
    data[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises((BrokenArchive, TooLarge)):
        read(bytes(data))


def test_too_many_files_are_refused_before_the_first_is_unpacked():
    with pytest.raises(TooLarge, match="11 files"):
        read(zipped({f"{n}.md": b"" for n in range(11)}))


def test_the_same_path_twice_is_refused():
    data = zipped({"a.md": b"one", "b.md": b"two"}).replace(b"b.md", b"a.md")
    with pytest.raises(BrokenArchive, match="twice"):
        read(data)


GOOD = zipped({"a.md": b"text " * 100})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no zip at all",
        GOOD[:-10],
        GOOD[: len(GOOD) // 2],
        GOOD[:60] + b"\xff" * 20 + GOOD[80:],
    ],
)
def test_what_cannot_be_read_is_one_plain_problem(data):
    with pytest.raises((BrokenArchive, TooLarge)):
        read(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"one\ntwo\nthr\xffee", "rain.md is not UTF-8 text: byte 11, line 3"),
        (b"one\n\0", "rain.md is not text: byte 4, line 2"),
    ],
)
def test_broken_text_is_named_by_file_byte_and_line(data, said):
    with pytest.raises(Invalid) as caught:
        decode_text("rain.md", data)
    assert str(caught.value) == said
    assert caught.value.errors[0].field == "rain.md"


def test_a_byte_order_mark_is_no_letter():
    assert decode_text("a.md", b"\xef\xbb\xbfRain") == "Rain"
