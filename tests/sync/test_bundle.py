"""What lies on a stick, without a stick: names, sizes, and which of two answers is the later."""

import hashlib
from uuid import UUID

import pytest
from msgspec import structs
from nacl.signing import SigningKey

from sync.core.bundle import (
    LOCKED_SEGMENT_BYTES_MAX,
    Answer,
    BundleCorrupt,
    Standing,
    judge_answer,
    lanes_in,
    lock,
    read_manifest,
    unlock,
)
from sync.core.parcel import (
    CONTENT_BYTES_MAX,
    LABEL_BYTES_MAX,
    PARCEL_BYTES_MAX,
    Label,
    Parcel,
    back_folder,
    file_name,
    files_folder,
    files_in,
    is_signed_by,
    label_message,
    packed,
    read_parcel,
    signed_label,
)
from sync.protocol import HUB_SEGMENT_BYTES_MAX, Hello, Receipt, encode

KEY = SigningKey(bytes(range(32)))
HUB, EPOCH, LEFT, LIFE, EARLIER = (UUID(int=number) for number in range(1, 6))


def answer(*, epoch=EPOCH, incarnation=LIFE, asked=LIFE):
    hello = Hello(
        node_id=HUB,
        epoch=epoch,
        streams=[],
        incarnation=incarnation,
        pull=False,
        exceptions=[],
        hub_time_ms=0,
        receipt=None,
        nonce=bytes(16),
    )
    return Answer(hub_id=HUB, school_id=HUB, asked=asked, since=0, hello=hello, pages=[], feed=[])


def receipt(no, issued_at_ms):
    return Receipt(
        hub_id=HUB,
        incarnation=LIFE,
        school_id=HUB,
        node_id=HUB,
        epoch=EPOCH,
        lane=0,
        received_n=1,
        received_hash=bytes(32),
        applied_n=1,
        no=no,
        log_hash=bytes(32),
        issued_at_ms=issued_at_ms,
    )


HELD = receipt(5, 100)


@pytest.mark.parametrize(
    ("said", "came", "held", "standing"),
    [
        (answer(), HELD, None, Standing.NEWS),
        (answer(), HELD, HELD, Standing.NEWS),  # the same once more
        (answer(), receipt(6, 0), HELD, Standing.NEWS),
        (answer(), receipt(5, 101), HELD, Standing.NEWS),
        (answer(), receipt(5, 99), HELD, Standing.OLD),
        (answer(), receipt(4, 200), HELD, Standing.OLD),
        (answer(epoch=LEFT), HELD, HELD, Standing.OTHER_EPOCH),
        (answer(incarnation=EARLIER), HELD, HELD, Standing.NEW_INCARNATION),
        (answer(incarnation=EARLIER, asked=EARLIER), HELD, HELD, Standing.OLD),
        (answer(incarnation=EARLIER, asked=None), HELD, HELD, Standing.OLD),
    ],
)
def test_an_answer_counts_only_when_nothing_later_was_heard(said, came, held, standing):
    assert judge_answer(said, came, epoch=EPOCH, incarnation=LIFE, held=held) is standing


def test_the_largest_segment_still_fits_when_it_is_locked():
    locked = lock(bytes(HUB_SEGMENT_BYTES_MAX), KEY.verify_key.encode())
    assert len(locked) == LOCKED_SEGMENT_BYTES_MAX


def test_only_lanes_we_know_are_lanes():
    assert lanes_in(["1", "receipt-3.bin", "0", "00", "9", "-1", "1.seg.box"]) == [0, 1]


def test_a_manifest_is_known_by_its_first_bytes():
    for content in (b"", b"OSMF", b"OSBX1" + bytes(20)):
        with pytest.raises(BundleCorrupt, match="this is no manifest"):
            read_manifest(content)


PHOTO = "صورة the pupils took".encode()
LABEL = Label(
    hub_id=HUB,
    school_id=HUB,
    node_id=EPOCH,
    sha256=hashlib.sha256(PHOTO).digest(),
    size_bytes=len(PHOTO),
)


def parcel(label=LABEL, content=PHOTO):
    return encode(Parcel(encode(label), signed_label(label, KEY), content))


def test_a_file_is_what_its_label_says_or_nothing():
    label, whole = read_parcel(parcel())
    assert (label, whole.content) == (LABEL, PHOTO)
    for hurt in (
        b"",
        b"\xc1",
        parcel()[:-1],
        parcel(content=PHOTO + b"!"),
        encode([b"", b"", b""]),
    ):
        with pytest.raises(BundleCorrupt):
            read_parcel(hurt)


def test_a_file_is_opened_by_whom_it_was_packed_for():
    locked = packed(LABEL, PHOTO, signed_label(LABEL, KEY), KEY.verify_key.encode())
    assert unlock(locked, KEY.to_curve25519_private_key()) == parcel()
    with pytest.raises(BundleCorrupt):
        unlock(locked, SigningKey(bytes(32)).to_curve25519_private_key())


def test_a_file_is_from_whoever_signed_its_label():
    _, whole = read_parcel(parcel())
    assert is_signed_by(whole, KEY.verify_key.encode())
    assert not is_signed_by(whole, SigningKey(bytes(32)).verify_key.encode())
    renamed = structs.replace(whole, label=encode(structs.replace(LABEL, node_id=LEFT)))
    assert not is_signed_by(renamed, KEY.verify_key.encode())
    assert label_message(LABEL).endswith(whole.label)


def test_the_largest_file_still_fits_when_it_is_locked():
    largest = Parcel(bytes(LABEL_BYTES_MAX), bytes(64), bytes(CONTENT_BYTES_MAX))
    assert len(lock(encode(largest), KEY.verify_key.encode())) == PARCEL_BYTES_MAX


def test_files_that_go_and_files_that_come_back_lie_apart():
    names = [file_name(EPOCH), file_name(3), "3.seg.box", "..file.box", "x.file.box"]
    assert files_in(names) == names[:2]
    assert str(files_folder(EPOCH)) == f"darasa/{EPOCH}/files"
    assert str(back_folder(EPOCH)) == f"darasa/{EPOCH}/back"
