"""Everything that the strategy can say has words."""

from __future__ import annotations

import inspect
import re

import pytest

from keeper.app.cli import phrases
from keeper.core.strategy import gates, triggers

TRIGGERS = [value for name, value in vars(triggers).items() if name.isupper() and isinstance(value, str)]
GATES = re.findall(r'_veto\("(\w+)"', inspect.getsource(gates))


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
