"""An order's whole way: the district's page, the real agent, the box's writer, and back."""

from contextlib import contextmanager
from uuid import UUID

import pytest

from appliance.access.models import Actor
from appliance.clock import CERTAIN, SINCE_BOOT
from appliance.courses.queries import course_cards, version_outline
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.enrolments.commands import start_run
from appliance.enrolments.models import NewRun
from appliance.enrolments.queries import own_enrolment
from appliance.ids import uuid7
from appliance.orders.commands import propose
from appliance.orders.models import NewProposal
from appliance.orders.queries import announcements, proposals
from appliance.orders.watch import Desk
from sync.agent.line import QUIET_S
from sync.agent.status import status
from tests.hub.cast import NOW_MS

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

NAME_OF = "SELECT display_name FROM person WHERE id = ?1"
READ_PART = (
    "INSERT INTO progress_fact (id, enrolment_id, section_id, person_id, percent, at_ms,"
    " clock_quality) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 3)"
)
ANSWERS = "SELECT count(*) FROM command_result"


class Office:
    """The district's administrator, and the box process beside the box's agent."""

    def __init__(self, district, box):
        self.client = district.client
        self.box = box
        self.school_id = box.cast.school_id
        self.orders = f"/api/v1/schools/{self.school_id}/commands"

    async def ask(self, kind, payload, command_id=None, **more):
        body = {"kind": kind, "payload": payload} | more
        path = f"{self.orders}/{command_id or uuid7(NOW_MS)}"
        answer = await self.client.put(path, json=body)
        assert answer.status_code == 204, answer.text

    async def put(self, path, body):
        answer = await self.client.put(path, json=body)
        assert answer.status_code in {200, 204}, answer.text
        return answer

    async def contact(self):
        assert await self.box.agent.one_try() == QUIET_S, status(self.box.db)

    async def answer(self, *, quality=CERTAIN):
        """Let the box do what has come; return how many orders it answered."""
        with self.process() as (writer, readers):
            return await Desk(writer, readers, self.box.watch, lambda: quality).answer_all()

    @contextmanager
    def process(self):
        writer = Writer(self.box.settings.database)
        writer.start()
        readers = Readers(self.box.settings.database)
        yield writer, readers
        readers.close()
        writer.stop()

    async def round(self):
        await self.contact()
        await self.answer()
        await self.contact()

    async def told(self):
        found = (await self.client.get(self.orders)).json()
        return [(one["state"], one["reason"]) for one in found]


@pytest.fixture
def office(district, box):
    return Office(district, box)


async def test_an_order_is_carried_out_and_the_district_sees_it(office, box):
    pupil = uuid7(NOW_MS)
    wanted = {
        "person_id": str(pupil),
        "display_name": "Nguyễn Văn Bình",
        "class_group_id": str(box.cast.east),
    }
    await office.ask("create_person", wanted)
    assert await office.told() == [("pending", None)]
    await office.round()
    assert await office.told() == [("applied", None)]
    assert box.db.value(NAME_OF, (pupil,)) == "Nguyễn Văn Bình"


async def test_an_order_that_comes_again_is_carried_out_once(office, box):
    command = uuid7(NOW_MS)
    order = ("reset_pin", {"person_id": str(box.cast.amina)}, command)
    await office.ask(*order)
    await office.round()
    await office.ask(*order)
    for _ in range(2):
        await office.round()
    assert (await office.told(), box.db.value(ANSWERS)) == ([("applied", None)], 1)


async def test_a_refusal_comes_back_with_its_reason(office, box):
    wanted = {"assessment_id": str(uuid7(NOW_MS)), "due_at_ms": None}
    await office.ask("set_due_date", wanted)
    await office.round()
    ((state, reason),) = await office.told()
    assert (state, "This box has no task" in reason) == ("refused", True)


async def test_an_order_that_came_too_late_says_so_once_the_clock_is_sure(office, box):
    wanted = {"person_id": str(box.cast.amina)}
    await office.ask("reset_pin", wanted, expires_at_ms=NOW_MS)
    await office.contact()
    assert await office.answer(quality=SINCE_BOOT) == 0
    assert await office.told() == [("pending", None)]
    await office.round()
    assert await office.told() == [("expired", None)]


async def test_a_withdrawn_order_is_not_carried_out(office, box):
    command = uuid7(NOW_MS)
    await office.ask("reset_pin", {"person_id": str(box.cast.amina)}, command)
    await office.contact()
    answer = await office.client.delete(f"{office.orders}/{command}")
    assert answer.status_code == 204
    await office.round()
    assert (await office.told(), box.db.value(ANSWERS)) == ([("withdrawn", None)], 0)


