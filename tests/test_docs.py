"""What the pages say is there: links, headings, commands, tables."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import BLOCK, GENERATORS, family, import_everything

ROOT = Path(__file__).parents[1]
FOLDERS = ("docs", "systemd", "image-build", "bench", "tests")
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for each in FOLDERS for page in (ROOT / each).rglob("*.md"))]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"\bmake ([a-z][a-z0-9-]*)")
INLINE = re.compile(r"`[^`\n]+`")
PROGRAM = re.compile(r"\b(darasa-(?:box|agent|hub)) (?!darasa-)([a-z][a-z-]+)")
TEST_FOLDER = re.compile(r"`(tests/[a-z0-9_/.]+)`")
SECTION = re.compile(r"runbook, section ([^.]+)\.")
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|tmp|root|home|mnt|Users)/")


def text_of(page):
    return page.read_text(encoding="utf-8")


def named(page):
    return str(page.relative_to(ROOT))


def anchors(page):
    """Return the ids a reader's browser jumps to."""
    prose = FENCED.sub("", text_of(page))
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(prose)
    }


def headings(page):
    return set(HEADING.findall(FENCED.sub("", text_of(page))))


def test_there_are_pages_to_look_at():
    assert {"README.md", "CHANGELOG.md", "docs/runbook.md", "systemd/README.md"} <= set(
        map(named, PAGES)
    )


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page):
    for link in LINK.findall(INLINE.sub("", FENCED.sub("", text_of(page)))):
        assert "://" not in link, "the pages are read where there is no internet"
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert ROOT in (target, *target.parents), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_named_command_exists(page):
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", text_of(ROOT / "Makefile"), re.MULTILINE))
    assert set(TARGET.findall(code_in(page))) <= targets
    known = set(PROGRAM.findall(GENERATORS["commands"]()))
    assert set(PROGRAM.findall(code_in(page))) <= known


def test_every_module_the_makefile_starts_exists():
    started = set(re.findall(r"/python -m ([a-z0-9_.]+[a-z0-9_])", text_of(ROOT / "Makefile")))
    assert {"demo", "docs.generate"} <= started
    for name in started:
        path = ROOT.joinpath(*name.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), name


def code_in(page):
    """Return the fenced, indented and inline code of a page."""
    text = text_of(page)
    indented = re.findall(r"^ {4}.+$", text, re.MULTILINE)
    return "\n".join([*FENCED.findall(text), *indented, *INLINE.findall(text)])


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_test_that_is_named_as_proof_exists(page):
    for place in TEST_FOLDER.findall(text_of(page)):
        found = ROOT / place
        assert found.is_file() or any(found.rglob("test_*.py")), place


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_page_knows_the_machine_it_was_written_on(page):
    assert MACHINE_PATH.findall(text_of(page)) == []


def test_generated_tables_say_what_the_code_says():
    checked = subprocess.run(
        [sys.executable, "-m", "docs.generate", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_generator_has_its_place():
    places = [match["name"] for page in PAGES for match in BLOCK.finditer(text_of(page))]
    assert sorted(places) == sorted(GENERATORS)


def test_every_section_an_error_sends_people_to_exists():
    import_everything()
    sent_to = {section for fault in family() for section in SECTION.findall(fault.hint)}
    assert sent_to
    assert sent_to <= headings(ROOT / "docs" / "runbook.md")


def test_decisions_are_numbered_without_gaps():
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    for number, page in enumerate(pages, start=1):
        assert page.name.startswith(f"{number:04}-"), page.name
        assert text_of(page).startswith(f"# {number}. "), page.name


def test_every_decision_the_code_leans_on_is_written_down():
    sources = [
        path for each in ("appliance", "sync", "migrations") for path in (ROOT / each).rglob("*.*")
    ]
    named = {
        number
        for path in sources
        if path.suffix in {".py", ".sql"}
        for number in re.findall(r"docs/decisions/(\d{4})", text_of(path))
    }
    assert named <= {page.name[:4] for page in (ROOT / "docs" / "decisions").glob("*.md")}
