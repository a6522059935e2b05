"""`/health` for systemd and balancers, `/metrics` for Prometheus."""

from typing import Final, LiteralString

from litestar import MediaType, get
from litestar.di import NamedDependency
from msgspec import Struct

from sync.hub.database import Link, row, scoped
from sync.hub.identity import identity
from sync.hub.migrate import MIGRATIONS, migrations_in
from sync.hub.outlet.lag import feed_lag
from sync.hub.running import Hub

# As the district sees them; a hub without a district has no schools.
FIGURES: Final[LiteralString] = """
SELECT (SELECT count(*) FROM school AS s)                                      AS schools,
       (SELECT coalesce(sum(n.waiting), 0) FROM node AS n
         WHERE n.state = 'active')::bigint                                     AS waiting,
       (SELECT count(*) FROM sync_quarantine AS q
         WHERE q.resolved_at_ms IS NULL)                                       AS quarantined,
       (SELECT count(*) FROM sync_conflict AS c)                               AS conflicts,
       (SELECT coalesce(sum(y.log_no), 0) FROM school_sync AS y)::bigint       AS segments,
       pg_relation_size('sync_raw_default')                                    AS raw_astray_bytes
"""

WHAT: Final = {
    "schools": "Schools of the district.",
    "waiting": "Changes that wait on the boxes, as of their last hello.",
    "quarantined": "Rows put aside and not yet settled.",
    "conflicts": "Images kept beside a current one.",
    "segments": "Segments taken in.",
    "raw_astray_bytes": "Raw segments outside of every month; more than 0: look at the clock.",
}
WHAT_IS_BEHIND: Final = {
    "feed_behind_boxes": "Boxes that had not read all the district writes, as of their hellos.",
    "feed_behind_lines": "Lines the box furthest behind has not read.",
    "feed_behind_seconds": "Since when the oldest line waits for a box that has not read it.",
}
WHAT_HERE: Final = {
    "ingest_inside": "Segments being taken in or waiting for it.",
    "ingest_refused_total": "Segments sent away with Retry-After.",
}


class Health(Struct, frozen=True, kw_only=True):
    """A hub that answers this can read its database."""

    status: str
    version: str
    schema_version: int
    has_district: bool


class Figures(Struct, frozen=True):
    """What Prometheus is told about the district."""

    schools: int
    waiting: int
    quarantined: int
    conflicts: int
    segments: int
    raw_astray_bytes: int


@get("/health")
async def health(hub: NamedDependency[Hub]) -> Health:
    """Answer only after a read from the database."""
    async with scoped(hub.pools.web) as link:
        who = await identity(link)
    return Health(
        status="ok",
        version=hub.app_version,
        schema_version=len(migrations_in(MIGRATIONS)),
        has_district=who.district_id is not None,
    )


@get("/metrics", media_type=MediaType.TEXT)
async def metrics(hub: NamedDependency[Hub]) -> str:
    """Return the figures of this district in the Prometheus text format."""
    async with scoped(hub.pools.web) as link:
        district_id = (await identity(link)).district_id
    async with scoped(hub.pools.web, district_id=district_id) as link:
        found, lag = await _figures(link), await feed_lag(link)
    gauges = {name: getattr(found, name) for name in WHAT} | {
        "feed_behind_boxes": lag.boxes,
        "feed_behind_lines": lag.lines,
        "feed_behind_seconds": lag.oldest_s,
        "ingest_inside": hub.gate.inside,
    }
    lines = [line for name, value in gauges.items() for line in _metric(name, "gauge", value)]
    lines += _metric("ingest_refused_total", "counter", hub.gate.refused)
    return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, value: int) -> list[str]:
    full = f"darasa_hub_{name}"
    what = (WHAT | WHAT_IS_BEHIND | WHAT_HERE)[name]
    return [f"# HELP {full} {what}", f"# TYPE {full} {kind}", f"{full} {value}"]


async def _figures(link: Link) -> Figures:
    found = await row(link, Figures, FIGURES)
    assert found is not None
    return found


ROUTES: Final = (health, metrics)
