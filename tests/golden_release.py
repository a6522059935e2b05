"""`make golden`: what this release promises to later ones, kept under tests/golden/<version>.

A school with work in it, the segments it would send, both interfaces, and the hash of every
migration. Later releases must open, understand, and still offer all of it. Written once, when a
version is released; writing it again is for the version that is not out yet.
"""

import hashlib
import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

import msgspec
import zstandard
from msgspec import Struct
from nacl.signing import SigningKey

from appliance.app import create_app as create_box
from appliance.database.agent import AgentDatabase
from appliance.database.migrate import EDGE_MIGRATIONS, migrate, schema_version
from appliance.database.writer import Writer
from appliance.orders.commands import carry_out
from appliance.settings import Settings
from appliance.telemetry.commands import add_sample
from appliance.telemetry.safety import Safety
from appliance.telemetry.vitals import Vitals
from sync.agent.sealing import Share, Stamp, seal_rows
from sync.agent.store import identity, open_streams, streams
from sync.core.segment import read_segment
from sync.hub.app import create_app as create_hub
from sync.hub.settings import HubSettings
from sync.registry import TABLES
from tests.box import running_box, sign_in
from tests.cast import NOW_MS, a_school, new_id
from tests.lessons import reads_rain
from tests.orders.cast import came_down, ordered
from tests.sources import ROOT

GOLDEN = ROOT / "tests" / "golden"
SEGMENT_BYTES = 1_500  # several segments, so that the chain is kept too
PHOTO = b"\xff\xd8\xff\xe0 a well" * 20
VITALS = Vitals(
    uss_bytes=48 << 20,
    memory_free_bytes=3 << 30,
    disk_free_bytes=9 << 30,
    disk_total_bytes=28 << 30,
    database_bytes=1 << 20,
    wal_bytes=0,
    temperature_c=48.5,
    uptime_s=3_600,
)
SAFE = Safety(backup_away_at_ms=NOW_MS - 7_200_000, copy_checked_at_ms=NOW_MS - 86_400_000)
JOIN_HUB = """
UPDATE sync_identity
   SET hub_id = ?1, hub_key = ?2, hub_url = 'http://127.0.0.1:8100', incarnation = ?3
"""
PAYLOADS = "SELECT payload FROM sync_segment ORDER BY lane, n"


class Promise(Struct, frozen=True):
    """What can be asked of the kept files without the code that wrote them."""

    schema_version: int
    node_key: str  # hexadecimal, as a hub knows it
    table_rows: dict[str, int]
    hand_ins: dict[str, str]  # receipt code -> what was handed in
    segment_hashes: list[str]


def main() -> None:
    """Write everything for the version in pyproject.toml."""
    folder = GOLDEN / version("darasa")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        promise = write_school(Path(place) / "box", folder)
    (folder / "promise.json").write_bytes(msgspec.json.format(msgspec.json.encode(promise)))
    (folder / "migrations.txt").write_text(migration_hashes())
    for name, paths in interfaces().items():
        (folder / f"openapi-{name}.json").write_text(json.dumps(paths, indent=1) + "\n")
    print(f"written: {folder}")  # noqa: T201 -- a command


def write_school(data_dir: Path, folder: Path) -> Promise:
    data_dir.mkdir()
    path = data_dir / "school.db"
    migrate(path, EDGE_MIGRATIONS, backups=data_dir / "backups", now_ms=NOW_MS)
    school, reading = fill_school(path)
    hand_ins = play_a_lesson(path, school, reading)
    key = SigningKey.generate()
    payloads = seal_everything(path, key)
    for number, payload in enumerate(payloads, 1):
        (folder / f"segment-{number}.seg").write_bytes(payload)
    packed = zstandard.ZstdCompressor(level=19).compress(path.read_bytes())
    (folder / "school.db.zst").write_bytes(packed)
    return Promise(
        schema_version=schema_version(path),
        node_key=bytes(key.verify_key).hex(),
        table_rows=table_rows(path),
        hand_ins=hand_ins,
        segment_hashes=[read_segment(payload).hash.hex() for payload in payloads],
    )


def fill_school(path):
    writer = Writer(path)
    writer.start()
    try:
        school = writer.write_blocking(a_school)
        writer.write_blocking(hear_the_district, school)
        writer.write_blocking(add_sample, VITALS, SAFE, now_ms=NOW_MS, clock_quality=3)
        return school, reads_rain(writer, school)
    finally:
        writer.stop()


