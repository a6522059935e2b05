"""Classes and their pupils, as JSON."""

from typing import Final
from uuid import UUID

from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from appliance.access.hashing import password_hash
from appliance.access.models import Actor
from appliance.access.passwords import PasswordHasher
from appliance.accounts.faults import NotClaimed
from appliance.accounts.keyring import Keyring
from appliance.accounts.models import NamedPerson, NewPerson, NewPin, Person
from appliance.accounts.queries import school
from appliance.classes.commands import (
    add_members,
    add_pupil,
    add_staff,
    add_teacher,
    give_staff_password,
    make_class,
    remove_member,
)
from appliance.classes.models import (
    ClassGroup,
    ClassPage,
    NewClass,
    NewMembers,
    NewTeacher,
    PasswordGift,
)
from appliance.classes.pins import pin_for_pupil, pins_for_class
from appliance.classes.queries import (
    class_page,
    classes_of,
    people_looked_after,
    sign_in_classes,
    sign_in_names,
)
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.errors import Forbidden


@get("/api/v1/sign-in/classes", sync_to_thread=False)
def list_sign_in_classes(readers: NamedDependency[Readers]) -> list[ClassGroup]:
    """The first tap. Raises NotClaimed while there is no school."""
    known = school(readers.here)
    if known is None:
        raise NotClaimed("there is no school on this box yet")
    return sign_in_classes(readers.here, known.id)


@get("/api/v1/sign-in/classes/{class_group_id:uuid}/people", sync_to_thread=False)
def list_sign_in_names(
    class_group_id: FromPath[UUID], readers: NamedDependency[Readers]
) -> list[NamedPerson]:
    """The second tap."""
    return sign_in_names(readers.here, class_group_id)


@get("/api/v1/classes")
async def list_classes(
    actor: NamedDependency[Actor], readers: NamedDependency[Readers]
) -> list[ClassGroup]:
    """The classes one teaches; an administrator's are all."""
    return await readers.read(classes_of, actor)


@post("/api/v1/classes", status_code=201)
async def create_class(
    data: JSONBody[NewClass],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> ClassGroup:
    """Make a class and teach it."""
    return await writer.write(make_class, actor, data, now_ms=clock())


@get("/api/v1/classes/{class_group_id:uuid}")
async def get_class(
    class_group_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
) -> ClassPage:
    """A class with everybody in it."""
    return await readers.read(class_page, actor, class_group_id)


@post("/api/v1/classes/{class_group_id:uuid}/members", status_code=204)
async def create_members(
    class_group_id: FromPath[UUID],
    data: JSONBody[NewMembers],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> None:
    """Put pupils into a class."""
    await writer.write(add_members, actor, class_group_id, data.person_ids, now_ms=clock())


@delete("/api/v1/classes/{class_group_id:uuid}/members/{person_id:uuid}", status_code=204)
async def delete_member(
    class_group_id: FromPath[UUID],
    person_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> None:
    """Take a pupil out of a class."""
    await writer.write(remove_member, actor, class_group_id, person_id, now_ms=clock())


@post("/api/v1/classes/{class_group_id:uuid}/teachers", status_code=204)
async def create_teacher(
    class_group_id: FromPath[UUID],
    data: JSONBody[NewTeacher],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> None:
    """Let a colleague teach a class."""
    await writer.write(add_teacher, actor, class_group_id, data.person_id, now_ms=clock())


@post("/api/v1/classes/{class_group_id:uuid}/pins", status_code=201)
async def create_pins(
    class_group_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    readers: NamedDependency[Readers],
    keyring: NamedDependency[Keyring],
    missing_only: FromQuery[bool] = False,  # noqa: FBT002 -- a query parameter has a name
) -> list[NewPin]:
    """Give a class new PINs. They are in this answer and nowhere else."""
    return await pins_for_class(
        writer, readers, keyring, actor, class_group_id, missing_only=missing_only
    )


@get("/api/v1/people")
async def list_people(
    actor: NamedDependency[Actor], readers: NamedDependency[Readers]
) -> list[Person]:
    """Those one looks after, by name: an administrator's are all."""
    return await readers.read(people_looked_after, actor)


@post("/api/v1/people", status_code=201)
async def create_person(
    data: JSONBody[NewPerson],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    hasher: NamedDependency[PasswordHasher],
    clock: NamedDependency[Clock],
) -> NamedPerson:
    """Add a pupil, or (administrators only) a member of staff."""
    if not data.roles:
        return await writer.write(add_pupil, actor, data, now_ms=clock())
    if not actor.is_school_admin:
        raise Forbidden("only an administrator adds staff")
    assert data.password is not None
    secret_hash = await hasher.run(password_hash, data.password)
    return await writer.write(add_staff, actor, data, secret_hash, now_ms=clock())


@post("/api/v1/people/{person_id:uuid}/pin", status_code=201)
async def create_pin(
    person_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    readers: NamedDependency[Readers],
    keyring: NamedDependency[Keyring],
) -> NewPin:
    """Give one pupil a new PIN, which also unlocks the name."""
    return await pin_for_pupil(writer, readers, keyring, actor, person_id)


@put("/api/v1/people/{person_id:uuid}/password", status_code=204)
async def put_password(
    person_id: FromPath[UUID],
    data: JSONBody[PasswordGift],
    writer: NamedDependency[Writer],
    hasher: NamedDependency[PasswordHasher],
) -> None:
    """Give a member of staff a sign-in name and a password; open sessions end."""
    secret_hash = await hasher.run(password_hash, data.password)
    await writer.write(give_staff_password, person_id, data.sign_in_name, secret_hash)


ROUTES: Final = (
    list_sign_in_classes,
    list_sign_in_names,
    list_classes,
    create_class,
    get_class,
    create_members,
    delete_member,
    create_teacher,
    create_pins,
    list_people,
    create_person,
    create_pin,
    put_password,
)
