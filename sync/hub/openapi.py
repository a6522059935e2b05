"""The hub's interface, described for machines and for people; nothing is loaded from elsewhere."""

from typing import Any, Final

from litestar import Request, Response, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from msgspec import Struct

DOCS: Final = "/api/docs"
VERBS: Final = ("get", "put", "post", "patch", "delete")


class Operation(Struct, frozen=True):
    """One address and verb, in a line."""

    verb: str
    path: str
    words: str


class ListPage(OpenAPIRenderPlugin):
    """Shows every address in one list, in our own look; the framework's pages load scripts."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the page."""
        engine = request.app.template_engine
        assert engine is not None
        template = engine.get_template("hub/templates/docs.html")
        found = operations(openapi_schema)
        page: str = template.render(request=request, operations=found)
        return page.encode()


@get("/api/openapi.json", sync_to_thread=False, include_in_schema=False)
def openapi_json(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Return OpenAPI 3.1."""
    return Response(request.app.openapi_schema.to_schema())


def openapi_config(version: str) -> OpenAPIConfig:
    """Describe the hub."""
    return OpenAPIConfig(
        title="Darasa hub",
        version=version,
        path=DOCS,
        render_plugins=[ListPage()],
        use_handler_docstrings=True,
    )


def operations(schema: dict[str, Any]) -> list[Operation]:
    """Read the JSON addresses out of a schema; pages are for eyes, not for programs."""
    return [
        Operation(verb.upper(), path, methods[verb].get("description", ""))
        for path, methods in sorted(schema["paths"].items())
        if path.startswith(("/api/", "/sync/"))
        for verb in VERBS
        if verb in methods
    ]


ROUTES: Final = (openapi_json,)