def hear_the_district(tx, school):
    """What came down: words, a bound for the link, and an order that is carried out."""
    where = {"org_id": school.school_id}
    came_down(tx, "announcement", **where, title="Mvua", body="", from_at_ms=NOW_MS)
    came_down(tx, "setting", **where, key="link_hours", value='"18-6"')
    order_id = ordered(tx, school, "reset_pin", {"person_id": school.jose})
    carry_out(tx, order_id, now_ms=NOW_MS, quality=3)


def play_a_lesson(path, school, reading):
    """Let pupils read and hand in, and their teacher mark one; return the receipts."""
    hand_ins = {}
    with running_box(path) as box:
        for name, words in (
            ("amina", "Kisima chetu kina mita kumi na mbili."),
            ("jose", "El pozo está lejos; caminamos media hora."),
            ("noor", "البئر بعيدة عن بيتنا."),
        ):
            sign_in(box, getattr(school, name))
            work = {"assessment_id": str(school.village), "body": words}
            revision = f"/api/v1/submission-revisions/{new_id()}"
            receipt = answered(box.put(revision, json=work))
            file = f"{revision}/files/{new_id()}"
            box.put(file, params={"name": "kisima.jpg"}, content=PHOTO).raise_for_status()
            hand_ins[receipt["code"]] = words
        sign_in(box, school.amina)
        fact = {"enrolment_id": str(reading.amina), "percent": 60, "at_ms": NOW_MS}
        fact |= {"id": str(new_id()), "section_id": str(reading.sections[0])}
        box.post("/api/v1/progress-facts", json={"facts": [fact]}).raise_for_status()
        mark(box, school, receipt["submission_id"])
    return hand_ins


def mark(box, school, submission_id):
    sign_in(box, school.mr_otieno)
    place = f"/api/v1/submissions/{submission_id}"
    grade = {"id": str(new_id()), "points_mp": 7_500, "comment": "Vizuri. أحسنت."}
    grade["version"] = answered(box.get(place))["version"]
    answered(box.post(f"{place}/grades", json=grade))
    wish = {"kind": "other", "wish": "Vitabu zaidi, tafadhali. نريد كتبًا أكثر"}
    answered(box.put(f"/api/v1/proposals/{new_id()}", json=wish))


def answered(response):
    response.raise_for_status()
    return response.json()


def seal_everything(path, key):
    """Seal what waits as an enrolled box would, and return the segments."""
    db = AgentDatabase(path)
    try:
        with db.changing() as tx:
            tx.run(JOIN_HUB, (UUID(int=1), bytes(32), UUID(int=2)))
            open_streams(tx, identity(db))
        stamp = Stamp(NOW_MS, 3, schema_version(path), version("darasa"))
        for lane in range(len(streams(db, identity(db).epoch))):
            while seal_rows(db, *here(db, lane), key, stamp, Share(SEGMENT_BYTES)):
                pass
        return [payload for (payload,) in db.tuples(PAYLOADS)]
    finally:
        db.close()


def here(db, lane):
    me = identity(db)
    return me, streams(db, me.epoch)[lane]


def table_rows(path):
    """Count the rows of every table that is synced; the others are this box's own business."""
    db = AgentDatabase(path)
    try:
        return {table.name: db.value(f"SELECT count(*) FROM {table.name}") for table in TABLES}
    finally:
        db.close()


def migration_hashes():
    """One line a file, as sha256sum prints it."""
    files = sorted((ROOT / "migrations").rglob("*.sql"))
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(ROOT)}"
        for file in files
    ]
    return "\n".join(lines) + "\n"


def interfaces():
    """Return both interfaces as {app: {path: {verb: [answers]}}}."""
    box = create_box(Settings(data_dir=Path("nowhere")))
    hub = create_hub(HubSettings(dsn="postgresql://nowhere"))
    return {name: offered(app) for name, app in (("box", box), ("hub", hub))}


def offered(app):
    paths = app.openapi_schema.to_schema()["paths"]
    return {
        path: {verb: sorted(said["responses"]) for verb, said in sorted(verbs.items())}
        for path, verbs in sorted(paths.items())
        if path.startswith(("/api/", "/sync/"))
    }


if __name__ == "__main__":
    main()
