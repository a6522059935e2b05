"""The keeper's page: three lights in plain words."""

import asyncio
from typing import Final, Literal

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Template
from msgspec import Struct

from appliance.telemetry.queries import Contact, JobState, Unsent, contact, last_runs, unsent
from appliance.telemetry.routes import Telemetry
from appliance.telemetry.vitals import Vitals, complaints, read_vitals

Colour = Literal["good", "wait", "bad"]


class Light(Struct, frozen=True):
    """One line of the page: a question, its answer, and what to do about it."""

    question: str
    colour: Colour
    answer: str
    todo: list[str]


@get("/box")
async def box_page(telemetry: NamedDependency[Telemetry]) -> Template:
    """Answer whether it is healthy, our work is safe elsewhere, and the night's work was done."""
    vitals = await asyncio.to_thread(read_vitals, telemetry.settings)
    readers = telemetry.readers
    lights = (
        machine_light(vitals),
        work_light(await readers.read(contact), await readers.read(unsent)),
        night_light(await readers.read(last_runs)),
    )
    context = {"lights": lights, "vitals": vitals, "telemetry": telemetry}
    return Template("telemetry/templates/box.html", context=context)


def machine_light(vitals: Vitals) -> Light:
    """Whether the machine itself needs a person."""
    found = complaints(vitals)
    answer = "Something needs a look." if found else "Yes. Memory, card and temperature are fine."
    return Light("Is the box healthy?", "bad" if found else "good", answer, found)


def work_light(known: Contact | None, waiting: Unsent) -> Light:
    """Whether a lost box would take work with it."""
    question = "Is our work safe elsewhere?"
    if known is None or not known.is_enrolled:
        return Light(question, "wait", "No. It is on this box only.", ["Join a district."])
    if waiting.waiting == 0:
        return Light(question, "good", "Yes. The district has everything.", [])
    todo = [known.contact_error] if known.contact_error else []
    answer = f"Not all of it: {waiting.waiting} changes wait for a link."
    return Light(question, "wait", answer, todo)


def night_light(runs: list[JobState]) -> Light:
    """Whether the nightly work was done."""
    question = "Did the night's work get done?"
    if not runs:
        return Light(question, "wait", "It has not run yet. It runs some minutes after start.", [])
    failed = [f"{run.name}: {run.effect}" for run in runs if run.state == "failed"]
    answer = "Not all of it." if failed else "Yes."
    return Light(question, "bad" if failed else "good", answer, failed)


PAGES: Final = (box_page,)
