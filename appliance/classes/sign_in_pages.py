"""Three taps: the class, the name, the PIN."""

from typing import Final
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Struct

from appliance.access.door import Door
from appliance.access.faults import PinLocked, WrongPin
from appliance.access.models import Pin, SignIn
from appliance.access.next_page import own_path
from appliance.access.sessions import session_cookie
from appliance.accounts.queries import active_learner, school
from appliance.classes.queries import class_group, sign_in_classes, sign_in_names
from appliance.database.readers import Readers
from appliance.errors import DarasaError

Refused = (WrongPin, PinLocked)


class PinForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the PIN page sends."""

    pin: Pin
    next: str = "/"


@get("/sign-in", sync_to_thread=False)
def classes_page(
    readers: NamedDependency[Readers],
    next: FromQuery[str] = "/",  # noqa: A002 -- the name in the address
) -> Redirect | Template:
    """First tap: the class."""
    known = school(readers.here)
    if known is None:
        return Redirect("/claim", status_code=303)
    return Template(
        "classes/templates/sign_in_classes.html",
        context={
            "school": known,
            "classes": sign_in_classes(readers.here, known.id),
            "next": own_path(next),
        },
    )


@get("/sign-in/classes/{class_group_id:uuid}", sync_to_thread=False)
def names_page(
    class_group_id: FromPath[UUID],
    readers: NamedDependency[Readers],
    next: FromQuery[str] = "/",  # noqa: A002 -- the name in the address
) -> Template:
    """Second tap: the name."""
    return Template(
        "classes/templates/sign_in_names.html",
        context={
            "group": class_group(readers.here, class_group_id),
            "people": sign_in_names(readers.here, class_group_id),
            "next": own_path(next),
        },
    )


@get("/sign-in/people/{person_id:uuid}", sync_to_thread=False)
def pin_page(
    person_id: FromPath[UUID],
    readers: NamedDependency[Readers],
    next: FromQuery[str] = "/",  # noqa: A002 -- the name in the address
) -> Template:
    """Third: the PIN."""
    return _pin_page(readers, person_id, own_path(next))


@post("/sign-in/people/{person_id:uuid}", status_code=303)
async def sign_in_pupil(
    person_id: FromPath[UUID],
    data: URLEncodedBody[PinForm],
    door: NamedDependency[Door],
    readers: NamedDependency[Readers],
) -> Redirect | Template:
    """Sign in, or show the keys again with what was wrong."""
    try:
        opened = await door.sign_in(SignIn(person_id=person_id, pin=data.pin))
    except Refused as error:
        return _pin_page(readers, person_id, own_path(data.next), error=error)
    return Redirect(own_path(data.next), status_code=303, cookies=[session_cookie(opened.token)])


def _pin_page(
    readers: Readers, person_id: UUID, next_path: str, *, error: DarasaError | None = None
) -> Template:
    return Template(
        "classes/templates/sign_in_pin.html",
        context={
            "person": active_learner(readers.here, person_id),
            "next": next_path,
            "error": error,
            "is_locked": isinstance(error, PinLocked),
        },
        status_code=error.status if error else 200,
    )


ROUTES: Final = (classes_page, names_page, pin_page, sign_in_pupil)
