"""The start page, and claiming the box."""

from typing import Final
from urllib.parse import quote

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.response import Redirect, Template

from appliance.access.door import Door
from appliance.access.models import Actor, SignIn
from appliance.access.sessions import session_cookie
from appliance.accounts.claiming import Claiming
from appliance.accounts.faults import AlreadyClaimed, SchoolOnItsWay, WrongClaimCode
from appliance.accounts.models import Claim, Replacement, Takeover
from appliance.accounts.queries import claim_progress, claim_state
from appliance.database.readers import Readers
from appliance.errors import DarasaError, TooManyRequests

CodeRefused = (WrongClaimCode, TooManyRequests, SchoolOnItsWay)


@get("/", sync_to_thread=False)
def start_page(
    readers: NamedDependency[Readers], visitor: NamedDependency[Actor | None]
) -> Redirect:
    """Send everybody to where their day begins."""
    if visitor is None:
        claimed = claim_state(readers.here) == "claimed"
        return Redirect("/sign-in" if claimed else "/claim", status_code=303)
    if visitor.is_learner:
        return Redirect("/learn", status_code=303)
    return Redirect("/teach" if visitor.is_teacher else "/box", status_code=303)


@get("/claim", sync_to_thread=False)
def claim_page(readers: NamedDependency[Readers]) -> Redirect | Template:
    """Show the form of the step this box is at."""
    progress = claim_progress(readers.here)
    if progress.state == "claimed":
        return Redirect("/", status_code=303)
    return _claim_page(readers)


@post("/claim", status_code=200)
async def claim_box(
    data: URLEncodedBody[Claim],
    claiming: NamedDependency[Claiming],
    door: NamedDependency[Door],
    readers: NamedDependency[Readers],
) -> Template:
    """Make the school, sign its first person in and show the recovery code, once."""
    try:
        claimed = await claiming.claim(data)
    except CodeRefused as error:
        return _claim_page(readers, error=error, filled=data)
    opened = await door.sign_in(SignIn(sign_in_name=data.sign_in_name, password=data.password))
    return Template(
        "accounts/templates/recovery.html",
        context={
            "recovery_code": claimed.recovery_code,
            "school_name": data.school_name,
            "next": "/",
            "actor": opened.actor,
        },
        cookies=[session_cookie(opened.token)],
    )


@post("/claim/replacement", status_code=200)
async def replace_box(
    data: URLEncodedBody[Replacement],
    claiming: NamedDependency[Claiming],
    readers: NamedDependency[Readers],
) -> Template:
    """Ask the district for a lost box's school and show this board's recovery code."""
    try:
        recovery_code = await claiming.replace(data)
    except CodeRefused as error:
        return _claim_page(readers, error=error)
    context = {"recovery_code": recovery_code, "school_name": None, "next": "/claim"}
    return Template("accounts/templates/recovery.html", context=context)


@post("/claim/take-over", status_code=303)
async def take_over_box(
    data: URLEncodedBody[Takeover],
    claiming: NamedDependency[Claiming],
    readers: NamedDependency[Readers],
) -> Redirect | Template:
    """Give an administrator of the school that came back a password here."""
    try:
        await claiming.take_over(data)
    except AlreadyClaimed:
        return Redirect("/sign-in/staff", status_code=303)
    except CodeRefused as error:
        return _claim_page(readers, error=error)
    return Redirect(f"/sign-in/staff?next={quote('/teach/people')}", status_code=303)


def _claim_page(
    readers: Readers, *, error: DarasaError | None = None, filled: Claim | None = None
) -> Template:
    return Template(
        "accounts/templates/claim.html",
        context={"progress": claim_progress(readers.here), "error": error, "filled": filled},
        status_code=error.status if error else 200,
    )


ROUTES: Final = (start_page, claim_page, claim_box, replace_box, take_over_box)
