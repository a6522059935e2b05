"""A phone that asks whether it is online is shown the way to the page, whoever is signed in."""

import pytest

from appliance.discovery.captive import QUESTIONS


@pytest.mark.parametrize("place", QUESTIONS)
def test_every_question_is_answered_with_the_way_to_the_page(box, place):
    said = box.get(place, headers={"host": "captive.apple.com"}, follow_redirects=False)
    assert said.status_code == 302
    assert said.headers["location"].startswith("http://testserver")
    assert "captive.apple.com" not in said.headers["location"]
    assert said.headers["cache-control"] == "no-store"


def test_the_address_that_dhcp_gives_out_answers_as_rfc_8908_says(box):
    said = box.get("/captive-portal")
    assert said.headers["content-type"].startswith("application/captive+json")
    portal = said.json()
    assert portal.keys() == {"captive", "user-portal-url"}
    assert portal["captive"] is True
    assert "no-store" in said.headers["cache-control"]
