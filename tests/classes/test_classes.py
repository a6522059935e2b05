"""Classes and PINs over HTTP: who may, who must not even know."""

import pytest

from appliance.access.commands import PIN_TRIES_MAX
from appliance.classes.pins import TOO_EASY, new_pin
from tests.cast import new_id

PAGE = {"accept": "text/html"}


@pytest.fixture(autouse=True)
def keys(box):
    box.app.state.keyring.load()


def test_whoever_makes_a_class_teaches_it(as_, school):
    body = {"id": str(new_id()), "name": " Form 1  ", "grade_level": "1"}
    client = as_("mr_otieno")
    first = client.post("/api/v1/classes", json=body)
    assert first.status_code == 201
    assert first.json() == client.post("/api/v1/classes", json=body).json()
    page = client.get(f"/api/v1/classes/{body['id']}").json()
    assert page["group"]["name"] == "Form 1"
    assert [teacher["person_id"] for teacher in page["teachers"]] == [str(school.mr_otieno)]
    other = client.post("/api/v1/classes", json=body | {"name": "Form 2"})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")


def test_an_administrator_who_does_not_teach_makes_a_class_for_a_colleague(as_, school):
    client = as_("keeper")
    made = client.post("/api/v1/classes", json={"name": "Form 1"}).json()
    path = f"/api/v1/classes/{made['id']}"
    assert client.get(path).json()["teachers"] == []
    body = {"person_id": str(school.baraka)}
    assert client.post(f"{path}/teachers", json=body).status_code == 204
    assert as_("baraka").get(path).status_code == 200
    pupil = {"person_id": str(school.amina)}
    assert as_("keeper").post(f"{path}/teachers", json=pupil).status_code == 404


@pytest.mark.parametrize(
    ("who", "names"),
    [
        ("mr_otieno", ["6 East"]),
        ("ms_wanjiru", ["6 East"]),
        ("baraka", ["6 West"]),
        ("keeper", ["6 East", "6 West"]),
    ],
)
def test_teachers_see_their_own_classes_and_the_keeper_all(as_, who, names):
    assert [group["name"] for group in as_(who).get("/api/v1/classes").json()] == names


@pytest.mark.parametrize(
    ("who", "status"),
    [("mr_otieno", 200), ("keeper", 200), ("baraka", 404), ("amina", 403), (None, 401)],
)
def test_who_may_open_the_class_east(as_, school, who, status):
    assert as_(who).get(f"/api/v1/classes/{school.east}").status_code == status


def test_a_pupil_comes_and_goes_and_comes_back(as_, school):
    client = as_("mr_otieno")
    path = f"/api/v1/classes/{school.east}"

    def there():
        return str(school.jomo) in [m["person_id"] for m in client.get(path).json()["members"]]

    for _ in range(2):
        body = {"person_ids": [str(school.jomo)]}
        assert client.post(f"{path}/members", json=body).status_code == 204
        assert there()
        assert client.delete(f"{path}/members/{school.jomo}").status_code == 204
        assert not there()
    assert client.delete(f"{path}/members/{school.jomo}").status_code == 404
    staff = {"person_ids": [str(school.baraka)]}
    assert client.post(f"{path}/members", json=staff).status_code == 404


def test_a_new_pupil_is_sent_twice_and_is_one_pupil(as_, school):
    body = {"id": str(new_id()), "display_name": "Neema Juma", "class_group_id": str(school.east)}
    client = as_("mr_otieno")
    assert [client.post("/api/v1/people", json=body).status_code for _ in range(2)] == [201, 201]
    names = [
        m["display_name"] for m in client.get(f"/api/v1/classes/{school.east}").json()["members"]
    ]
    assert names.count("Neema Juma") == 1
    taken = client.post("/api/v1/people", json=body | {"display_name": "Somebody Else"})
    assert taken.status_code == 409


