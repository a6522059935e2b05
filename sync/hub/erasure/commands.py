"""Forgetting a person: the list first, then every row, then the boxes by the list.

It cannot be undone. The line in the file is on the disk before anything is deleted, so that
a cut in between, or a database of yesterday, only means that it is done again.
"""

from collections.abc import Mapping
from typing import Final, LiteralString
from uuid import UUID

from appliance.errors import Invalid
from sync.hub.blobs.keeping import forget_unnamed
from sync.hub.database import Link, rows, scoped
from sync.hub.erasure.listing import Erased, add_to_list, read_list
from sync.hub.erasure.models import ErasureWish, PersonFound
from sync.hub.outlet.authoring import put_row, take_ownership
from sync.hub.running import Hub

NAMELESS: Final = "-"

NOTE_REQUEST: Final[LiteralString] = """
INSERT INTO erasure_request (school_id, id, reason, by_person_id, at_ms)
VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (school_id, id) DO NOTHING
"""

IS_LISTED: Final[LiteralString] = """
SELECT EXISTS (SELECT 1 FROM erasure AS e WHERE e.school_id = $1 AND e.id = $2)
"""

# Somebody others' rows name: a teacher, or whoever gave a mark. Theirs is a row without a name.
IS_NAMED: Final[LiteralString] = """
SELECT EXISTS (SELECT 1 FROM person AS p WHERE p.school_id = $1 AND p.id = $2)
   AND (EXISTS (SELECT 1
                  FROM role_assignment AS r
                 WHERE r.school_id = $1
                   AND r.person_id = $2
                   AND r.role     <> 'learner')
        OR EXISTS (SELECT 1
                     FROM grade AS g
                    WHERE g.school_id    = $1
                      AND g.by_person_id = $2))
"""

ERASE: Final[LiteralString] = "SELECT erase_person($1)"
FORGET_RAWS: Final[LiteralString] = "SELECT forget_raws()"

SCHOOLS: Final[LiteralString] = """
SELECT s.school_id
  FROM school AS s
 WHERE s.district_id = $1
"""

LISTED: Final[LiteralString] = """
SELECT e.school_id, e.id AS person_id, e.at_ms,
       coalesce(q.by_person_id, e.school_id) AS by_person_id, coalesce(q.reason, '') AS reason
  FROM erasure AS e
  LEFT JOIN erasure_request AS q
    ON q.school_id = e.school_id
   AND q.id        = e.id
"""


def require_same_name(person: PersonFound, typed: str) -> None:
    """Raise Invalid unless the name was typed as it stands there."""
    if typed.strip().casefold() != person.name.strip().casefold():
        raise Invalid("the name that was typed is not this person's")


async def erase(
    hub: Hub, link: Link, school_id: UUID, by_person_id: UUID, wish: ErasureWish
) -> None:
    """Forget somebody of this school for good. `link` may write into it."""
    erased = Erased(
        school_id=school_id,
        person_id=wish.person_id,
        at_ms=hub.clock(),
        by_person_id=by_person_id,
        reason=wish.reason.strip(),
    )
    add_to_list(hub.settings.erased_file, erased)
    await purge(hub, link, erased, now_ms=erased.at_ms)


async def purge(hub: Hub, link: Link, erased: Erased, *, now_ms: int) -> int:
    """Put somebody on the school's list, delete every row and file; return how many rows.

    Repeatable.
    """
    school_id, person_id = erased.school_id, erased.person_id
    if not await link.fetchval(IS_LISTED, school_id, person_id):
        values: Mapping[str, UUID | int] = {
            "id": person_id,
            "org_id": school_id,
            "at_ms": erased.at_ms,
        }
        await put_row(link, school_id, "erasure", values, now_ms=now_ms)
    await link.execute(
        NOTE_REQUEST, school_id, person_id, erased.reason, erased.by_person_id, erased.at_ms
    )
    if await link.fetchval(IS_NAMED, school_id, person_id):
        await _take_name(link, school_id, person_id, now_ms=now_ms)
    removed: int = await link.fetchval(ERASE, person_id)
    await link.fetchval(FORGET_RAWS)
    await forget_unnamed(hub, link, school_id)
    return removed


async def _take_name(link: Link, school_id: UUID, person_id: UUID, *, now_ms: int) -> None:
    await take_ownership(link, school_id, "person", person_id, now_ms=now_ms)
    nobody: Mapping[str, UUID | str | None] = {
        "id": person_id,
        "display_name": NAMELESS,
        "given_name": None,
        "family_name": None,
        "grade_level": None,
        "student_no": None,
        "source_id": None,
        "state": "erased",
    }
    await put_row(link, school_id, "person", nobody, now_ms=now_ms)


async def erase_again(hub: Hub, district_id: UUID) -> int:
    """After a restore, forget whom the database brought back; return how many people.

    Also adds to the file whom only the database knows: another process may have written it.
    """
    known = {(each.school_id, each.person_id): each for each in read_list(hub.settings.erased_file)}
    async with scoped(hub.pools.web, district_id=district_id) as link:
        schools = {found["school_id"] for found in await link.fetch(SCHOOLS, district_id)}
        listed = await rows(link, Erased, LISTED)
    there = {(each.school_id, each.person_id): each for each in listed}
    for key in there.keys() - known.keys():
        add_to_list(hub.settings.erased_file, there[key])
    back = [each for key, each in known.items() if key not in there and key[0] in schools]
    for each in back:
        async with scoped(hub.pools.web, school_id=each.school_id, district_id=district_id) as link:
            await purge(hub, link, each, now_ms=hub.clock())
    return len(back)
