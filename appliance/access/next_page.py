"""Where a person goes after signing in, and how one is sent to sign in."""

from typing import Any, Final
from urllib.parse import quote, urlsplit

from litestar import Request, Response
from litestar.response import Redirect

from appliance.errors import SignInNeeded
from appliance.problems import answer_darasa_error, wants_page

START: Final = "/"
SIGN_IN: Final = "/sign-in"


def own_path(wanted: str | None) -> str:
    r"""Return `wanted` if it is a path of this box, else the start page.

    Browsers read `//host` and `/\\host` as another site.
    """
    if not wanted or not wanted.startswith("/") or wanted.startswith(("//", "/\\")):
        return START
    return wanted


def sign_in_path(next_path: str) -> str:
    """Return the sign-in page that leads to `next_path`."""
    return SIGN_IN if next_path == START else f"{SIGN_IN}?next={quote(next_path)}"


def answer_sign_in_needed(request: Request[Any, Any, Any], error: SignInNeeded) -> Response[Any]:
    """Send a page's reader to sign in and back; tell a script that it must."""
    is_script = request.headers.get("hx-request") == "true"
    if is_script or not wants_page(request):
        return answer_darasa_error(request, error)
    here = request.url.path
    if request.method == "GET":
        here += f"?{request.url.query}" if request.url.query else ""
    else:
        here = urlsplit(request.headers.get("referer", "")).path
    return Redirect(sign_in_path(own_path(here)), status_code=303)
