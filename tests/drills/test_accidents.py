"""The judge of the drills finds each kind of loss; a small accident with real processes."""

import asyncio
from uuid import UUID

import pytest

from tests.drills.hub_rollback import drill
from tests.drills.lineage import Found, Held, Lineage, Write, judge_facts, judge_values

PK = UUID(int=1).bytes
FACT = UUID(int=2).bytes
SAID = ("submission_revision", "Maji ni uhai")


def held(**given):
    return Held(**({"facts": {}, "groups": {}, "aside": set(), "digests": {}} | given))


def renamed_twice_and_then_closed():
    """7B became 7C, then was closed as 7D: only the last is nobody's history."""
    writes = [
        Write("7B", PK, None, is_deleted=False),
        Write("7C", PK, "7B", is_deleted=False),
        Write("7D", PK, "7C", is_deleted=True),
    ]
    return Lineage(writes={write.name: write for write in writes})


def two_boards_renamed_it():
    """Neither board had seen the other's value."""
    writes = [
        Write("7B", PK, None, is_deleted=False),
        Write("نجوم", PK, "7B", is_deleted=False),
        Write("Nyota", PK, "7B", is_deleted=False),
    ]
    return Lineage(writes={write.name: write for write in writes})


@pytest.mark.parametrize(
    ("book", "groups", "aside", "lost", "resurrected", "duplicated"),
    [
        (renamed_twice_and_then_closed(), ("7D", False), set(), 0, 0, 0),
        (renamed_twice_and_then_closed(), ("7C", True), set(), 1, 1, 0),
        (renamed_twice_and_then_closed(), ("7C", True), {"7D"}, 0, 1, 0),
        (renamed_twice_and_then_closed(), ("7D", True), set(), 0, 0, 1),
        (renamed_twice_and_then_closed(), ("8A", True), set(), 1, 0, 1),
        (two_boards_renamed_it(), ("Nyota", True), {"نجوم"}, 0, 0, 0),
        (two_boards_renamed_it(), ("Nyota", True), set(), 1, 0, 0),
        (two_boards_renamed_it(), ("7B", True), {"نجوم", "Nyota"}, 0, 1, 0),
    ],
)
def test_every_value_nobody_wrote_over_is_current_or_kept_beside(
    book, groups, aside, lost, resurrected, duplicated
):
    found = Found()
    judge_values(book, held(groups={PK: groups}), aside, found)
    counts = (len(found.lost), len(found.resurrected), len(found.duplicated))
    assert counts == (lost, resurrected, duplicated)


@pytest.mark.parametrize(
    ("facts", "lost", "duplicated"),
    [
        ({FACT: SAID}, 0, 0),
        ({}, 1, 0),
        ({FACT: ("submission_revision", "other words")}, 0, 1),
        ({FACT: SAID, PK: ("grade", "Vizuri")}, 0, 1),
        ({FACT: SAID, PK: SAID}, 0, 2),
    ],
)
def test_every_fact_is_there_once_and_says_what_was_written(facts, lost, duplicated):
    found = Found()
    judge_facts(Lineage(facts={FACT: SAID}), held(facts=facts), found, "hub")
    assert (len(found.lost), len(found.duplicated)) == (lost, duplicated)


@pytest.mark.system
@pytest.mark.postgres
def test_a_hub_put_back_without_the_runbook_gets_everything_again():
    result = asyncio.run(drill(20, seed=3, by_the_runbook=False, schools=1))
    assert result.is_good, result
    assert result.committed > 40
