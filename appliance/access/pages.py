"""Signing in as staff, and signing out."""

from typing import Any, Final

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Struct

from appliance.access.commands import close_session
from appliance.access.door import Door
from appliance.access.faults import WrongPassword
from appliance.access.hashing import token_hash
from appliance.access.models import Password, SignIn, SignInName
from appliance.access.next_page import own_path
from appliance.access.sessions import COOKIE, end_cookie, session_cookie
from appliance.database.writer import Writer
from appliance.errors import DarasaError, TooManyRequests


class StaffForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the form sends; `next` leads back to where the session had ended."""

    sign_in_name: SignInName
    password: Password
    next: str = "/"


@get("/sign-in/staff", sync_to_thread=False)
def staff_page(next: FromQuery[str] = "/") -> Template:  # noqa: A002 -- the name in the address
    """Show the form for teachers and administrators."""
    return _staff_page(own_path(next))


@post("/sign-in/staff", status_code=303)
async def sign_in_staff(
    data: URLEncodedBody[StaffForm], door: NamedDependency[Door]
) -> Redirect | Template:
    """Sign in, or say what was wrong beside the form."""
    try:
        opened = await door.sign_in(SignIn(sign_in_name=data.sign_in_name, password=data.password))
    except (WrongPassword, TooManyRequests) as error:
        return _staff_page(own_path(data.next), sign_in_name=data.sign_in_name, error=error)
    return Redirect(own_path(data.next), status_code=303, cookies=[session_cookie(opened.token)])


@post("/sign-out", status_code=303)
async def sign_out(request: Request[Any, Any, Any], writer: NamedDependency[Writer]) -> Redirect:
    """End the session and show the sign-in page to the next person."""
    token = request.cookies.get(COOKIE)
    if token is not None:
        await writer.write(close_session, token_hash(token))
    response = Redirect("/sign-in", status_code=303)
    end_cookie(response)
    return response


def _staff_page(
    next_path: str, *, sign_in_name: str = "", error: DarasaError | None = None
) -> Template:
    return Template(
        "access/templates/staff.html",
        context={"next": next_path, "sign_in_name": sign_in_name, "error": error},
        status_code=error.status if error else 200,
    )


ROUTES: Final = (staff_page, sign_in_staff, sign_out)
