"""Claiming the hub, and signing in and out, as pages."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Meta, Struct

from appliance.errors import DarasaError
from sync.hub.accounts.claiming import claim_district
from sync.hub.accounts.models import Claim, SignIn
from sync.hub.accounts.sessions import (
    COOKIE,
    WrongPassword,
    end_cookie,
    session_cookie,
    sign_in,
    sign_out,
)
from sync.hub.database import scoped
from sync.hub.faults import AlreadyClaimed, WrongClaimCode
from sync.hub.identity import identity
from sync.hub.running import Hub

Typed = Annotated[str, Meta(max_length=200)]
HOME: Final = "/"


class ClaimForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The form as typed."""

    code: Typed = ""
    district_name: Typed = ""
    admin_name: Typed = ""
    sign_in_name: Typed = ""
    password: Typed = ""


class SignInForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The form as typed, and where the person was going."""

    sign_in_name: Typed = ""
    password: Typed = ""
    next: Annotated[str, Meta(max_length=2_000)] = HOME


@get("/claim")
async def claim_page(hub: NamedDependency[Hub]) -> Template | Redirect:
    """Show the form until there is a district."""
    if await has_district(hub):
        return Redirect("/sign-in", status_code=303)
    return _claim_form(ClaimForm(), {})


@post("/claim", status_code=303)
async def claim_hub(
    data: URLEncodedBody[ClaimForm],
    hub: NamedDependency[Hub],
    request: Request[Any, Any, Any],
) -> Template | Redirect:
    """Make the district and sign its administrator in."""
    try:
        claim = msgspec.convert(msgspec.to_builtins(data), Claim)
        await claim_district(hub, claim)
    except AlreadyClaimed:
        return Redirect("/sign-in", status_code=303)
    except WrongClaimCode as wrong:
        return _claim_form(data, {"code": f"{wrong.title}. {wrong.hint}"})
    except msgspec.ValidationError as error:
        return _claim_form(data, _claim_errors(str(error)))
    secret = SignIn(sign_in_name=claim.sign_in_name, password=claim.password)
    return await _go_in(hub, secret, HOME, request)


@get("/sign-in")
async def sign_in_page(
    hub: NamedDependency[Hub],
    destination: Annotated[str, QueryParameter(name="next", max_length=2_000)] = HOME,
) -> Template | Redirect:
    """Show the form; a hub without a district is claimed first."""
    if not await has_district(hub):
        return Redirect("/claim", status_code=303)
    return _sign_in_form(SignInForm(next=destination), None)


@post("/sign-in", status_code=303)
async def sign_in_from_page(
    data: URLEncodedBody[SignInForm],
    hub: NamedDependency[Hub],
    request: Request[Any, Any, Any],
) -> Template | Redirect:
    """Sign in and go on to where the person was going."""
    try:
        secret = SignIn(sign_in_name=data.sign_in_name, password=data.password)
        return await _go_in(hub, secret, data.next, request)
    except WrongPassword as wrong:
        return _sign_in_form(data, wrong)


@post("/sign-out", status_code=303)
async def sign_out_from_page(
    hub: NamedDependency[Hub], request: Request[Any, Any, Any]
) -> Redirect:
    """End the session."""
    token = request.cookies.get(COOKIE)
    if token is not None:
        await sign_out(hub, token)
    response = Redirect("/sign-in", status_code=303)
    end_cookie(response)
    return response


ROUTES: Final = (claim_page, claim_hub, sign_in_page, sign_in_from_page, sign_out_from_page)


async def has_district(hub: Hub) -> bool:
    """Whether the hub was claimed."""
    async with scoped(hub.pools.web) as link:
        return (await identity(link)).district_id is not None


def own_path(wanted: str) -> str:
    """Never send a person to another site after signing in."""
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if is_own else HOME


async def _go_in(
    hub: Hub, secret: SignIn, destination: str, request: Request[Any, Any, Any]
) -> Redirect:
    token = await sign_in(hub, secret)
    cookie = session_cookie(token, is_https=request.url.scheme == "https")
    return Redirect(own_path(destination), status_code=303, cookies=[cookie])


def _claim_form(typed: ClaimForm, errors: dict[str, str]) -> Template:
    context = {"typed": typed, "errors": errors}
    status = 422 if errors else 200
    return Template("hub/accounts/templates/claim.html", context=context, status_code=status)


def _sign_in_form(typed: SignInForm, wrong: DarasaError | None) -> Template:
    context = {"typed": typed, "wrong": wrong}
    status = 200 if wrong is None else wrong.status
    return Template("hub/accounts/templates/sign_in.html", context=context, status_code=status)


CLAIM_ERRORS: Final = {
    "code": "Type the code from the hub's console.",
    "district_name": "Write the district's name.",
    "admin_name": "Write your name.",
    "sign_in_name": "Choose a short name without spaces.",
    "password": "At least ten characters.",
}


def _claim_errors(text: str) -> dict[str, str]:
    """Say it beside the field; msgspec names the field at the end."""
    return {name: words for name, words in CLAIM_ERRORS.items() if f"$.{name}`" in text}
