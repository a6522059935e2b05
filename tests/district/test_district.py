"""What waits is counted until the district has confirmed it, and the token is never shown."""

import pytest

from appliance.district.queries import sync_status
from tests.cast import NOW_MS, new_id

PAGE = {"accept": "text/html"}
WISH = {"hub_url": "https://hub.example/darasa", "token": "one-time-token"}


def enrol(write, *, applied_n, contact_error=None):
    """Two sealed segments of ten rows; nothing is left to seal."""

    def enrol(tx):
        epoch = tx.value("SELECT epoch FROM sync_identity")
        tx.run("DELETE FROM sync_dirty")
        tx.run(
            "UPDATE sync_identity SET hub_id = ?1, hub_url = ?2, contact_at_ms = ?3,"
            " contact_error = ?4",
            (new_id(), "https://hub.example", NOW_MS, contact_error),
        )
        tx.run(
            "INSERT INTO sync_stream (lane, epoch, cur_n, cur_hash, received_n, applied_n)"
            " VALUES (0, ?1, 2, zeroblob(32), ?2, ?2)",
            (epoch, applied_n),
        )
        for n in (1, 2):
            tx.run(
                "INSERT INTO sync_chain (lane, epoch, n, hash, rows, size_bytes, sealed_at_ms)"
                " VALUES (0, ?1, ?2, zeroblob(32), 10, 100, ?3)",
                (epoch, n, NOW_MS + n),
            )

    write(enrol)


def test_before_joining_everything_waits(db):
    status = sync_status(db)
    assert not status.is_enrolled
    assert status.waiting > 20
    assert status.oldest_since_ms is not None


@pytest.mark.parametrize(
    ("applied_n", "waiting", "oldest"), [(0, 20, NOW_MS + 1), (1, 10, NOW_MS + 2), (2, 0, None)]
)
def test_what_is_sealed_but_not_applied_still_waits(write, db, applied_n, waiting, oldest):
    enrol(write, applied_n=applied_n)
    status = sync_status(db)
    assert (status.is_enrolled, status.waiting, status.oldest_since_ms) == (True, waiting, oldest)


def test_a_change_after_that_waits_too(write, db, school):
    enrol(write, applied_n=2)
    write(
        lambda tx: tx.run(
            "UPDATE person SET state = 'archived', version = version + 1 WHERE id = ?1",
            (school.jomo,),
        )
    )
    assert sync_status(db).waiting == 1


def test_the_page_never_calls_work_safe_that_is_not(box, as_):
    write = box.app.state.writer.write_blocking
    page = as_("keeper").get("/box/district", headers=PAGE).text
    assert "On this box only" in page
    enrol(write, applied_n=1, contact_error="the hub did not answer")
    page = as_("keeper").get("/box/district", headers=PAGE).text
    assert "10 changes are not at the district yet" in page
    assert "the hub did not answer" in page
    write(lambda tx: tx.run("UPDATE sync_stream SET received_n = 2, applied_n = 2"))
    assert (
        "Everything on this box has arrived"
        in as_("keeper").get("/box/district", headers=PAGE).text
    )
    write(lambda tx: tx.run("INSERT INTO sync_exception (tbl, pk, reason) VALUES (2, x'00', 'x')"))
    page = as_("keeper").get("/box/district", headers=PAGE).text
    assert "Everything on this box has arrived" not in page


def test_a_new_question_does_not_show_the_answer_to_the_last_one(box, as_):
    client = as_("keeper")
    enrol(box.app.state.writer.write_blocking, applied_n=2, contact_error="the token is not known")
    client.put("/api/v1/box/hub-enrolment", json=WISH)
    assert client.get("/api/v1/box/sync").json()["error"] is None


def test_asking_to_join_is_kept_for_the_agent_and_the_token_is_not_shown(box, as_):
    client = as_("keeper")
    assert client.put("/api/v1/box/hub-enrolment", json=WISH).status_code == 204
    told = client.get("/api/v1/box/sync")
    assert told.json()["asked_url"] == WISH["hub_url"]
    assert WISH["token"] not in told.text
    newer = {"hub_url": "http://192.0.2.7:8100", "token": "another-token"}
    answer = client.post("/box/district", data=newer, headers=PAGE, follow_redirects=False)
    assert answer.headers["location"] == "/box/district"
    page = client.get("/box/district", headers=PAGE).text
    assert "http://192.0.2.7:8100" in page
    assert "another-token" not in page


@pytest.mark.parametrize(
    "changed",
    [
        {"hub_url": "ftp://hub.example"},
        {"hub_url": "hub.example"},
        {"hub_url": "https://"},
        {"token": "short"},
        {"token": "two words x"},
        {"mode": "replace"},
    ],
)
def test_an_address_that_is_none_is_refused(as_, changed):
    answer = as_("keeper").put("/api/v1/box/hub-enrolment", json=WISH | changed)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize("who", ["mr_otieno", "amina"])
def test_only_the_keeper_joins_a_district(as_, who):
    assert as_(who).put("/api/v1/box/hub-enrolment", json=WISH).status_code == 403
    assert as_(who).get("/api/v1/box/sync").status_code == 403
