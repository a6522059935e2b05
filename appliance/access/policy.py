"""Who may use which address: the whole box on one page.

Every route of the app stands here, and nothing else does; the app refuses to start
otherwise. This table is about roles. Whether a class, a piece of work or a task is this
person's own is asked of the database, and what is not answers 404.
"""

from typing import Final

from litestar import Litestar
from litestar.handlers.base import BaseRouteHandler
from litestar.handlers.http_handlers import HTTPRouteHandler

from appliance.access.models import Who
from appliance.access.sessions import Connection, visitor_of
from appliance.errors import Forbidden, SignInNeeded

ANYBODY: Final[frozenset[Who]] = frozenset({"anonymous", "learner", "teacher", "school_admin"})
SIGNED_IN: Final[frozenset[Who]] = frozenset({"learner", "teacher", "school_admin"})
LEARNER: Final[frozenset[Who]] = frozenset({"learner"})
TEACHER: Final[frozenset[Who]] = frozenset({"teacher"})
LEARNER_OR_TEACHER: Final[frozenset[Who]] = frozenset({"learner", "teacher"})
STAFF: Final[frozenset[Who]] = frozenset({"teacher", "school_admin"})
KEEPER: Final[frozenset[Who]] = frozenset({"school_admin"})

POLICY: Final[dict[str, frozenset[Who]]] = {
    # access
    "POST /api/v1/sessions": ANYBODY,
    "DELETE /api/v1/sessions/current": ANYBODY,
    "GET /api/v1/me": SIGNED_IN,
    "GET /sign-in/staff": ANYBODY,
    "POST /sign-in/staff": ANYBODY,
    "POST /sign-out": ANYBODY,
    # accounts
    "GET /": ANYBODY,
    "GET /claim": ANYBODY,
    "POST /claim": ANYBODY,
    "POST /claim/replacement": ANYBODY,
    "POST /claim/take-over": ANYBODY,
    "GET /api/v1/claim": ANYBODY,
    "POST /api/v1/claim": ANYBODY,
    "POST /api/v1/claim/replacement": ANYBODY,
    "POST /api/v1/claim/take-over": ANYBODY,
    # classes
    "GET /sign-in": ANYBODY,
    "GET /sign-in/classes/{class_group_id}": ANYBODY,
    "GET /sign-in/people/{person_id}": ANYBODY,
    "POST /sign-in/people/{person_id}": ANYBODY,
    "GET /api/v1/sign-in/classes": ANYBODY,
    "GET /api/v1/sign-in/classes/{class_group_id}/people": ANYBODY,
    "GET /api/v1/classes": STAFF,
    "POST /api/v1/classes": STAFF,
    "GET /api/v1/classes/{class_group_id}": STAFF,
    "POST /api/v1/classes/{class_group_id}/members": STAFF,
    "DELETE /api/v1/classes/{class_group_id}/members/{person_id}": STAFF,
    "POST /api/v1/classes/{class_group_id}/teachers": STAFF,
    "POST /api/v1/classes/{class_group_id}/pins": STAFF,
    "GET /teach/people": STAFF,
    "POST /teach/people": KEEPER,
    "POST /teach/people/{person_id}/pin": STAFF,
    "GET /teach/people/{person_id}/password": KEEPER,
    "POST /teach/people/{person_id}/password": KEEPER,
    "GET /teach/people/import": STAFF,
    "POST /teach/people/import": STAFF,
    "POST /teach/people/import/confirm": STAFF,
    "GET /teach/classes": STAFF,
    "GET /teach/classes/new": STAFF,
    "POST /teach/classes": STAFF,
    "GET /teach/classes/{class_group_id}": STAFF,
    "POST /teach/classes/{class_group_id}/members/{person_id}/remove": STAFF,
    "POST /teach/classes/{class_group_id}/teachers": STAFF,
    "GET /teach/classes/{class_group_id}/cards": STAFF,
    "POST /teach/classes/{class_group_id}/cards": STAFF,
    "GET /api/v1/people": STAFF,
    "POST /api/v1/people": STAFF,
    "PUT /api/v1/people/{person_id}/password": KEEPER,
    "POST /api/v1/people/import/preview": STAFF,
    "POST /api/v1/people/import": STAFF,
    "GET /api/v1/people/export": KEEPER,
    "POST /api/v1/people/{person_id}/pin": STAFF,
    # web
    "GET /api/openapi.json": ANYBODY,
    "GET /api/docs": ANYBODY,
    "GET /api/docs/openapi.json": ANYBODY,
    "GET /api/docs/{path}": ANYBODY,  # the framework's "no such page"
    "GET /static/{path}": ANYBODY,
    "GET /design": ANYBODY,
    # courses
    "POST /api/v1/courses/import": TEACHER,
    "GET /api/v1/courses": TEACHER,
    "GET /api/v1/courses/{course_id}": TEACHER,
    "GET /teach/courses": TEACHER,
    "GET /teach/courses/import": TEACHER,
    "POST /teach/courses/import": TEACHER,
    "POST /teach/courses/import/confirm": TEACHER,
    # enrolments
    "POST /api/v1/course-runs": TEACHER,
    "GET /api/v1/course-runs": LEARNER_OR_TEACHER,
    "GET /teach/courses/{course_id}": TEACHER,
    "POST /teach/classes/{class_group_id}/courses": TEACHER,
    # progress
    "POST /api/v1/progress-facts": LEARNER,
    "GET /api/v1/course-runs/{run_id}": LEARNER_OR_TEACHER,
    "GET /api/v1/course-runs/{run_id}/progress": TEACHER,
    "GET /api/v1/lessons/{lesson_id}": LEARNER_OR_TEACHER,
    "GET /learn/runs/{run_id}": LEARNER_OR_TEACHER,
    "GET /learn/lessons/{lesson_id}": LEARNER_OR_TEACHER,
    "GET /teach/runs/{run_id}": TEACHER,
    # assignments
    "POST /api/v1/assessments": TEACHER,
    "GET /api/v1/assessments/{assessment_id}": LEARNER_OR_TEACHER,
    "PATCH /api/v1/assessments/{assessment_id}": TEACHER,
    "GET /teach/runs/{run_id}/tasks/new": TEACHER,
    "POST /teach/runs/{run_id}/tasks/new": TEACHER,
    "GET /teach/tasks/{assessment_id}/edit": TEACHER,
    "POST /teach/tasks/{assessment_id}/edit": TEACHER,
    # submissions
    "PUT /api/v1/drafts/{revision_id}": LEARNER,
    "GET /api/v1/assessments/{assessment_id}/draft": LEARNER,
    "PUT /api/v1/submission-revisions/{revision_id}": LEARNER,
    "GET /api/v1/submission-revisions/{revision_id}": LEARNER,
    "GET /api/v1/my/hand-ins": LEARNER,
    "GET /api/v1/my/hand-ins/{submission_id}": LEARNER,
    "GET /learn/tasks/{assessment_id}": LEARNER,
    "POST /learn/tasks/{assessment_id}": LEARNER,
    "GET /learn/hand-ins": LEARNER,
    "GET /learn/hand-ins/{submission_id}": LEARNER,
    # attachments
    "PUT /api/v1/submission-revisions/{revision_id}/files/{attachment_id}": LEARNER,
    "GET /api/v1/submissions/{submission_id}/files": LEARNER_OR_TEACHER,
    "GET /api/v1/attachments/{attachment_id}": LEARNER_OR_TEACHER,
    "GET /learn/hand-ins/{submission_id}/files": LEARNER,
    "POST /learn/hand-ins/{submission_id}/files": LEARNER,
    # grading
    "GET /api/v1/assessments/{assessment_id}/board": TEACHER,
    "GET /api/v1/submissions/{submission_id}": TEACHER,
    "POST /api/v1/submissions/{submission_id}/grades": TEACHER,
    "POST /api/v1/submissions/{submission_id}/return": TEACHER,
    "GET /teach/tasks/{assessment_id}": TEACHER,
    "GET /teach/submissions/{submission_id}": TEACHER,
    "POST /teach/submissions/{submission_id}": TEACHER,
    "POST /teach/submissions/{submission_id}/return": TEACHER,
    # home
    "GET /api/v1/home/learner": LEARNER,
    "GET /api/v1/home/teacher": TEACHER,
    "GET /learn": LEARNER,
    "GET /teach": TEACHER,
    # telemetry
    "GET /health": ANYBODY,
    "GET /metrics": ANYBODY,
    # discovery
    "GET /captive-portal": ANYBODY,
    "GET /generate_204": ANYBODY,
    "GET /gen_204": ANYBODY,
    "GET /hotspot-detect.html": ANYBODY,
    "GET /library/test/success.html": ANYBODY,
    "GET /connecttest.txt": ANYBODY,
    "GET /ncsi.txt": ANYBODY,
    "GET /redirect": ANYBODY,
    "GET /canonical.html": ANYBODY,
    "GET /success.txt": ANYBODY,
    "GET /check_network_status.txt": ANYBODY,
    # health
    "GET /box": KEEPER,
    "GET /box/support-file": KEEPER,
    "GET /box/poster": STAFF,
    "GET /box/switch": KEEPER,
    "POST /box/switch": KEEPER,
    "GET /api/v1/box/health": KEEPER,
    "GET /clock": STAFF,
    "POST /clock": STAFF,
    "GET /api/v1/clock": STAFF,
    "PUT /api/v1/clock": STAFF,
    # backups
    "GET /api/v1/box/backups": KEEPER,
    "POST /api/v1/box/backups": KEEPER,
    "GET /box/backups": KEEPER,
    "POST /box/backups": KEEPER,
    "POST /box/backups/sticks": KEEPER,
    "POST /api/v1/box/backup-sticks": KEEPER,
    # orders
    "GET /api/v1/announcements": SIGNED_IN,
    "GET /api/v1/box/orders": KEEPER,
    "GET /api/v1/proposals": STAFF,
    "PUT /api/v1/proposals/{proposal_id}": STAFF,
    "GET /box/orders": KEEPER,
    "GET /teach/proposals": STAFF,
    "GET /teach/proposals/new": STAFF,
    "POST /teach/proposals": STAFF,
    # district
    "GET /api/v1/box/sync": KEEPER,
    "PUT /api/v1/box/hub-enrolment": KEEPER,
    "GET /box/district": KEEPER,
    "POST /box/district": KEEPER,
    "GET /box/district/versions": KEEPER,
    "GET /box/district/versions/{conflict_id}": KEEPER,
    "POST /box/district/versions/{conflict_id}/restore": KEEPER,
    "POST /box/district/versions/{conflict_id}/leave": KEEPER,
    "GET /api/v1/box/versions": KEEPER,
    "GET /api/v1/box/versions/{conflict_id}": KEEPER,
    "POST /api/v1/box/versions/{conflict_id}/restore": KEEPER,
    "POST /api/v1/box/versions/{conflict_id}/leave": KEEPER,
}

