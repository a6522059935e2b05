"""Every failure as `application/problem+json`, or the same words as a page.

One shape for the box and the hub, 500 included: a browser that asks for HTML gets
the template `problem.html` with the very same Problem, everybody else the JSON.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any, Final

from litestar import Request, Response
from litestar.enums import MediaType
from litestar.exceptions import HTTPException
from litestar.response import Template
from litestar.types import ExceptionHandlersMap
from msgspec import Struct, ValidationError

from appliance.errors import (
    Busy,
    Conflict,
    DarasaError,
    FieldError,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
    RuleViolation,
    SignInNeeded,
    TooLarge,
    TooManyRequests,
)

logger = logging.getLogger(__name__)

PROBLEM_JSON: Final = "application/problem+json"
PROBLEM_TEMPLATE: Final = "web/templates/problem.html"
TYPE_PREFIX: Final = "urn:darasa:problem:"

# The words for errors that the framework raises before any of our code runs.
WORDS_BY_STATUS: Final[Mapping[int, type[DarasaError]]] = {
    words.status: words
    for words in (
        Invalid,
        SignInNeeded,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        Conflict,
        TooLarge,
        RuleViolation,
        TooManyRequests,
        Busy,
    )
}

# msgspec says where: "Expected `int`, got `str` - at `$.answers[2].points_mp`".
WHERE: Final = re.compile(
    r"^(?P<message>.*?)(?: - at `(?:key in )?\$\.?(?P<field>.*)`)?$", re.DOTALL
)
UNKNOWN_FIELD: Final = re.compile(r"unknown field `(?P<name>.+?)`")
MISSING_FIELD: Final = re.compile(r"missing required field `(?P<name>.+?)`")


class Problem(Struct, frozen=True, kw_only=True):
    """RFC 9457, with our stable `code`, a `hint` and the fields at fault."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    errors: list[FieldError] = []


def problem_of(error: DarasaError) -> Problem:
    """Say `error` in the common shape."""
    return _problem(
        error, status=error.status, detail=error.detail, errors=getattr(error, "errors", [])
    )


def field_error(text: str) -> FieldError:
    """Split a msgspec message into the path of the field and what is wrong with it."""
    match = WHERE.match(text)
    assert match is not None, text
    return _located(match["field"] or "", match["message"])


def answer_darasa_error(request: Request[Any, Any, Any], error: DarasaError) -> Response[Any]:
    """Answer with the error's own words."""
    headers = {}
    if isinstance(error, Busy | TooManyRequests):
        headers["retry-after"] = str(error.retry_after_s)
    return _answer(request, problem_of(error), headers)


def answer_validation_error(
    request: Request[Any, Any, Any], error: ValidationError
) -> Response[Any]:
    """Answer a body that one of our own decoders refused."""
    refused = Invalid("the request body was refused", [field_error(str(error))])
    return answer_darasa_error(request, refused)


def answer_broken_text(
    request: Request[Any, Any, Any], _error: UnicodeDecodeError
) -> Response[Any]:
    """Answer a body that is not UTF-8; the framework lets its decoder's error through."""
    return answer_darasa_error(request, Invalid("the request body is not UTF-8"))


def answer_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Answer what the framework refused: no such route, wrong method, bad parameter."""
    if error.status_code >= 500:
        logger.error("request failed path=%s", request.url.path, exc_info=error)
    fallback = DarasaError if error.status_code >= 500 else Invalid
    problem = _problem(
        WORDS_BY_STATUS.get(error.status_code, fallback),
        status=error.status_code,
        detail=error.detail,
        errors=_framework_errors(error),
    )
    return _answer(request, problem, error.headers or {})


def answer_bug(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer our own bug without telling its details; the log has them."""
    logger.error("unhandled error path=%s", request.url.path, exc_info=error)
    problem = _problem(DarasaError, status=500, detail="The request could not be finished.")
    return _answer(request, problem, {})


PROBLEM_HANDLERS: Final[ExceptionHandlersMap] = {
    DarasaError: answer_darasa_error,
    ValidationError: answer_validation_error,
    UnicodeDecodeError: answer_broken_text,
    HTTPException: answer_http_exception,
    Exception: answer_bug,
}


def _problem(
    words: DarasaError | type[DarasaError],
    *,
    status: int,
    detail: str,
    errors: list[FieldError] | None = None,
) -> Problem:
    return Problem(
        type=TYPE_PREFIX + words.code,
        title=words.title,
        status=status,
        detail=detail,
        code=words.code,
        hint=words.hint,
        errors=errors or [],
    )


def _located(path: str, message: str) -> FieldError:
    """Name the field itself where the message does and the path stops at its parent."""
    named = UNKNOWN_FIELD.search(message) or MISSING_FIELD.search(message)
    parts = [path if path != "data" else "", named["name"] if named else ""]
    return FieldError(field=".".join(filter(None, parts)), message=message)


def _framework_errors(error: HTTPException) -> list[FieldError]:
    if not isinstance(error.extra, list):
        named = field_error(error.detail)
        return [named] if named.field else []
    return [_located(str(item.get("key", "")), str(item["message"])) for item in error.extra]


def _answer(
    request: Request[Any, Any, Any], problem: Problem, headers: Mapping[str, str]
) -> Response[Any]:
    if wants_page(request):
        return Template(
            template_name=PROBLEM_TEMPLATE,
            context={"problem": problem},
            status_code=problem.status,
            headers=dict(headers),
            media_type=MediaType.HTML,
        )
    return Response(
        problem, status_code=problem.status, headers=dict(headers), media_type=PROBLEM_JSON
    )


def wants_page(request: Request[Any, Any, Any]) -> bool:
    """Tell a person in front of a browser from scripts, `/api` and `/sync`."""
    if request.url.path.startswith(("/api/", "/sync/")) or request.app.template_engine is None:
        return False
    if request.headers.get("hx-request") == "true":  # htmx accepts */* and swaps HTML in
        return True
    return request.accept.best_match(["application/json", PROBLEM_JSON, "text/html"]) == "text/html"
