"""A list of pupils read from text, and ids that the same words always get."""

import pytest

from sync.hub.orders.faults import BadRoster
from sync.hub.orders.roster import read_roster
from sync.hub.orders.rows import derived_id


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
