"""Reading on a phone: what was read is ticked off, without Wi-Fi too, and it looks right."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from appliance.database.writer import Writer
from tests.browser.conftest import DESK, PHONE
from tests.lessons import RAIN, reads_rain

pytestmark = [pytest.mark.browser, pytest.mark.system]

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"
LONG = RAIN | {
    "lessons/measuring.md": b"# Measuring rain\n\n"
    + b"".join(b"## Part %d\n\n" % n + b"Water falls.\n\n" * 40 for n in (1, 2, 3))
    + b"```python\nrain_mm = [0, 4, 12]"
    + b" + [7]" * 40
    + b"\n```\n"
}


@pytest.fixture
def reading(database, school, server):
    writer = Writer(database)
    writer.start()
    reading = reads_rain(writer, school, LONG)
    writer.stop()
    return reading


def open_lesson(context, reading):
    page = context.new_page()
    page.goto(f"/learn/lessons/{reading.lessons[1]}?run={reading.run_id}")
    return page


def stay_at_the_end_of(page, part):
    page.locator("[data-section]").nth(part).evaluate(
        "section => section.lastElementChild.scrollIntoView({block: 'center'})"
    )
    expect(page.locator("[data-state]").nth(part)).to_be_visible()


def read_parts(context, reading):
    view = context.request.get(f"/api/v1/lessons/{reading.lessons[1]}").json()
    return [section["percent"] for section in view["sections"]]


def test_a_part_whose_end_was_on_the_screen_for_a_moment_is_read(phone, reading):
    context = phone("amina")
    page = open_lesson(context, reading)
    with page.expect_response("**/api/v1/progress-facts") as sent:
        stay_at_the_end_of(page, 0)
    assert sent.value.status == 204
    expect(page.locator("[data-lesson-progress]")).to_contain_text("33 %")
    assert read_parts(context, reading) == [100, 0, 0]
    page.reload()
    expect(page.locator("[data-state]").nth(0)).to_be_visible()
    expect(page.locator("[data-state]").nth(1)).to_be_hidden()


def test_scrolling_past_is_not_reading(phone, reading):
    context = phone("amina")
    page = open_lesson(context, reading)
    page.evaluate("""async () => {
        for (let y = 0; y < document.body.scrollHeight; y += 300) {
            window.scrollTo(0, y);
            await new Promise(next => requestAnimationFrame(next));
        }
        window.scrollTo(0, 0);
    }""")
    stay_at_the_end_of(page, 1)  # proof that the page was watching all the while
    expect(page.locator("[data-state]").nth(0)).to_be_hidden()
    expect(page.locator("[data-state]").nth(2)).to_be_hidden()


def test_reading_without_wifi_is_told_to_the_box_later(phone, reading):
    context = phone("amina")
    page = open_lesson(context, reading)
    context.set_offline(True)
    stay_at_the_end_of(page, 0)
    # Listen first: the open page may send as soon as it is online again.
    with page.expect_response("**/api/v1/progress-facts"):
        context.set_offline(False)
        page.goto("/learn")
    assert read_parts(context, reading) == [100, 0, 0]


def test_a_lesson_can_be_read_with_scripts_off(phone, reading):
    page = open_lesson(phone("amina", java_script_enabled=False), reading)
    expect(page.locator("main")).to_contain_text("Water falls.")
    page.get_by_role("link", name=re.compile("Clouds")).click()
    expect(page.locator("h1")).to_have_text("Clouds")


def pages_of(reading):
    return {
        "amina": [
            "/design",
            "/learn",
            f"/learn/runs/{reading.run_id}",
            f"/learn/lessons/{reading.lessons[1]}",
            "/nothing-here",
        ],
        "mr_otieno": [
            "/teach",
            "/teach/courses",
            "/teach/courses/import",
            f"/teach/courses/{reading.course_id}",
            f"/teach/runs/{reading.run_id}",
        ],
    }


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.timeout(90)
def test_every_page_passes_axe_and_fits_its_screen(phone, reading, viewport, scheme):
    if not AXE.exists():
        pytest.skip("no axe-core: run make setup")
    axe = AXE.read_text(encoding="utf-8")
    for who, paths in pages_of(reading).items():
        context = phone(who, viewport=viewport, color_scheme=scheme, bypass_csp=True)
        page = context.new_page()
        for path in paths:
            page.goto(path)
            page.evaluate(axe)
            found = page.evaluate(f"axe.run(document, {RULES})")["violations"]
            assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == [], path
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= viewport["width"], path


def test_no_page_breaks_the_content_security_policy(phone, reading):
    for who, paths in pages_of(reading).items():
        page = phone(who).new_page()
        said = []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        for path in paths:
            page.goto(path)
        assert [words for words in said if "404" not in words] == []
