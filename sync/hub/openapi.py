"""The hub's interface, described for machines and for people; nothing is loaded from elsewhere."""

from typing import Any, Final

from litestar import Request, Response, get
from litestar.response import Template
from msgspec import Struct

VERBS: Final = ("get", "put", "post", "patch", "delete")


class Operation(Struct, frozen=True):
    """One address and verb, in a line."""

    verb: str
    path: str
    words: str


@get("/api/openapi.json", sync_to_thread=False, include_in_schema=False)
def openapi_json(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Return OpenAPI 3.1."""
    return Response(request.app.openapi_schema.to_schema())


@get("/api/docs", sync_to_thread=False, include_in_schema=False)
def openapi_page(request: Request[Any, Any, Any]) -> Template:
    """Show every address in one list."""
    schema = request.app.openapi_schema.to_schema()
    return Template("hub/templates/docs.html", context={"operations": operations(schema)})


def operations(schema: dict[str, Any]) -> list[Operation]:
    """Read the JSON addresses out of a schema; pages are for eyes, not for programs."""
    return [
        Operation(verb.upper(), path, methods[verb].get("description", ""))
        for path, methods in sorted(schema["paths"].items())
        if path.startswith(("/api/", "/sync/"))
        for verb in VERBS
        if verb in methods
    ]


ROUTES: Final = (openapi_json, openapi_page)
