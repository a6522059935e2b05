"""A folder of Markdown as it arrives: JSON, one zip file, or the files themselves."""

import base64
import binascii
import io
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.datastructures import UploadFile
from msgspec import Struct

from appliance.archives import BrokenArchive, read_zip
from appliance.courses.faults import EmptyCourse
from appliance.courses.folder import CONFIG, PAGES
from appliance.courses.models import SourceFolder
from appliance.errors import Invalid

UPLOAD_BYTES_MAX: Final = 16 << 20  # a course with its pictures; they are left out, not refused
FILES_MAX: Final = 5_000
UNPACKED_BYTES_MAX: Final = 64 << 20  # the whole zip stands in memory for a moment

_FOLDER: Final = msgspec.json.Decoder(SourceFolder)


class Upload(Struct, frozen=True):
    """Files by path, and what to call the folder when nothing in it says so."""

    files: dict[str, bytes]
    name: str


async def read_upload(request: Request[Any, Any, Any]) -> Upload:
    """Read the body by its content type. Raises Invalid, TooLarge."""
    if request.content_type[0] == "multipart/form-data":
        form = await request.form()
        uploads = [part for part in form.getall("files", []) if isinstance(part, UploadFile)]
        return await _from_form(uploads, name=str(form.get("name", "")))
    return _from_json(await request.body())


def pack(files: Mapping[str, bytes]) -> str:
    """Put what an import would read into one word, for the form that asks "is this right?"."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            name = PurePosixPath(path).name
            archive.writestr(path, data if _is_read(path) or name in CONFIG else b"")
    return base64.b64encode(buffer.getvalue()).decode()


def unpack(packed: str) -> dict[str, bytes]:
    """Undo `pack`; the word has been through a browser, so it is checked like any zip."""
    try:
        data = base64.b64decode(packed, validate=True)
    except binascii.Error as error:
        raise BrokenArchive("the form was cut off; upload the folder again") from error
    return _from_zip(data)


def _from_json(body: bytes) -> Upload:
    try:
        folder = _FOLDER.decode(body)
        return Upload({file.path: file.text.encode() for file in folder.files}, folder.name)
    except msgspec.ValidationError:
        raise  # it names the field, and every route answers it alike
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise Invalid(f"the request body is not JSON: {error}") from error


async def _from_form(uploads: list[UploadFile], *, name: str) -> Upload:
    if not uploads:
        raise EmptyCourse("no file was chosen")
    contents = {upload.filename: await upload.read() for upload in uploads}
    (first, data), *others = contents.items()
    if not others and (first.lower().endswith(".zip") or data.startswith(b"PK\x03\x04")):
        # A zip of loose files is called by its own name; one of a folder by the folder's.
        folder = PurePosixPath(first).stem
        return Upload({f"{folder}/{path}": data for path, data in _from_zip(data).items()}, name)
    return Upload(contents, name)


def _from_zip(data: bytes) -> dict[str, bytes]:
    return read_zip(data, files_max=FILES_MAX, bytes_max=UNPACKED_BYTES_MAX)


def _is_read(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in PAGES
