"""What earlier releases promised: `make golden` wrote it, and every later release keeps it."""

import json

import msgspec
import pytest
import zstandard

from appliance.database.integrity import full_check
from appliance.database.migrate import EDGE_MIGRATIONS, migrate
from sync.core.segment import check_signature, open_body, read_segment
from tests.box import running_box, sign_in
from tests.cast import NOW_MS
from tests.golden_release import GOLDEN, Promise, interfaces, migration_hashes, table_rows

RELEASES = sorted(folder for folder in GOLDEN.glob("*") if (folder / "promise.json").exists())
SCHOOL_BYTES_MAX = 64 << 20


@pytest.fixture(params=RELEASES, ids=lambda folder: folder.name)
def release(request):
    return request.param


@pytest.fixture
def promise(release):
    return msgspec.json.decode((release / "promise.json").read_bytes(), type=Promise)


@pytest.fixture
def old_school(release, tmp_path):
    """Unpack the school of that release and bring it to the present schema."""
    path = tmp_path / "box" / "school.db"
    path.parent.mkdir()
    packed = (release / "school.db.zst").read_bytes()
    path.write_bytes(zstandard.ZstdDecompressor().decompress(packed, SCHOOL_BYTES_MAX))
    migrate(path, EDGE_MIGRATIONS, backups=tmp_path / "backups", now_ms=NOW_MS)
    return path


def test_there_is_a_release_to_keep():
    assert RELEASES


def test_released_migrations_are_never_edited(release):
    promised = set((release / "migrations.txt").read_text().splitlines())
    assert promised - set(migration_hashes().splitlines()) == set()


def test_an_old_school_opens_whole(old_school, promise):
    assert full_check(old_school).is_ok
    now = table_rows(old_school)
    assert {name: now.get(name) for name in promise.table_rows} == promise.table_rows


def test_an_old_school_is_served(old_school):
    with running_box(old_school) as box:
        assert sign_in(box, None).get("/health").status_code == 200


def test_old_segments_are_understood(release, promise):
    link, work = None, set()
    for number, expected in enumerate(promise.segment_hashes, 1):
        segment = read_segment((release / f"segment-{number}.seg").read_bytes())
        check_signature(segment, bytes.fromhex(promise.node_key))
        assert segment.hash.hex() == expected
        assert segment.header.n == 1 or segment.header.prev_hash == link
        link = segment.hash
        for rows in open_body(segment):
            if rows.table == "submission_revision":
                body = rows.columns.index("body")
                work |= {row[body] for row in rows.rows}
    assert work == set(promise.hand_ins.values())


@pytest.mark.parametrize("app", ["box", "hub"])
def test_no_address_and_no_answer_goes_away(release, app):
    promised = json.loads((release / f"openapi-{app}.json").read_text())
    offered = interfaces()[app]
    gone = {
        f"{verb} {path}: {answer}"
        for path, verbs in promised.items()
        for verb, answers in verbs.items()
        for answer in answers
        if answer not in offered.get(path, {}).get(verb, [])
    }
    assert gone == set()