ROLE_WORDS: Final = {"learner": "pupils", "teacher": "teachers", "school_admin": "administrators"}


async def enforce_policy(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Litestar guard of the whole app. Raises SignInNeeded or Forbidden."""
    scope = connection.scope
    allowed = POLICY[f"{scope['method']} {scope['path_template']}"]  # type: ignore[typeddict-item]  # http only
    if "anonymous" in allowed:
        return
    visitor = visitor_of(connection)
    if visitor is None:
        raise SignInNeeded("nobody is signed in, or the session has ended")
    if visitor.roles.isdisjoint(allowed):
        who = " and ".join(ROLE_WORDS.get(role, role) for role in sorted(visitor.roles))
        raise Forbidden(f"this address is not for {who}")


def served(app: Litestar) -> set[str]:
    """Every method and address the app answers."""
    return {
        f"{method} {route.path_format}"
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        if isinstance(handler, HTTPRouteHandler)
        for method in handler.http_methods
        if method != "OPTIONS"  # Litestar answers it with the methods and nothing else
    }


def require_complete_policy(app: Litestar) -> None:
    """Refuse to start with a route nobody thought about, or a rule for a route that is gone."""
    routes = served(app)
    missing, stale = sorted(routes - POLICY.keys()), sorted(POLICY.keys() - routes)
    assert not missing, f"routes without a policy: {missing}"
    assert not stale, f"policies without a route: {stale}"
