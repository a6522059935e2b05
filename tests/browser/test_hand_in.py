"""What a pupil writes survives everything a classroom does to it."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PIN, receipt_code, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.system]

TEXT = "My village lies by the lake. نور lives there too. 🐟"
SAVED = re.compile("on this phone and on the school box")


def open_task(context, school, task="village"):
    page = context.new_page()
    page.goto(f"/learn/tasks/{getattr(school, task)}")
    return page


def write(page, text):
    page.locator("#work-body").press_sequentially(text)


def hand_ins(context):
    return context.request.get("/api/v1/my/hand-ins").json()


def words_of(context, line):
    work = context.request.get(f"/api/v1/my/hand-ins/{line['submission_id']}").json()
    return [revision["body"] for revision in work["revisions"]]


def test_a_pupil_writes_hands_in_and_holds_a_receipt(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    write(page, TEXT)
    expect(page.locator("#save-line")).to_have_text(SAVED)
    page.get_by_role("button", name="Hand in", exact=True).click()
    code = receipt_code(page)
    line = hand_ins(context)[0]
    assert line["receipt"]["code"] == code
    assert words_of(context, line) == [TEXT]
    page.goto("/learn/hand-ins")
    expect(page.locator("main")).to_contain_text(code)
    assert context.request.get(f"/api/v1/assessments/{school.village}/draft").status == 204


def test_typing_survives_the_killed_tab(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    write(page, TEXT)
    page.wait_for_timeout(2_000)  # the promise: at most two seconds of typing
    page.close(run_before_unload=False)
    page = open_task(context, school)
    expect(page.locator("#work-body")).to_have_value(TEXT)


def test_typing_without_wifi_survives_the_killed_tab(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    write(page, "Before. ")
    expect(page.locator("#save-line")).to_have_text(SAVED)
    context.set_offline(True)
    write(page, "After.")
    page.wait_for_timeout(2_000)
    expect(page.locator("#save-line")).to_have_text("Saved on this phone.")
    page.close(run_before_unload=False)
    context.set_offline(False)
    page = open_task(context, school)
    expect(page.locator("#work-body")).to_have_value("Before. After.")
    expect(page.locator("#save-line")).to_have_text(SAVED)


def test_a_hand_in_without_wifi_is_delivered_once(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    write(page, TEXT)
    context.set_offline(True)
    page.get_by_role("button", name="Hand in", exact=True).click()
    way = page.locator("#on-its-way")
    expect(way).to_be_visible()
    expect(way.locator(".custody")).to_have_attribute("data-level", "phone")
    expect(page.locator(".receipt-code")).to_have_count(0)
    context.set_offline(False)
    receipt_code(page)
    lines = hand_ins(context)
    assert len(lines) == 1
    assert words_of(context, lines[0]) == [TEXT]


def test_a_hand_in_survives_the_closed_tab_and_is_sent_from_any_page(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    write(page, TEXT)
    context.set_offline(True)
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.locator("#on-its-way")).to_be_visible()
    page.close(run_before_unload=False)
    context.set_offline(False)
    assert hand_ins(context) == []
    page = context.new_page()
    page.goto("/learn/hand-ins")
    expect(page.locator(".notice-success")).to_contain_text("Handed in")
    assert words_of(context, hand_ins(context)[0]) == [TEXT]


def test_a_stopped_box_gets_the_hand_in_when_it_is_back(phone, school, server):
    context = phone("amina")
    page = open_task(context, school)
    write(page, TEXT)
    server.stop()
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.locator("[data-way-words]")).to_contain_text("does not answer yet")
    server.start()
    receipt_code(page)
    assert [words_of(context, line) for line in hand_ins(context)] == [[TEXT]]


# A phone that is slow to look into its own storage, with waits as short as they can be.
SLOW_STORAGE = """
Math.random = () => 0;
document.addEventListener("DOMContentLoaded", () => {
  const all = Darasa.store.all;
  Darasa.store.all = async (place, person) => {
    if (place === "outbox") await new Promise((resolve) => setTimeout(resolve, 400));
    return all(place, person);
  };
});
"""


def test_work_put_while_the_last_delivery_is_told_is_sent_too(phone, school):
    context = phone("amina")
    context.add_init_script(SLOW_STORAGE)
    page = open_task(context, school)
    page.evaluate("""
      document.addEventListener("darasa:delivered", () => setTimeout(() => {
        const field = document.getElementById("work-body");
        field.value = "Put meanwhile.";
        field.dispatchEvent(new Event("input"));
        field.dispatchEvent(new Event("blur"));
      }, 100), { once: true })
    """)
    write(page, "First.")
    expect(page.locator("#work-body")).to_have_value("Put meanwhile.")
    expect(page.locator("#save-line")).to_have_text(SAVED)
    draft = context.request.get(f"/api/v1/assessments/{school.village}/draft").json()
    assert draft["body"] == "Put meanwhile."


def test_a_retry_that_is_due_at_once_is_not_missed(phone, school, server):
    context = phone("amina")
    context.add_init_script(SLOW_STORAGE)
    page = open_task(context, school)
    write(page, TEXT)
    server.stop()
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.locator("[data-way-words]")).to_contain_text("does not answer yet")
    server.start()
    receipt_code(page)
    assert [words_of(context, line) for line in hand_ins(context)] == [[TEXT]]


def test_the_reopened_task_shows_what_is_on_its_way_and_then_the_receipt(phone, school):
    context = phone("amina")
    url = "**/api/v1/submission-revisions/*"
    context.route(url, lambda route: route.abort())
    page = open_task(context, school)
    write(page, TEXT)
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.locator("#on-its-way")).to_be_visible()
    page.close(run_before_unload=False)
    page = open_task(context, school)
    expect(page.locator("#on-its-way")).to_be_visible()
    expect(page.locator("#work")).to_be_hidden()
    context.unroute(url)
    receipt_code(page)
    expect(page.locator("#on-its-way")).to_be_hidden()
    assert [words_of(context, line) for line in hand_ins(context)] == [[TEXT]]
    kept = page.evaluate(f"Darasa.store.all('drafts', '{school.amina}')")
    assert kept == []  # a shared phone keeps no words it need not


def test_handing_in_again_after_the_receipt_is_a_further_revision(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    write(page, "One.")
    page.get_by_role("button", name="Hand in", exact=True).click()
    first = receipt_code(page)
    page.get_by_text("Change it and hand in again").click()
    write(page, " Two.")
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.locator("#receipts .receipt-code")).not_to_have_text(first)
    assert [words_of(context, line) for line in hand_ins(context)] == [["One. Two.", "One."]]


def test_closing_the_question_for_the_pin_is_not_the_end(phone, school, written):
    context = phone("amina")
    page = open_task(context, school)
    written(lambda tx: tx.run("DELETE FROM session"))
    write(page, TEXT)
    overlay = page.get_by_role("dialog")
    overlay.get_by_role("button", name="Not now").click()
    expect(page.locator("#work-body")).to_have_value(TEXT)
    page.get_by_role("button", name="Hand in", exact=True).click()
    overlay.get_by_label("Your PIN").fill(PIN)
    overlay.get_by_role("button", name="Go on").click()
    receipt_code(page)
    assert [words_of(context, line) for line in hand_ins(context)] == [[TEXT]]


def test_signing_out_with_work_on_the_phone_is_asked_about(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    context.route("**/api/v1/submission-revisions/*", lambda route: route.abort())
    write(page, TEXT)
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.locator("#on-its-way")).to_be_visible()
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.get_by_role("button", name="Sign out").click()
    assert "still on this phone" in asked[0]
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in*")


def test_a_lost_answer_does_not_make_a_second_hand_in(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    swallowed = []

    def swallow(route):
        """Let the box have the request, and the phone not the answer."""
        if len(swallowed) < 3:
            swallowed.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    page.route("**/api/v1/submission-revisions/*", swallow)
    write(page, TEXT)
    page.get_by_role("button", name="Hand in", exact=True).click()
    receipt_code(page)
    assert swallowed == [200, 200, 200]
    assert [words_of(context, line) for line in hand_ins(context)] == [[TEXT]]


def test_a_double_tap_is_one_hand_in(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    write(page, TEXT)
    page.evaluate(
        "for (let tap = 0; tap < 5; tap += 1) document.querySelector('[value=hand-in]').click()"
    )
    receipt_code(page)
    assert [words_of(context, line) for line in hand_ins(context)] == [[TEXT]]


def test_a_double_tap_without_scripts_is_one_hand_in(phone, school):
    context = phone("amina", java_script_enabled=False)
    page = open_task(context, school)
    page.locator("#work-body").fill(TEXT)
    page.get_by_role("button", name="Hand in", exact=True).dblclick()
    expect(page.locator(".receipt-code")).to_be_visible()
    assert [words_of(context, line) for line in hand_ins(context)] == [[TEXT]]


def test_an_expired_session_asks_for_the_pin_and_loses_nothing(phone, school, written):
    context = phone("amina")
    page = open_task(context, school)
    write(page, TEXT)
    expect(page.locator("#save-line")).to_have_text(SAVED)
    written(lambda tx: tx.run("DELETE FROM session"))
    page.get_by_role("button", name="Hand in", exact=True).click()
    overlay = page.get_by_role("dialog")
    expect(overlay).to_be_visible()
    expect(overlay).to_contain_text("Amina Otieno")
    overlay.get_by_label("Your PIN").fill("0000")
    overlay.get_by_role("button", name="Go on").click()
    expect(overlay.get_by_role("alert")).to_contain_text("not right")
    overlay.get_by_label("Your PIN").fill(PIN)
    overlay.get_by_role("button", name="Go on").click()
    receipt_code(page)
    assert [words_of(context, line) for line in hand_ins(context)] == [[TEXT]]


def test_the_second_pupil_of_a_shared_phone_sees_and_sends_nothing_of_the_first(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    write(page, "Amina's words.")
    context.set_offline(True)
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.locator("#on-its-way")).to_be_visible()
    page.close(run_before_unload=False)
    context.set_offline(False)
    sign_in(context, school.jose)
    page = open_task(context, school)
    expect(page.locator("#work-body")).to_have_value("")
    page.goto("/learn/hand-ins")
    page.wait_for_load_state("networkidle")
    expect(page.locator("body")).not_to_contain_text("still on this phone")
    assert "Amina" not in page.content()
    assert hand_ins(context) == []
    sign_in(context, school.amina)
    page.goto("/learn/hand-ins")
    expect(page.locator(".notice-success")).to_contain_text("Handed in")
    assert words_of(context, hand_ins(context)[0]) == ["Amina's words."]


def test_a_tab_left_open_never_sends_in_the_next_pupils_name(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    write(page, "Amina's words.")
    expect(page.locator("#save-line")).to_have_text(SAVED)
    sign_in(context, school.jose)  # in another tab
    page.get_by_role("button", name="Hand in", exact=True).click()
    overlay = page.get_by_role("dialog")
    expect(overlay).to_contain_text("Somebody else has signed in")
    assert hand_ins(context) == []
    overlay.get_by_label("Your PIN").fill(PIN)
    overlay.get_by_role("button", name="Go on").click()
    receipt_code(page)
    assert words_of(context, hand_ins(context)[0]) == ["Amina's words."]


def test_a_killed_server_costs_at_most_two_seconds_of_typing(phone, school, server):
    context = phone("amina")
    page = open_task(context, school)
    write(page, "Kept by the box. ")
    page.wait_for_timeout(2_000)
    server.kill()
    write(page, "Kept by the phone.")
    server.start()
    expect(page.locator("#save-line")).to_have_text(SAVED, timeout=40_000)
    draft = context.request.get(f"/api/v1/assessments/{school.village}/draft").json()
    assert draft["body"] == "Kept by the box. Kept by the phone."


def test_another_phone_goes_on_with_the_draft_and_neither_text_is_lost(phone, school):
    first, second = phone("amina"), phone("amina")
    one = open_task(first, school)
    write(one, "One. ")
    expect(one.locator("#save-line")).to_have_text(SAVED)
    two = open_task(second, school)
    expect(two.locator("#work-body")).to_have_value("One. ")
    two.locator("#work-body").fill("One. Two.")
    two.wait_for_timeout(300)
    expect(two.locator("#save-line")).to_have_text(SAVED)
    one.locator("#work-body").fill("One. Three.")
    expect(one.locator("#other-versions")).to_contain_text("another text of yours")
    expect(one.locator("#work-body")).to_have_value("One. Three.")
    one.get_by_role("button", name="Show that one instead").click()
    expect(one.locator("#work-body")).to_have_value("One. Two.")


NO_STORAGE = """
Object.defineProperty(window, "indexedDB", { get() { throw new Error("refused"); } });
Object.defineProperty(window, "localStorage", { get() { throw new Error("refused"); } });
"""
FULL_STORAGE = """
function full() { throw new DOMException("full", "QuotaExceededError"); }
IDBObjectStore.prototype.put = full;
Storage.prototype.setItem = full;
"""
NO_INDEXED_DB = 'Object.defineProperty(window, "indexedDB", { value: undefined });'


@pytest.mark.parametrize("script", [NO_STORAGE, FULL_STORAGE], ids=["refused", "full"])
def test_a_phone_that_keeps_nothing_says_so_and_keeps_the_text_on_the_screen(phone, school, script):
    context = phone("amina")
    context.add_init_script(script)
    page = open_task(context, school)
    context.set_offline(True)
    write(page, TEXT)
    expect(page.locator("#save-line")).to_contain_text("This phone cannot keep what you write")
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.locator("#on-its-way")).to_contain_text("Leave this page open")
    context.set_offline(False)
    receipt_code(page)
    assert words_of(context, hand_ins(context)[0]) == [TEXT]


def test_without_indexed_db_the_older_storage_keeps_the_text(phone, school):
    context = phone("amina")
    context.add_init_script(NO_INDEXED_DB)
    page = open_task(context, school)
    context.set_offline(True)
    write(page, TEXT)
    expect(page.locator("#save-line")).to_have_text("Saved on this phone.")
    page.close(run_before_unload=False)
    context.set_offline(False)
    page = open_task(context, school)
    expect(page.locator("#work-body")).to_have_value(TEXT)


def test_too_long_a_text_is_not_sent_and_not_cut(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    page.locator("#work-body").fill("x" * 66_000)
    expect(page.locator("#save-line")).to_contain_text("too long")
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.locator("#work-body")).to_have_value("x" * 66_000)
    assert hand_ins(context) == []


def test_half_an_emoji_is_mended_and_handed_in(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    page.evaluate(
        "const field = document.getElementById('work-body');"
        "field.value = 'A fish \\ud83d and a \\u0000 nought';"
        "field.dispatchEvent(new Event('input'))"
    )
    page.get_by_role("button", name="Hand in", exact=True).click()
    receipt_code(page)
    assert words_of(context, hand_ins(context)[0]) == ["A fish \ufffd and a  nought"]


def test_a_page_that_is_not_the_box_is_not_believed(phone, school):
    """A hotel's or a phone company's sign-in page answers 200 to everything."""
    context = phone("amina")
    page = open_task(context, school)
    url = "**/api/v1/submission-revisions/*"
    page.route(url, lambda route: route.fulfill(status=200, content_type="text/html", body="Hi"))
    write(page, TEXT)
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.locator("[data-way-words]")).to_contain_text("does not answer yet")
    page.unroute(url)
    receipt_code(page)
    assert words_of(context, hand_ins(context)[0]) == [TEXT]


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(503, "busy", "busy"), (507, "storage-full", "full")],
)
def test_a_busy_or_full_box_is_asked_again(phone, school, status, code, words):
    context = phone("amina")
    page = open_task(context, school)
    answers = []

    def refuse(route):
        if len(answers) < 2:
            answers.append(status)
            problem = {"status": status, "code": code, "title": f"The box is {words}", "hint": "W."}
            route.fulfill(
                status=status,
                json=problem,
                content_type="application/problem+json",
                headers={"retry-after": "1"},
            )
        else:
            route.continue_()

    page.route("**/api/v1/submission-revisions/*", refuse)
    write(page, TEXT)
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.locator("[data-way-words]")).to_contain_text(f"The box is {words}")
    receipt_code(page)
    assert [words_of(context, line) for line in hand_ins(context)] == [[TEXT]]


def test_a_hand_in_that_was_refused_is_sent_when_it_is_handed_in_again(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    url = "**/api/v1/submission-revisions/*"
    problem = {"status": 403, "code": "forbidden", "title": "Not yet", "hint": "Ask."}
    kind = "application/problem+json"
    page.route(url, lambda route: route.fulfill(status=403, json=problem, content_type=kind))
    write(page, TEXT)
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.locator("#save-line")).to_contain_text("Not handed in. Not yet")
    page.unroute(url)
    page.get_by_role("button", name="Hand in", exact=True).click()
    receipt_code(page)
    assert [words_of(context, line) for line in hand_ins(context)] == [[TEXT]]


def test_a_phone_that_dies_while_handing_in_still_has_the_words(phone, school):
    """Between taking the draft off the way to the box and putting the hand-in on it."""
    context = phone("amina")
    page = open_task(context, school)
    context.set_offline(True)
    write(page, TEXT)
    expect(page.locator("#save-line")).to_have_text("Saved on this phone.")
    page.evaluate("void (Darasa.outbox.put = () => new Promise(() => {}))")
    page.get_by_role("button", name="Hand in", exact=True).click()
    page.wait_for_function(
        f"async () => (await Darasa.store.all('outbox', '{school.amina}')).length === 0"
    )
    page.close(run_before_unload=False)
    context.set_offline(False)
    page = open_task(context, school)
    expect(page.locator("#work-body")).to_have_value(TEXT)
    expect(page.locator("#save-line")).to_have_text(SAVED)


def test_two_tabs_find_one_new_id_for_words_whose_id_was_taken(phone, school):
    context = phone("amina")
    page = open_task(context, school)
    write(page, "One.")
    expect(page.locator("#save-line")).to_have_text(SAVED)
    [draft] = page.evaluate(f"Darasa.store.all('drafts', '{school.amina}')")
    revision = draft["revision_id"]
    answer = context.request.put(
        f"/api/v1/submission-revisions/{revision}",
        data={"assessment_id": str(school.village), "body": "From another phone."},
    )
    assert answer.status == 200
    second = context.new_page()
    second.goto("/learn/hand-ins")
    held = []

    def hold_two(route):
        if len(held) < 2:
            held.append(route)
        else:
            route.continue_()

    context.route("**/api/v1/submission-revisions/*", hold_two)
    page.get_by_role("button", name="Hand in", exact=True).click()
    expect(page.locator("#on-its-way")).to_be_visible()
    second.evaluate("Darasa.outbox.resume()")
    deadline = 50
    while len(held) < 2 and deadline:
        page.wait_for_timeout(100)
        deadline -= 1
    assert len(held) == 2  # both tabs ask under the taken id at once
    for route in held:
        route.continue_()
    receipt_code(page)
    expect(second.locator(".notice-success")).to_contain_text("Handed in")
    assert [words_of(context, line) for line in hand_ins(context)] == [
        ["One.", "From another phone."]
    ]
