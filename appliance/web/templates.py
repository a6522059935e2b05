"""One Jinja environment: the base layout and components here, each feature's pages beside it.

Names are paths below `appliance/`, such as `web/templates/base.html`. The hub adds its
own root and extends the same base. An unknown variable is an error, never an empty page.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template.config import TemplateConfig

from appliance.web.moments import clock_time, day, iso_moment, moment
from appliance.web.static import static_url

APPLIANCE: Final = Path(__file__).parents[1]


def template_config(extra_roots: Sequence[Path] = ()) -> TemplateConfig[JinjaTemplateEngine]:
    """Give Litestar the templates of the box, and of `extra_roots` after them."""
    engine = JinjaTemplateEngine.from_environment(environment(extra_roots))
    return TemplateConfig(instance=engine)


def environment(extra_roots: Sequence[Path] = ()) -> Environment:
    """Build the environment: everything escaped, nothing undefined."""
    built = Environment(
        loader=FileSystemLoader([APPLIANCE, *extra_roots]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    built.globals["static"] = static_url
    built.filters |= {
        "moment": moment,
        "iso_moment": iso_moment,
        "day": day,
        "clock_time": clock_time,
        "points": points,
    }
    return built


def points(points_mp: int) -> str:
    """Milli-points as people write them: 7500 is 7.5, 8000 is 8."""
    return f"{points_mp / 1000:.3f}".rstrip("0").rstrip(".")
