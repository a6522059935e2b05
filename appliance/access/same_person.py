"""Keeps one pupil's words from being sent in another pupil's name on a shared phone.

Two tabs of one browser share one session cookie. When the second pupil signs in, the
first pupil's tab, or what it left to be sent later, would arrive as the second pupil's
work. So scripts say whose words they carry, and a session of anybody else is no session.
"""

from typing import Final

from litestar.handlers.base import BaseRouteHandler

from appliance.access.faults import OtherPerson
from appliance.access.sessions import Connection, visitor_of

PERSON_HEADER: Final = "darasa-person"


async def require_same_person(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Litestar guard of the whole app. Raises OtherPerson.

    `async` although nothing is awaited: Litestar runs any other guard in a thread.
    """
    said = connection.headers.get(PERSON_HEADER)
    if said is None:
        return
    visitor = visitor_of(connection)
    if visitor is not None and str(visitor.person_id) != said:
        raise OtherPerson("the request carries somebody else's words")
