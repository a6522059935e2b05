"""Every page about work: readable by everybody, in both colour schemes, on phone and desk.

DARASA_TEST_SHOTS=folder keeps a picture of each.
"""

import os
from pathlib import Path

import pytest

from appliance.database.writer import Writer
from appliance.grading.commands import return_work, save_grade
from appliance.grading.models import NewGrade, Return
from appliance.submissions.commands import hand_in, put_draft
from appliance.submissions.models import DraftEdit, HandIn, Stamp
from tests.browser.conftest import DESK, PHONE
from tests.cast import NOW_MS, new_id

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(120)]

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
STORY = (
    "My village lies by the lake. In the morning the fishermen come home with their boats and my"
    " grandmother buys tilapia from them.\n\nBehind our house there is a hill. From its top I can"
    " see three other villages and the road to the town.\n\nWhen I am grown up I want to build a"
    " bridge over the river, because in the rainy season nobody can cross it."
)


@pytest.fixture
def scene(database, school):
    """Amina's work came back, José's waits late and twice, نور is writing, Ánh is missing."""
    writer = Writer(database)
    writer.start()

    def give(who, body, task=school.village, now_ms=NOW_MS):
        work = HandIn(assessment_id=task, body=body)
        stamp = Stamp(now_ms, 3)
        return writer.write_blocking(
            hand_in, who, new_id(), work, submission_id=new_id(), stamp=stamp
        )

    amina = give(school.amina, STORY)
    new = NewGrade(
        id=new_id(), points_mp=8_500, comment="Well told.\nMore about the hill!", version=1
    )
    writer.write_blocking(save_grade, school.mr_otieno, amina.submission_id, new, now_ms=NOW_MS)
    wish = Return(id=new_id(), version=2)
    writer.write_blocking(return_work, school.mr_otieno, amina.submission_id, wish, now_ms=NOW_MS)
    give(school.amina, "The river is long.", task=school.river)
    give(school.jose, "First try.")
    jose = give(school.jose, STORY, now_ms=NOW_MS + 30 * 3_600_000)
    edit = DraftEdit(assessment_id=school.village, edit_no=1, body="قريتي")
    writer.write_blocking(put_draft, school.noor, new_id(), edit, now_ms=NOW_MS)
    writer.stop()
    return {
        "village": school.village,
        "river": school.river,
        "east_run": school.east_run,
        "amina_work": amina.submission_id,
        "jose_work": jose.submission_id,
    }


PAGES = [
    ("amina", "task-returned", "/learn/tasks/{village}"),
    ("anh", "task-new", "/learn/tasks/{village}"),
    ("noor", "task-draft", "/learn/tasks/{village}"),
    ("amina", "hand-ins", "/learn/hand-ins"),
    ("anh", "hand-ins-empty", "/learn/hand-ins"),
    ("amina", "hand-in", "/learn/hand-ins/{amina_work}"),
    ("mr_otieno", "new-task", "/teach/runs/{east_run}/tasks/new"),
    ("mr_otieno", "edit-task", "/teach/tasks/{village}/edit"),
    ("mr_otieno", "board", "/teach/tasks/{village}"),
    ("mr_otieno", "mark", "/teach/submissions/{jose_work}"),
    ("mr_otieno", "marked", "/teach/submissions/{amina_work}"),
]
SPILLS = """() => Array.from(document.querySelectorAll("body *"))
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
    .filter((e) => !e.closest(".top-nav, .unseen"))
    .map((e) => e.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_every_page_about_work_fits_and_is_accessible(phone, scene, scheme, viewport):
    contexts, wrong = {}, []
    for who, name, template in PAGES:
        if who not in contexts:
            contexts[who] = phone(who, viewport=viewport, color_scheme=scheme, bypass_csp=True)
        page = contexts[who].new_page()
        answer = page.goto(template.format(**scene))
        assert answer.status == 200, (name, answer.status)
        page.wait_for_load_state("networkidle")
        keep_picture(page, f"{name}-{'phone' if viewport == PHONE else 'desk'}-{scheme}")
        wrong += [f"{name}: spills {element}" for element in page.evaluate(SPILLS)]
        wrong += [f"{name}: {violation}" for violation in violations(page)]
        page.close()
    assert wrong == []


def test_the_overlay_and_the_waiting_page_are_accessible(phone, scene, written):
    context = phone("anh", bypass_csp=True)
    page = context.new_page()
    page.goto("/learn/tasks/{village}".format(**scene))
    page.locator("#work-body").fill("My village.")
    context.set_offline(True)
    page.get_by_role("button", name="Hand in", exact=True).click()
    page.locator("#on-its-way").wait_for()
    keep_picture(page, "on-its-way")
    assert violations(page) == []
    written(lambda tx: tx.run("DELETE FROM session"))
    context.set_offline(False)
    page.get_by_role("dialog").wait_for()
    keep_picture(page, "overlay")
    assert violations(page) == []


def keep_picture(page, name):
    folder = os.environ.get("DARASA_TEST_SHOTS")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def violations(page):
    """WCAG 2.2 A and AA, as axe-core finds them."""
    if not AXE.exists():
        pytest.skip("no axe-core in node_modules: accessibility not checked (make setup)")
    page.add_script_tag(path=str(AXE))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = page.evaluate("(tags) => axe.run({ runOnly: tags }).then((r) => r.violations)", tags)
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:160]} {each['nodes'][0]['failureSummary'][:200]}"
        for each in found
    ]
