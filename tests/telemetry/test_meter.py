"""What counts as a class at work, and what does not."""

import pytest


@pytest.fixture
def asked(box):
    """Tell whether a request counted as somebody at work."""
    meter = box.app.state.meter

    def asked(client, method, path, **more):
        meter.last_request_at_s = 0.0
        answer = client.request(method, path, **more)
        return answer, meter.last_request_at_s > 0

    return asked


def test_a_page_that_is_shown_is_work_and_one_that_was_left_open_is_not(as_, school, asked):
    client = as_("mr_otieno")
    page = {"accept": "text/html"}
    path = f"/teach/tasks/{school.village}"
    shown, is_work = asked(client, "GET", path, headers=page)
    assert (shown.status_code, is_work) == (200, True)
    left_open = page | {"if-none-match": shown.headers["etag"]}
    same, is_work = asked(client, "GET", path, headers=left_open)
    assert (same.status_code, is_work) == (304, False)


@pytest.mark.parametrize(
    ("method", "path", "counts"),
    [
        ("GET", "/health", False),
        ("GET", "/metrics", False),
        ("GET", "/sign-in", True),
        ("POST", "/api/v1/sessions", True),
    ],
)
def test_machines_do_not_keep_the_box_from_its_housework(box, asked, method, path, counts):
    _, is_work = asked(box, method, path)
    assert is_work is counts
    assert box.app.state.meter.idle_for_s() >= 0
