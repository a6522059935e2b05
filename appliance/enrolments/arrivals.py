"""Pupils who joined a class after its courses were handed out.

Classes know nothing of courses, so nobody enrols a newcomer at once. Whoever looks first
(the pupil at the list of lessons, the teacher at the class) makes the places that are missing;
the read finds none on every later visit and no write happens.
"""

from uuid import UUID

from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.enrolments.commands import enrol_class, enrol_person
from appliance.enrolments.queries import unenrolled_of_person, unenrolled_of_run


async def let_person_in(readers: Readers, writer: Writer, clock: Clock, person_id: UUID) -> None:
    """Enrol this pupil in what the pupil's classes read."""
    if unenrolled_of_person(readers.here, person_id):
        await writer.write(enrol_person, person_id, now_ms=clock())


async def let_class_in(readers: Readers, writer: Writer, clock: Clock, run_id: UUID) -> None:
    """Enrol the pupils of the run's class."""
    if unenrolled_of_run(readers.here, run_id):
        await writer.write(enrol_class, run_id, now_ms=clock())
