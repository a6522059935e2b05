"""Segments of every released version, as its boxes sealed them, taken in by today's hub."""

from uuid import UUID

import msgspec
import pytest

from sync.core.segment import open_body, read_segment
from sync.hub.intake.accepting import Address, accept_segment
from sync.hub.intake.nodes import NodeClaim
from sync.protocol import LOG_BEGIN
from tests.golden_release import GOLDEN, Promise
from tests.hub.cast import NOW_MS

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

RELEASES = sorted(folder for folder in GOLDEN.glob("*") if (folder / "promise.json").exists())
KNOW_HUB = "UPDATE hub_identity SET hub_id = $1"
KNOW_SCHOOL = """
INSERT INTO school (school_id, district_id, name, created_at_ms)
SELECT $1, h.district_id, 'Golden', 0 FROM hub_identity AS h
"""
OPEN_LOG = "INSERT INTO school_sync (school_id, change_no, log_no, log_hash) VALUES ($1, 0, 0, $2)"
KNOW_NODE = """
INSERT INTO node (school_id, id, node_key, state, hardware, app_version, schema_version,
                  enrolled_at_ms)
VALUES ($1, $2, $3, 'active', '', '', 1, 0)
"""


@pytest.fixture(params=RELEASES, ids=lambda folder: folder.name)
def release(request):
    return request.param


async def enrol_as_then(see, promise, header):
    """Put the box of that release on the hub's books; its private key is nobody's any more."""
    await see.execute(KNOW_HUB, header.hub_id)
    await see.execute(KNOW_SCHOOL, header.school_id)
    await see.execute(OPEN_LOG, header.school_id, LOG_BEGIN)
    key = bytes.fromhex(promise.node_key)
    await see.execute(KNOW_NODE, header.school_id, header.node_id, key)


async def test_old_segments_are_merged_whole(release, district, app, see):
    promise = msgspec.json.decode((release / "promise.json").read_bytes(), type=Promise)
    payloads = [
        (release / f"segment-{n}.seg").read_bytes()
        for n in range(1, len(promise.segment_hashes) + 1)
    ]
    first = read_segment(payloads[0]).header
    await enrol_as_then(see, promise, first)
    claim = NodeClaim(first.node_id, first.school_id, NOW_MS * 2)
    sent: dict[str, set[UUID]] = {}
    for payload in payloads:
        segment = read_segment(payload)
        header = segment.header
        place = Address(header.node_id, header.epoch, header.lane, header.n)
        answer = await accept_segment(app.state.hub, claim, place, payload)
        assert (answer.applied_n, answer.has_exceptions) == (header.n, False)
        for block in open_body(segment):
            own = block.columns.index("id")
            sent.setdefault(block.table, set()).update(UUID(bytes=row[own]) for row in block.rows)
    for table, ids in sent.items():
        found = await see.fetch(f"SELECT id FROM {table} WHERE school_id = $1", first.school_id)
        assert {row["id"] for row in found} == ids, table
    bodies = await see.fetch("SELECT body FROM submission_revision")
    assert {row["body"] for row in bodies} == set(promise.hand_ins.values())
