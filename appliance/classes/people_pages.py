"""The list of people, staff and their passwords, and a new PIN in two taps."""

from typing import Final
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Struct

from appliance.access.hashing import password_hash
from appliance.access.models import Actor, NewPassword, SignInName
from appliance.access.passwords import PasswordHasher
from appliance.accounts.faults import NameTaken
from appliance.accounts.keyring import Keyring
from appliance.accounts.models import Name, NewPerson, StaffRole
from appliance.accounts.queries import active_person
from appliance.classes.commands import add_staff, give_staff_password
from appliance.classes.models import PasswordGift
from appliance.classes.pins import pin_for_pupil
from appliance.classes.queries import people_looked_after
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer


class StaffForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new colleague."""

    display_name: Name
    role: StaffRole
    sign_in_name: SignInName
    password: NewPassword


@get("/teach/people")
async def people_page(actor: NamedDependency[Actor], readers: NamedDependency[Readers]) -> Template:
    """List those this member of staff looks after."""
    return await _people_page(actor, readers)


@post("/teach/people", status_code=303)
async def add_colleague(
    data: URLEncodedBody[StaffForm],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    readers: NamedDependency[Readers],
    hasher: NamedDependency[PasswordHasher],
    clock: NamedDependency[Clock],
) -> Redirect | Template:
    """Add a colleague who signs in with a password."""
    wanted = NewPerson(
        display_name=data.display_name,
        roles=[data.role],
        sign_in_name=data.sign_in_name,
        password=data.password,
    )
    secret_hash = await hasher.run(password_hash, data.password)
    try:
        await writer.write(add_staff, actor, wanted, secret_hash, now_ms=clock())
    except NameTaken as taken:
        return await _people_page(actor, readers, taken=taken, filled=data)
    return Redirect("/teach/people", status_code=303)


@post("/teach/people/{person_id:uuid}/pin", status_code=200)
async def new_pin_page(
    person_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    readers: NamedDependency[Readers],
    keyring: NamedDependency[Keyring],
) -> Template:
    """Second tap: give a new PIN and show it, once."""
    new = await pin_for_pupil(writer, readers, keyring, actor, person_id)
    context = {"pins": [new], "group": None}
    return Template("classes/templates/cards.html", context=context)


@get("/teach/people/{person_id:uuid}/password", sync_to_thread=False)
def password_page(person_id: FromPath[UUID], readers: NamedDependency[Readers]) -> Template:
    """Ask for a new password for a colleague."""
    return _password_page(readers, person_id)


@post("/teach/people/{person_id:uuid}/password", status_code=303)
async def give_password(
    person_id: FromPath[UUID],
    data: URLEncodedBody[PasswordGift],
    writer: NamedDependency[Writer],
    readers: NamedDependency[Readers],
    hasher: NamedDependency[PasswordHasher],
) -> Redirect | Template:
    """Give a colleague a sign-in name and a password."""
    secret_hash = await hasher.run(password_hash, data.password)
    try:
        await writer.write(give_staff_password, person_id, data.sign_in_name, secret_hash)
    except NameTaken as taken:
        return _password_page(readers, person_id, taken=taken)
    return Redirect("/teach/people", status_code=303)


async def _people_page(
    actor: Actor,
    readers: Readers,
    *,
    taken: NameTaken | None = None,
    filled: StaffForm | None = None,
) -> Template:
    people = await readers.read(people_looked_after, actor)
    return Template(
        "classes/templates/people.html",
        context={"people": people, "taken": taken, "filled": filled},
        status_code=taken.status if taken else 200,
    )


def _password_page(
    readers: Readers, person_id: UUID, *, taken: NameTaken | None = None
) -> Template:
    return Template(
        "classes/templates/password.html",
        context={"person": active_person(readers.here, person_id), "taken": taken},
        status_code=taken.status if taken else 200,
    )


ROUTES: Final = (people_page, add_colleague, new_pin_page, password_page, give_password)