async def test_a_restored_box_learns_its_answer_before_it_would_do_it_again(office, box):
    """The backup is from after the order came and before it was answered."""
    await office.ask("reset_pin", {"person_id": str(box.cast.amina)})
    await office.contact()
    backup = box.image()
    await office.answer()
    await office.contact()
    box.put_image(backup)
    await office.contact()
    assert await office.answer() == 0
    assert (await office.told(), box.db.value(ANSWERS)) == ([("applied", None)], 1)


async def test_what_the_district_says_and_publishes_stands_at_the_school(office, box):
    said = {"title": "امتحانات", "from_at_ms": NOW_MS - 1}
    await office.put(f"/api/v1/announcements/{uuid7(NOW_MS)}", said)
    lesson = {"path": "maths/01-count.md", "text": "# Count\n\nOne, two."}
    await office.put(f"/api/v1/course-versions/{uuid7(NOW_MS)}", {"files": [lesson]})
    await office.contact()
    shown = announcements(box.db, now_ms=NOW_MS, quality=CERTAIN)
    assert [one.title for one in shown] == ["امتحانات"]
    shelf = {card.title: card.lessons for card in course_cards(box.db, box.cast.school_id)}
    assert shelf == {"Water": 0, "Maths": 1}


async def test_a_class_reads_the_district_s_course_and_the_district_sees_how_far(office, box):
    lesson = {"path": "maths/01-count.md", "text": "# Count\n\nOne.\n\n## More\n\nTwo."}
    published = await office.put(f"/api/v1/course-versions/{uuid7(NOW_MS)}", {"files": [lesson]})
    await office.contact()
    version_id = UUID(published.json()["course_version_id"])
    with office.process() as (writer, readers):
        await writer.write(_reads_half, box.cast, version_id)
        outline = version_outline(readers.here, version_id)
    assert [each.title for each in outline] == ["Maths"]
    await office.contact()
    assert status(box.db).waiting == 0
    assert box.db.tuples("PRAGMA foreign_key_check") == []
    found = (await office.client.get(f"/api/v1/schools/{office.school_id}/progress")).json()
    percents = {(one["course_title"], one["display_name"]): one["percent"] for one in found}
    assert percents["Maths", "Amina Otieno"] == 50
    assert percents["Maths", "José Álvarez-Núñez"] == 0
    (run,) = (
        one
        for one in (await office.client.get(f"/api/v1/schools/{office.school_id}")).json()["runs"]
        if one["course_title"] == "Maths"
    )
    assert run["class_name"] == "6 East"


def _reads_half(tx, school, version_id):
    """East is given the course, and Amina reads the first of its two parts."""
    wanted = NewRun(class_group_id=school.east, course_version_id=version_id)
    run = start_run(tx, school.school_id, school.mr_otieno, wanted, now_ms=NOW_MS)
    enrolment = own_enrolment(tx, run.id, school.amina)
    (module,) = version_outline(tx, version_id)
    section = module.lessons[0].sections[0]
    args = (uuid7(NOW_MS), enrolment, section.id, school.amina, 100, NOW_MS)
    tx.run(READ_PART, args)


async def test_a_pupil_of_the_roster_is_proposed_about_and_the_school_hears(office, box):
    pupils = [{"class_name": "7 Sun", "display_name": "نور الهدى"}]
    await office.put(f"/api/v1/schools/{office.school_id}/roster", {"pupils": pupils})
    await office.contact()
    pupil = box.db.value("SELECT id FROM person WHERE owner_node_id IS NOT NULL")
    keeper = Actor(
        box.cast.keeper, "Fatou Diop", box.cast.school_id, "en", frozenset({"school_admin"})
    )
    wish = NewProposal(kind="edit_person", about_id=UUID(bytes=pupil), wish="Her name is Noor.")
    with office.process() as (writer, _):
        await writer.write(propose, keeper, uuid7(NOW_MS), wish, now_ms=NOW_MS)
    await office.contact()
    (open_,) = (await office.client.get("/api/v1/proposals")).json()
    assert (open_["about_name"], open_["wish"]) == ("نور الهدى", "Her name is Noor.")
    decided = {"state": "accepted", "reason": "We changed it.", "name": "Noor Alhuda"}
    await office.put(f"/api/v1/proposals/{open_['id']}/decision", decided)
    await office.contact()
    (read,) = proposals(box.db, keeper)
    assert (read.state, read.reason) == ("accepted", "We changed it.")
    assert box.db.value(NAME_OF, (pupil,)) == "Noor Alhuda"
