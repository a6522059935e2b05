"""A roster the district brings: read from text, and written as rows the district owns."""

import pytest

from sync.hub.orders.faults import BadRoster
from sync.hub.orders.roster import read_roster
from sync.hub.orders.rows import derived_id

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

PAGE = {"accept": "text/html"}
ROSTER = """Class;Name;Number
7 Sun;Amina Otieno;1
7 Sun;José Álvarez-Núñez;2
7 Moon;نور الهدى;
"""


@pytest.fixture
async def school(district):
    return await district.school()


async def brought(district, school, text):
    path = f"/schools/{school.school_id}/roster"
    return await district.client.post(path, data={"pupils": text}, headers=PAGE)


async def members(district, school, as_role):
    link = await as_role("darasa_web")
    await link.execute("SELECT set_config('app.district', $1, false)", str(district.id))
    found = await link.fetch(
        "SELECT g.name, p.display_name FROM class_member AS m"
        " JOIN class_group AS g ON g.id = m.class_group_id"
        " JOIN person AS p ON p.id = m.person_id"
        " WHERE m.owner_node_id IS NOT NULL AND m.deleted_at_ms IS NULL"
    )
    return sorted((row["name"], row["display_name"]) for row in found)


async def test_the_same_roster_again_writes_nothing(district, school):
    answer = await brought(district, school, ROSTER)
    assert (answer.status_code, "3 pupils in 2 classes" in answer.text) == (200, True), answer.text
    assert "Nothing had changed" in (await brought(district, school, ROSTER)).text
    pupils = [{"class_name": "7 Sun", "display_name": "Amina Otieno", "student_no": "1"}]
    path = f"/api/v1/schools/{school.school_id}/roster"
    report = await district.client.put(path, json={"pupils": pupils})
    assert report.json() == {"classes": 1, "pupils": 1, "written": 0}


async def test_a_pupil_with_a_number_keeps_it_through_a_new_name_and_class(
    district, school, as_role
):
    await brought(district, school, ROSTER)
    moved = "class,name,number\n7 Moon,Amina Wanjiru,1\n"
    assert (await brought(district, school, moved)).status_code == 200
    assert await members(district, school, as_role) == [
        ("7 Moon", "Amina Wanjiru"),
        ("7 Moon", "نور الهدى"),
        ("7 Sun", "José Álvarez-Núñez"),
    ]


async def test_two_pupils_of_one_name_are_two(district, school, as_role):
    await brought(district, school, "class,name\n7 Sun,Ali Hassan\n7 Sun,Ali Hassan\n")
    assert len(await members(district, school, as_role)) == 2


async def test_a_list_that_cannot_be_read_is_shown_again(district, school):
    answer = await brought(district, school, "class,name\n7 Sun,\n")
    assert (answer.status_code, "line 2" in answer.text) == (400, True), answer.text
    assert "7 Sun," in answer.text


@pytest.mark.parametrize(
    "text",
    [
        "class,name,number\n6 East,Amina Otieno,7\n",
        "\N{ZERO WIDTH NO-BREAK SPACE}Class;Number;Name;Remark\r\n6 East;7;Amina Otieno;late\r\n",
        "NUMBER\tNAME\tCLASS\n7\t Amina Otieno\t6 East \n",
        'name,class,number\n"Amina Otieno","6 East",7\n',
    ],
)
def test_columns_stand_in_any_order_behind_any_mark(text):
    (pupil,) = read_roster(text).pupils
    found = (pupil.class_name, pupil.display_name, pupil.student_no)
    assert found == ("6 East", "Amina Otieno", "7")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the first line is"),
        ("Amina\nJosé\n", "the first line is"),
        ("class,name\n", "no pupil"),
        ("class,name\n7 Sun,\n", "line 2"),
        ("class,name\n7 Sun,Ánh\n,Amina\n", "line 3"),
        (f"class,name\n7 Sun,{'a' * 201}\n", "line 2"),
        ("class,name\n7 Sun,Ami\0na\n", "line 2"),
        ("class,name\n7 Sun\n", "line 2"),
    ],
)
def test_a_list_that_cannot_be_read_names_the_line(text, words):
    with pytest.raises(BadRoster, match=words):
        read_roster(text)


def test_the_same_words_give_the_same_id_and_others_another():
    one = derived_id("a", "bc")
    assert one == derived_id("a", "bc") != derived_id("ab", "c")
    assert one.version == 8
