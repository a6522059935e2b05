"""New PINs: drawn here, shown once, stored as hashes only."""

import secrets
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from appliance.access.hashing import pin_hash
from appliance.access.models import PIN_LENGTH, Actor
from appliance.accounts.keyring import Keyring
from appliance.accounts.models import NamedPerson, NewPin
from appliance.accounts.queries import active_learner
from appliance.classes.commands import PinHash, give_pins, reset_pin
from appliance.classes.queries import class_page, require_pupil_of
from appliance.database.readers import Readers
from appliance.database.writer import Writer

# What a class tries first on somebody else's name.
TOO_EASY: Final = frozenset(
    {*(str(digit) * PIN_LENGTH for digit in range(10)), "1234", "4321", "0123", "2580"}
)


def new_pin() -> str:
    """Four digits that are not the first guess."""
    while (pin := f"{secrets.randbelow(10**PIN_LENGTH):0{PIN_LENGTH}}") in TOO_EASY:
        pass
    return pin


async def pin_for_pupil(
    writer: Writer, readers: Readers, keyring: Keyring, actor: Actor, person_id: UUID
) -> NewPin:
    """Give one pupil a new PIN. Raises NotFound."""
    person = active_learner(readers.here, person_id)
    require_pupil_of(readers.here, actor, person_id)
    drawn, hashed = _draw(keyring, [person])
    await writer.write(reset_pin, actor, hashed[0])
    return drawn[0]


async def pins_for_class(
    writer: Writer,
    readers: Readers,
    keyring: Keyring,
    actor: Actor,
    class_group_id: UUID,
    *,
    missing_only: bool,
) -> list[NewPin]:
    """Give a class new PINs: everybody, or those who have none. Raises NotFound."""
    page = await readers.read(class_page, actor, class_group_id)
    people = [
        NamedPerson(member.person_id, member.display_name)
        for member in page.members
        if not (missing_only and member.has_pin)
    ]
    drawn, hashed = _draw(keyring, people)
    await writer.write(give_pins, actor, class_group_id, hashed)
    return drawn


def _draw(keyring: Keyring, people: Sequence[NamedPerson]) -> tuple[list[NewPin], list[PinHash]]:
    pepper = keyring.pin_pepper
    drawn = [NewPin(person.id, person.display_name, new_pin()) for person in people]
    return drawn, [
        PinHash(new.person_id, pin_hash(pepper, new.person_id, new.pin)) for new in drawn
    ]
