"""The interface for programs: OpenAPI as JSON, and Swagger UI from our own files.

The framework's page for it loads scripts from elsewhere and carries one inside the page; a box
has no internet, and its content security policy allows neither.
"""

from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin

DOCS: Final = "/api/docs"
SCHEMA: Final = "openapi_json"
FOR_PROGRAMS: Final = ("/api/", "/health", "/metrics")  # the other addresses are pages


class SwaggerPage(OpenAPIRenderPlugin):
    """Shows every address, and lets one try it with the session one has."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the page; its script asks for the schema itself."""
        engine = request.app.template_engine
        assert engine is not None
        page: str = engine.get_template("web/templates/api_docs.html").render(
            title=openapi_schema["info"]["title"]
        )
        return page.encode()


# On a thread: making the schema takes 0.15 s, and pupils are waiting.
@get("/api/openapi.json", sync_to_thread=True, include_in_schema=False)
def openapi_json(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return OpenAPI 3.1, made at the first question."""
    state = request.app.state
    if SCHEMA not in state:
        schema = request.app.openapi_schema.to_schema()
        paths = schema["paths"].items()
        schema["paths"] = {path: item for path, item in paths if path.startswith(FOR_PROGRAMS)}
        state[SCHEMA] = msgspec.json.encode(schema)
    return Response(state[SCHEMA], media_type="application/vnd.oai.openapi+json")


def openapi_config(title: str, version: str) -> OpenAPIConfig:
    """Describe an app under that name."""
    return OpenAPIConfig(title=title, version=version, path=DOCS, render_plugins=[SwaggerPage()])


ROUTES: Final = (openapi_json,)
