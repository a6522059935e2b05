"""A teacher collects and marks while the class is still handing in."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DESK
from tests.cast import new_id

pytestmark = [pytest.mark.browser, pytest.mark.system]


def give(context, school, body):
    answer = context.request.put(
        f"/api/v1/submission-revisions/{new_id()}",
        data={"assessment_id": str(school.village), "body": body},
    )
    assert answer.status == 200
    return answer.json()["submission_id"]


def test_a_task_goes_out_comes_in_and_goes_back(phone, school):
    desk = phone("mr_otieno", viewport=DESK).new_page()
    desk.goto(f"/teach/runs/{school.east_run}/tasks/new")
    desk.get_by_label("Title").fill("Three sentences about rain")
    desk.get_by_label("Most points").fill("7,5")
    desk.get_by_role("button", name="Give this task").click()
    expect(desk.locator(".count")).to_have_text("0 of 4 handed in")
    task_id = desk.url.rsplit("/", 1)[1]

    pupil = phone("amina")
    page = pupil.new_page()
    page.goto(f"/learn/tasks/{task_id}")
    page.locator("#work-body").fill("It rained.")
    page.get_by_role("button", name="Hand in", exact=True).click()
    page.locator("#receipts .receipt-code").wait_for()

    expect(desk.locator(".count")).to_have_text("1 of 4 handed in", timeout=12_000)  # by itself
    desk.get_by_role("link", name="Start marking").click()
    expect(desk.locator(".work-text")).to_have_text("It rained.")
    desk.get_by_label("Points, of 7.5").fill("6")
    desk.get_by_label("Comment for the pupil").fill("Two more sentences!")
    desk.get_by_role("button", name="Give back").click()
    expect(desk.locator("#board")).to_contain_text("6 of 7.5")

    page.goto("/learn/hand-ins")
    page.get_by_role("link", name="Three sentences about rain").click()
    expect(page.locator(".mark-card")).to_contain_text("6 of 7.5 points")
    expect(page.locator(".mark-card")).to_contain_text("Two more sentences!")


def test_an_unfinished_comment_survives_the_killed_tab(phone, school):
    submission_id = give(phone("amina"), school, "My village.")
    teacher = phone("mr_otieno", viewport=DESK)
    page = teacher.new_page()
    page.goto(f"/teach/submissions/{submission_id}")
    page.get_by_label("Comment for the pupil").press_sequentially("A long and careful")
    page.close(run_before_unload=False)
    page = teacher.new_page()
    page.goto(f"/teach/submissions/{submission_id}")
    expect(page.get_by_label("Comment for the pupil")).to_have_value("A long and careful")
    page.get_by_label("Points").fill("5")
    page.get_by_role("button", name="Save for later").click()
    expect(page.locator(".notice-success")).to_contain_text("The mark is saved")
    page.goto(f"/teach/submissions/{submission_id}")
    expect(page.get_by_label("Comment for the pupil")).to_have_value("A long and careful")


def test_two_teachers_see_each_others_marks_and_overwrite_nothing(phone, school):
    submission_id = give(phone("amina"), school, "My village.")
    first = phone("mr_otieno", viewport=DESK).new_page()
    second = phone("ms_wanjiru", viewport=DESK).new_page()
    for page in (first, second):
        page.goto(f"/teach/submissions/{submission_id}")
    first.get_by_label("Points").fill("7")
    first.get_by_role("button", name="Save for later").click()
    expect(first.locator(".notice-success")).to_be_visible()
    second.get_by_label("Points").fill("3")
    second.get_by_label("Comment for the pupil").fill("Too short.")
    second.get_by_role("button", name="Save for later").click()
    expect(second.get_by_role("alert")).to_contain_text("gave 7 points")
    expect(second.get_by_label("Points")).to_have_value("3")
    expect(second.get_by_label("Comment for the pupil")).to_have_value("Too short.")
