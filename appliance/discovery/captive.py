"""What a phone asks as soon as it has joined, to learn whether there is an internet behind.

On the box's own radio its name server sends those questions here (dnsmasq-shared.d). The answer
is the way to the school's page: Android, iOS and Windows then offer it, and stay joined. Nobody
else's name is answered for, and a phone behind another access point never comes here.
"""

from typing import Final

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.response import Redirect
from litestar.status_codes import HTTP_302_FOUND
from msgspec import Struct

HTTP_PORT: Final = 80
QUESTIONS: Final = (
    "/generate_204",  # Android, ChromeOS
    "/gen_204",
    "/hotspot-detect.html",  # iOS, macOS
    "/library/test/success.html",
    "/connecttest.txt",  # Windows 10 and later
    "/ncsi.txt",  # before
    "/redirect",  # the page Windows opens
    "/canonical.html",  # Firefox
    "/success.txt",
    "/check_network_status.txt",  # Linux desktops
)
MEDIA_TYPE: Final = "application/captive+json"
KEPT_NOWHERE: Final = {"cache-control": "no-store"}


class Portal(Struct, frozen=True, rename="kebab"):
    """RFC 8908. Every phone stays captive: there is no internet to let it into."""

    user_portal_url: str
    captive: bool = True


@get(list(QUESTIONS), include_in_schema=False, sync_to_thread=False)
def answer_question(request: Request[None, None, State]) -> Redirect:
    """Send whoever asks to the school's page."""
    return Redirect(own_page(request), status_code=HTTP_302_FOUND, headers=KEPT_NOWHERE)


@get("/captive-portal", include_in_schema=False, sync_to_thread=False)
def get_portal(request: Request[None, None, State]) -> Response[Portal]:
    """Answer at the address that DHCP gives out (option 114, RFC 8910)."""
    return Response(Portal(own_page(request)), media_type=MEDIA_TYPE, headers=KEPT_NOWHERE)


def own_page(request: Request[None, None, State]) -> str:
    """The page at the number the phone has reached: the name it asked for is somebody else's."""
    host, port = request.scope["server"] or ("localhost", HTTP_PORT)
    return f"http://{host}/" if port in (HTTP_PORT, None) else f"http://{host}:{port}/"


ROUTES: Final = (answer_question, get_portal)