@pytest.mark.parametrize(
    ("who", "body", "status"),
    [
        ("mr_otieno", {"display_name": "Neema", "class_group_id": "west"}, 404),
        ("mr_otieno", {"display_name": "Neema"}, 404),
        ("keeper", {"display_name": "Neema"}, 201),
        (
            "mr_otieno",
            {"display_name": "New", "roles": ["teacher"], "sign_in_name": "n", "password": "x" * 8},
            403,
        ),
        (
            "keeper",
            {"display_name": "New", "roles": ["teacher"], "sign_in_name": "n", "password": "x" * 8},
            201,
        ),
        ("keeper", {"display_name": "New", "roles": ["teacher"]}, 400),
        ("keeper", {"display_name": "New", "sign_in_name": "n", "password": "x" * 8}, 400),
        (
            "keeper",
            {
                "display_name": "New",
                "roles": ["district_admin"],
                "sign_in_name": "n",
                "password": "x" * 8,
            },
            400,
        ),
        ("keeper", {"display_name": "  "}, 400),
    ],
)
def test_who_may_add_whom(as_, school, who, body, status):
    if "class_group_id" in body:
        body = body | {"class_group_id": str(school.west)}
    assert as_(who).post("/api/v1/people", json=body).status_code == status


def test_two_people_cannot_share_a_sign_in_name(as_, school):
    body = {"display_name": "A", "roles": ["teacher"], "sign_in_name": "same", "password": "x" * 8}
    client = as_("keeper")
    assert client.post("/api/v1/people", json=body).status_code == 201
    again = client.post("/api/v1/people", json=body | {"display_name": "B", "sign_in_name": "SAME"})
    assert (again.status_code, again.json()["code"]) == (409, "name-taken")
    gift = {"sign_in_name": "otieno", "password": "mango river stone"}
    path = f"/api/v1/people/{school.mr_otieno}/password"
    assert client.put(path, json=gift | {"sign_in_name": "same"}).status_code == 409
    assert client.put(path, json=gift).status_code == 204
    assert client.post("/api/v1/sessions", json=gift).status_code == 201
    pupil = f"/api/v1/people/{school.amina}/password"
    assert as_("keeper").put(pupil, json=gift).status_code == 404


def sign_in(client, person_id, pin):
    client.cookies.clear()
    return client.post("/api/v1/sessions", json={"person_id": str(person_id), "pin": pin})


def test_pins_are_given_once_and_only_their_own_pupil_uses_them(as_, school):
    client = as_("mr_otieno")
    pins = client.post(f"/api/v1/classes/{school.east}/pins").json()
    assert {new["person_id"] for new in pins} == {
        str(each) for each in (school.amina, school.jose, school.noor, school.anh)
    }
    assert client.post(f"/api/v1/classes/{school.east}/pins?missing_only=true").json() == []
    for new in pins:
        assert sign_in(client, new["person_id"], new["pin"]).status_code == 201


@pytest.mark.parametrize(
    ("who", "status"),
    [("mr_otieno", 201), ("keeper", 201), ("baraka", 404), ("jomo", 403), (None, 401)],
)
def test_who_may_give_amina_a_new_pin(as_, school, who, status):
    assert as_(who).post(f"/api/v1/people/{school.amina}/pin").status_code == status


def test_a_new_pin_unlocks_a_name(as_, school):
    client = as_("mr_otieno")
    pin = client.post(f"/api/v1/people/{school.amina}/pin").json()["pin"]
    for _ in range(PIN_TRIES_MAX):
        sign_in(client, school.amina, "0000")
    assert sign_in(client, school.amina, pin).json()["code"] == "pin-locked"
    assert as_("mr_otieno").get(f"/api/v1/classes/{school.east}").json()["members"][0]["is_locked"]
    pin = client.post(f"/api/v1/people/{school.amina}/pin").json()["pin"]
    assert sign_in(client, school.amina, pin).status_code == 201


def test_staff_get_no_pin(as_, school):
    assert as_("keeper").post(f"/api/v1/people/{school.mr_otieno}/pin").status_code == 404


def test_a_drawn_pin_is_four_digits_and_no_first_guess():
    drawn = {new_pin() for _ in range(3_000)}
    assert drawn.isdisjoint(TOO_EASY)
    assert all(len(pin) == 4 and pin.isdecimal() for pin in drawn)
    assert len(drawn) > 2_000


def test_names_are_sorted_as_people_sort_them(as_, school):
    names = [
        person["display_name"]
        for person in as_(None).get(f"/api/v1/sign-in/classes/{school.east}/people").json()
    ]
    assert names == ["Amina Otieno", "José Álvarez-Núñez", "Nguyễn Thị Ánh", "نور الهدى"]


def post(client, path, **form):
    return client.post(path, data=form, headers=PAGE, follow_redirects=False)


