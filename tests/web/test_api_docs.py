import re


def test_the_interface_is_described_for_programs(box):
    first, again = (box.get("/api/openapi.json") for _ in range(2))
    assert first.json()["openapi"].startswith("3.1")
    assert "/api/v1/me" in first.json()["paths"]
    assert "/design" not in first.json()["paths"]
    assert first.content == again.content


def test_its_page_loads_nothing_from_elsewhere_and_carries_no_script(box):
    page = box.get("/api/docs").text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {address.split("/")[1] for address in loaded} == {"static", "api"}
    assert all(box.get(address).status_code == 200 for address in loaded)
    assert "<script>" not in page
