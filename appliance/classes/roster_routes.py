"""Importing and exporting a register, as JSON."""

import asyncio
from typing import Final

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from appliance.access.models import Actor
from appliance.accounts.queries import school
from appliance.classes.roster_export import oneroster_zip
from appliance.classes.roster_import import foresee_import, import_roster, read_upload
from appliance.classes.roster_known import known_school
from appliance.classes.roster_models import UPLOAD_BYTES_MAX, ImportReport, RosterUpload
from appliance.clock import Clock
from appliance.database.reader import Reader
from appliance.database.readers import Readers
from appliance.database.writer import Writer

ATTACHMENT: Final = {"content-disposition": 'attachment; filename="roster.zip"'}


@post("/api/v1/people/import/preview", status_code=200, request_max_body_size=UPLOAD_BYTES_MAX)
async def preview_import(
    data: JSONBody[RosterUpload],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    clock: NamedDependency[Clock],
) -> ImportReport:
    """Say what an import would change."""
    roster = await asyncio.to_thread(read_upload, data)
    return await readers.read(foresee_import, actor, roster, data.class_group_id, now_ms=clock())


@post("/api/v1/people/import", status_code=200, request_max_body_size=UPLOAD_BYTES_MAX)
async def create_import(
    data: JSONBody[RosterUpload],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> ImportReport:
    """Import, all or nothing. The same register again changes nothing."""
    roster = await asyncio.to_thread(read_upload, data)
    return await writer.write(
        import_roster,
        actor,
        roster,
        data.class_group_id,
        skip_problems=data.skip_problems,
        now_ms=clock(),
    )


@get("/api/v1/people/export")
async def export_people(
    actor: NamedDependency[Actor], readers: NamedDependency[Readers]
) -> Response[bytes]:
    """Everybody as OneRoster 1.1 CSV files in a zip."""
    packed = await readers.report(_packed, actor)
    return Response(packed, media_type="application/zip", headers=ATTACHMENT)


def _packed(db: Reader, actor: Actor) -> bytes:
    known = school(db)
    assert known is not None
    return oneroster_zip(known, known_school(db, actor.school_id))


ROUTES: Final = (preview_import, create_import, export_people)
