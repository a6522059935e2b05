"""Making a class, the page of a class, and its PIN cards."""

from typing import Final
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Struct

from appliance.access.models import Actor
from appliance.accounts.keyring import Keyring
from appliance.classes.commands import add_teacher, make_class, remove_member
from appliance.classes.models import ClassName, NewClass, NewTeacher
from appliance.classes.pins import pins_for_class
from appliance.classes.queries import class_page, classes_of, colleagues
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer


class ClassForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new class."""

    name: ClassName


class CardsForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose cards."""

    missing_only: bool = False


@get("/teach/classes")
async def classes_page(
    actor: NamedDependency[Actor], readers: NamedDependency[Readers]
) -> Template:
    """List the classes one looks after: for administrators all of them."""
    classes = await readers.read(classes_of, actor)
    return Template("classes/templates/classes.html", context={"classes": classes})


@get("/teach/classes/new", sync_to_thread=False)
def new_class_page() -> Template:
    """Ask for a name."""
    return Template("classes/templates/new.html")


@post("/teach/classes", status_code=303)
async def add_class(
    data: URLEncodedBody[ClassForm],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Redirect:
    """Make a class and open it."""
    group = await writer.write(make_class, actor, NewClass(name=data.name), now_ms=clock())
    return Redirect(f"/teach/classes/{group.id}", status_code=303)


@get("/teach/classes/{class_group_id:uuid}")
async def one_class_page(
    class_group_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
) -> Template:
    """Show who is in a class and who can sign in."""
    page = await readers.read(class_page, actor, class_group_id)
    others = await readers.read(colleagues, actor.school_id, class_group_id)
    return Template("classes/templates/class.html", context={"page": page, "colleagues": others})


@post("/teach/classes/{class_group_id:uuid}/members/{person_id:uuid}/remove", status_code=303)
async def take_out(
    class_group_id: FromPath[UUID],
    person_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Redirect:
    """Take a pupil out of a class."""
    await writer.write(remove_member, actor, class_group_id, person_id, now_ms=clock())
    return Redirect(f"/teach/classes/{class_group_id}", status_code=303)


@post("/teach/classes/{class_group_id:uuid}/teachers", status_code=303)
async def let_teach(
    class_group_id: FromPath[UUID],
    data: URLEncodedBody[NewTeacher],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Redirect:
    """Let a colleague teach a class."""
    await writer.write(add_teacher, actor, class_group_id, data.person_id, now_ms=clock())
    return Redirect(f"/teach/classes/{class_group_id}", status_code=303)


@get("/teach/classes/{class_group_id:uuid}/cards")
async def cards_page(
    class_group_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
) -> Template:
    """Ask whose PINs to draw anew: old ones cannot be shown, nobody stores them."""
    page = await readers.read(class_page, actor, class_group_id)
    missing = sum(not member.has_pin for member in page.members)
    context = {"page": page, "missing": missing}
    return Template("classes/templates/cards_choice.html", context=context)


@post("/teach/classes/{class_group_id:uuid}/cards", status_code=200)
async def print_cards(
    class_group_id: FromPath[UUID],
    data: URLEncodedBody[CardsForm],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    readers: NamedDependency[Readers],
    keyring: NamedDependency[Keyring],
) -> Template:
    """Draw the PINs and show the cards, once."""
    pins = await pins_for_class(
        writer, readers, keyring, actor, class_group_id, missing_only=data.missing_only
    )
    page = await readers.read(class_page, actor, class_group_id)
    context = {"pins": pins, "group": page.group}
    return Template("classes/templates/cards.html", context=context)


ROUTES: Final = (
    classes_page,
    new_class_page,
    add_class,
    one_class_page,
    take_out,
    let_teach,
    cards_page,
    print_cards,
)
