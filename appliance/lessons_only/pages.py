"""What a box serves whose database could not be repaired: lessons, and what to do.

Without signing in: a session would have to be written, and lessons are nobody's secret.
Everything else answers 503, so that phones keep what was written on them and try again.
"""

from typing import Any, Final
from uuid import UUID

from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.response import Template
from msgspec import Struct

from appliance.access.headers import set_headers
from appliance.courses.rendering import render
from appliance.errors import Busy, NotFound
from appliance.lessons_only.queries import Shelf
from appliance.problems import PROBLEM_HANDLERS, answer_darasa_error
from appliance.settings import Settings
from appliance.web import static as web_static
from appliance.web.templates import template_config

RETRY_AFTER_S: Final = 600


class OnlyLessons(Busy):
    """The database is damaged and could not be repaired; nothing can be kept now."""

    code = "only-lessons"
    title = "The school box can only show lessons now"
    hint = "What you wrote stays on this phone. Tell the person who looks after the school box."


class Reading(Struct, frozen=True):
    """What the watchdog and the drills are told."""

    status: str
    complaints: list[str]


@get("/", sync_to_thread=True)
def lesson_list(state: State) -> Template:
    """Name every lesson there is, under what has happened."""
    context = {"lessons": state.shelf.lessons(), "words": state.words}
    return Template("lessons_only/templates/list.html", context=context)


@get("/lessons/{lesson_id:uuid}", sync_to_thread=True)
def lesson_text(state: State, lesson_id: FromPath[UUID]) -> Template:
    """Show one lesson."""
    sections = state.shelf.sections(lesson_id)
    if not sections:
        raise NotFound(f"lesson {lesson_id}")
    shown = [(each.title, render(each.body)) for each in sections]
    return Template("lessons_only/templates/lesson.html", context={"sections": shown})


@get("/health", sync_to_thread=False)
def reading_health(state: State) -> Reading:
    """Say that this box serves, and that a person is needed."""
    return Reading("reading", list(state.words))


def create_reading_app(settings: Settings, words: list[str]) -> Litestar:
    """The small app; it holds no lock and writes nothing."""
    return Litestar(
        route_handlers=(lesson_list, lesson_text, reading_health, *web_static.ROUTES),
        state=State({"shelf": Shelf(settings), "words": words}),
        before_send=[set_headers],
        exception_handlers={**PROBLEM_HANDLERS, 404: _elsewhere, 405: _elsewhere},
        template_config=template_config(),
        openapi_config=None,
        logging_config=None,
    )


def _elsewhere(request: Request[Any, Any, Any], _error: Exception) -> Response[Any]:
    """Every other address is one of the whole box, which is not here now."""
    refusal = OnlyLessons(f"{request.url.path} needs the database", retry_after_s=RETRY_AFTER_S)
    return answer_darasa_error(request, refusal)
