"""A name is taken out of a log in whatever script it is, and however it was typed."""

import unicodedata

import pytest

from appliance.health.redaction import Redactor

WHERE = "INFO appliance.courses.disk course read name={}, retries=3"
JOINED = "\N{ZERO WIDTH NON-JOINER}"
ISOLATED = "\N{RIGHT-TO-LEFT ISOLATE}"
END = "\N{POP DIRECTIONAL ISOLATE}"
FLAG = "\N{RIGHT-TO-LEFT MARK}"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Amina Otieno", "Amina Otieno"),
        ("Amina Otieno", "AMINA otieno"),
        ("José Álvarez-Núñez", "José Álvarez-Núñez"),
        ("José Álvarez-Núñez", unicodedata.normalize("NFD", "José Álvarez-Núñez")),
        (unicodedata.normalize("NFD", "Nguyễn Thị Ánh"), "Nguyễn Thị Ánh"),
        ("Nguyễn Thị Ánh", "Nguyen Thi Anh"),
        ("نور الهدى", "نور الهدى"),
        ("عُمَر", "عُمَر"),
        ("عُمَر", "عمر"),  # the vowel signs are left out as often as written
        ("عمر", "عـمـر"),  # stretched
        ("نور", f"{ISOLATED}نور{END}"),
        ("علی\u200cرضا", f"علی{JOINED}رضا"),
        ("נֹעַם", "נעם"),
        ("प्रिया", "प्रिया"),
        ("ক্ষিতি", "ক্ষিতি"),
        ("தமிழ்ச்செல்வி", "தமிழ்ச்செல்வி"),
        ("අමරසිංහ", "අමරසිංහ"),
        ("አበበ ቢቂላ", "አበበ ቢቂላ"),
        ("ߛߋߞߎ߬", "ߛߋߞߎ߬"),
        ("𞤀𞤥𞤭𞤲𞤢", "𞤢𞤥𞤭𞤲𞤢"),
        ("Олександра", "ОЛЕКСАНДРА"),
        ("Şeyma İnci", "şeyma inci"),
        ("Σοφία", "ΣΟΦΙΑ"),
        ("王小明", "王小明"),
        ("王小明", "王小明交了作业"),
        ("さくら", "さくらのノート"),
        ("김민준", "김민준이"),
        ("สมชาย", "สมชายส่งงาน"),
        ("စု", "စု"),
        ("O", "O"),
        ("Ё", "Ё"),
        ("Á", unicodedata.normalize("NFD", "Á")),
        ("Oʻktam Kaʻahumanu", "O'ktam Ka'ahumanu"),
        ("N'Diaye O.", "N'Diaye O."),
        ("fatou_diop7", "fatou_diop7"),
        ("20417", "20417"),
    ],
)
def test_no_part_of_a_name_is_left(name, written):
    said = Redactor([name], b"one").text(WHERE.format(written))
    left = said.removeprefix(WHERE.partition("{")[0]).removesuffix(WHERE.partition("}")[2])
    for mark in (" ", "-", "'", "’", ".", "_", FLAG):
        left = left.replace(mark, "")
    assert left == "[name]" * left.count("[name]")
    assert left
    assert said.endswith(", retries=3")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Amina A.", "a class is at work"),
        ("Form 3", "retries=3"),
        ("Ann", "a planned announcement"),
        ("नीता", "नया"),
        ("...", "no name at all..."),
        ("", "nothing"),
    ],
)
def test_what_is_no_name_stays(name, said):
    assert Redactor([name], b"one").text(said) == said
