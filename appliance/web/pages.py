"""The page that shows every component, so that the next page looks like the last one."""

from typing import Final

from litestar import get
from litestar.response import Template

# An afternoon in June 2025: the page is compared with pictures of itself, so it stands still.
SAMPLE_AT_MS: Final = 1_748_952_300_000


@get("/design", sync_to_thread=False)
def design_page() -> Template:
    """Show colours, type and every component."""
    return Template("web/templates/design.html", context={"sample_at_ms": SAMPLE_AT_MS})


ROUTES: Final = (design_page,)
