"""Every order of events of two boards and a hub; `make model` goes further."""

from tests.simulation.ablations import no_conflict_table
from tests.simulation.model import explore


def test_no_order_of_two_writes_on_a_card_and_its_clone_loses_one():
    result = explore(2, 0)
    assert result.failures == []
    assert result.states > 200
    assert result.at_rest > 5


def test_a_missing_rule_shows_in_some_order():
    with no_conflict_table():
        result = explore(2, 0, stops_early=True)
    assert any("I1" in words for words, _ in result.failures)
