"""Everything that the strategy can say has words."""

from __future__ import annotations

import inspect
import re

import pytest

from keeper.app.cli import phrases
from keeper.core.strategy import gates, triggers
from keeper.core.strategy.hedge import beside, funding, lean, orders, proposal, synthetic, uncovered, wake


def _is_trigger(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("hedge_", "lean"))


TRIGGERS = [value for name, value in vars(triggers).items() if name.isupper() and isinstance(value, str)]
GATES = re.findall(r'_veto\("(\w+)"', inspect.getsource(gates))
HEDGE_TRIGGERS = [
    value
    for module in (beside, funding, lean, orders, proposal, synthetic, wake)
    for value in vars(module).values()
    if _is_trigger(value)
]
HEDGE_GATES = {
    name
    for module in (lean, proposal, uncovered)
    for name in re.findall(r'"(hedge_\w+|lean|lean_\w+|uncovered)"', inspect.getsource(module))
}


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_every_trigger_has_words_and_they_carry_its_number(trigger):
    assert len(TRIGGERS) >= 12
    told = phrases.REASONS[trigger](7.0, 5.0, "units")
    assert re.search(r"[57]", told)


@pytest.mark.parametrize("gate", GATES)
def test_every_gate_has_words(gate):
    assert len(GATES) >= 11
    assert phrases.phrase(phrases.VETOES, gate, "core:", 7.0, 5.0, "units").startswith("core: ")


def test_a_name_without_words_is_told_with_its_numbers():
    assert phrases.phrase({}, "some_gate", None, 1.5, 2.0, "ticks") == "some gate: 1.5 against 2 ticks"


def test_every_trigger_and_gate_of_protection_has_words():
    assert len(set(HEDGE_TRIGGERS)) >= 8
    assert set(HEDGE_TRIGGERS) <= set(phrases.REASONS)
    assert len(HEDGE_GATES) >= 9
    assert HEDGE_GATES - set(HEDGE_TRIGGERS) <= set(phrases.VETOES)


def test_a_tier_that_woke_by_the_price_says_how_far_it_has_gone():
    told = phrases.phrase(phrases.REASONS, "hedge_walked", None, 0.65, 0.6, "near: of the way to the ladder's end")
    assert told == "tier near: the price has gone 65% of the way to the ladder's end, wakes at 60%"


def test_a_volatility_that_is_not_known_is_no_zero():
    assert phrases.REASONS[triggers.VOLATILITY](0.0, 0.6, "per year") == "volatility is not known yet"
    assert "61%" in phrases.REASONS[triggers.VOLATILITY](0.61, 0.6, "per year")