def test_a_teacher_makes_a_class_brings_names_and_prints_cards(as_):
    client = as_("mr_otieno")
    made = post(client, "/teach/classes", name="Form 1 <East>")
    path = made.headers["location"]
    assert "Form 1 &lt;East&gt;" in client.get(path, headers=PAGE).text
    group_id = path.rsplit("/", 1)[1]
    form = {"text": "Neema Juma\nKwame <b>Mensah</b>\n77", "class_group_id": group_id}
    preview = client.post("/teach/people/import", data=form, headers=PAGE, files={"files": b""})
    assert "Leave those lines out" in preview.text
    assert "&lt;b&gt;" in preview.text
    packed = preview.text.split('name="packed" value="')[1].split('"')[0]
    done = client.post("/teach/people/import/confirm", data={"packed": packed}, headers=PAGE)
    assert "The list is in" in done.text
    assert "2 cards" in client.get(f"{path}/cards", headers=PAGE).text
    cards = post(client, f"{path}/cards", missing_only="true")
    assert cards.text.count('class="pin-card"') == 2
    assert cards.headers["cache-control"] == "no-store"
    assert "Everybody has a PIN" in post(client, f"{path}/cards", missing_only="true").text


def test_a_file_may_be_uploaded_instead(as_, school):
    upload = {"files": ("list.csv", "Prénom;Nom\nRené;Dupont".encode("cp1252"))}
    form = {"text": "", "class_group_id": str(school.east)}
    page = as_("mr_otieno").post("/teach/people/import", data=form, files=upload, headers=PAGE)
    assert page.status_code == 200
    assert "René Dupont" in page.text
    assert "Windows-1252" in page.text


@pytest.mark.parametrize("text", ["", "\0", "7777"])
def test_a_list_that_cannot_be_read_comes_back_with_what_was_wrong(as_, school, text):
    form = {"text": text, "class_group_id": str(school.east)}
    page = as_("mr_otieno").post(
        "/teach/people/import", data=form, headers=PAGE, files={"files": b""}
    )
    assert page.status_code == 400
    assert "notice-error" in page.text


def test_a_preview_that_was_cut_off_is_refused(as_):
    answer = post(as_("mr_otieno"), "/teach/people/import/confirm", packed="bm9uc2Vuc2U=")
    assert answer.status_code == 400
    assert "cut off" in answer.text


def test_two_taps_reset_a_pin_on_the_page(as_, school):
    client = as_("mr_otieno")
    page = client.get("/teach/people", headers=PAGE)
    assert f'action="/teach/people/{school.amina}/pin"' in page.text
    assert "Jomo" not in page.text
    card = post(client, f"/teach/people/{school.amina}/pin")
    pin = card.text.split('pin-card-pin">')[1].split("<")[0].replace(" ", "")
    assert sign_in(client, school.amina, pin).status_code == 201


def test_the_keeper_adds_a_colleague_and_renews_a_password_on_pages(as_, school):
    client = as_("keeper")
    form = {
        "display_name": "New One",
        "role": "teacher",
        "sign_in_name": "new",
        "password": "x" * 8,
    }
    assert post(client, "/teach/people", **form).headers["location"] == "/teach/people"
    again = post(client, "/teach/people", **form)
    assert again.status_code == 409
    assert 'value="New One"' in again.text
    path = f"/teach/people/{school.mr_otieno}/password"
    assert "Otieno wa Kamau" in client.get(path, headers=PAGE).text
    assert post(client, path, sign_in_name="new", password="y" * 8).status_code == 409
    assert post(client, path, sign_in_name="otieno", password="y" * 8).status_code == 303


def test_pages_of_a_class_move_people(as_, school):
    client = as_("mr_otieno")
    path = f"/teach/classes/{school.east}"
    assert post(client, f"{path}/members/{school.amina}/remove").headers["location"] == path
    assert "Amina" not in client.get(path, headers=PAGE).text
    form = {"person_id": str(school.baraka)}
    assert post(client, f"{path}/teachers", **form).status_code == 303
    assert "Baraka Mushi" in client.get(path, headers=PAGE).text
    assert "6 East" in client.get("/teach/classes", headers=PAGE).text
    assert client.get("/teach/classes/new", headers=PAGE).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/classes", {"name": "Form\0 1"}),
        ("/api/v1/classes", {"name": "Form 1", "grade_level": "1\0"}),
        ("/api/v1/people", {"display_name": "Amina\0Otieno"}),
    ],
)
def test_a_name_the_district_could_not_keep_is_refused(as_, path, body):
    answer = as_("keeper").post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
