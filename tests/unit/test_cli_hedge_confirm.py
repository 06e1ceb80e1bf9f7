"""An order for an option takes the right words."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest

from keeper.app.cli.hedge_confirm import asked
from keeper.app.settings import load
from keeper.core.model.decision import BuyProtection, EndProtection
from keeper.core.model.errors import ConfigError
from keeper.core.model.option import CloseHow, CostModel
from keeper.core.model.token import TokenAmount
from tests.builders import USDC, decision, policy, view
from tests.options import held, quote
from tests.unit.test_cli_confirm import Typed

BUY = BuyProtection(tier="near", quote=quote(), max_cost=TokenAmount(token=USDC, raw=1_010 * 10**6))
EXERCISE = EndProtection(position=held(), how=CloseHow.EXERCISE, min_out=TokenAmount(token=USDC, raw=2_475 * 10**6))


def agreed(monkeypatch, move, text, *, terminal=True):
    told, made = io.StringIO(), decision(moves=() if move is None else (move,))
    monkeypatch.setattr(sys, "stdin", Typed(text) if terminal else io.StringIO(text))
    monkeypatch.setattr(sys, "stderr", told)
    decide = asked(load(environ={}).settings, "hedge buy --live", lambda *_: made)
    assert decide(view(), (), policy()) is made
    return told.getvalue()


def test_a_purchase_is_told_with_the_most_that_it_takes(monkeypatch):
    told = agreed(monkeypatch, BUY, "mainnet 1010.00\n")
    for words in (
        "shop: a put at 3,600.00 USDC on 10.000000 WETH until",
        "for near",
        "at most 1,010.00 USDC is paid",
        "after 2",
    ):
        assert words in told
    assert told.endswith('Type "mainnet 1010.00" to go on: ')


def test_what_is_paid_for_while_it_is_held_is_told_so(monkeypatch):
    day = TokenAmount(token=USDC, raw=12 * 10**6)
    streamed = replace(BUY, quote=quote(cost_model=CostModel.STREAMED, carry_per_day=day))
    assert "some 12.000000 USDC a day, without a bound" in agreed(monkeypatch, streamed, "mainnet 1010.00\n")


def test_an_exit_is_told_with_its_deadline_and_the_least_that_it_brings(monkeypatch):
    told = agreed(monkeypatch, EXERCISE, "mainnet 2500.00\n")
    for words in (
        "shop: exercise option 0",
        "It pays nothing after 2",
        "It brings 2,500.00 USDC now; where the venue takes a limit, 2,475.00 USDC or more",
    ):
        assert words in told


@pytest.mark.parametrize("text", ["", "yes\n", "mainnet\n", "mainnet 1010\n", "arbitrum 1010.00\n"])
def test_anything_else_does_nothing(monkeypatch, text):
    with pytest.raises(ConfigError, match="nothing was done"):
        agreed(monkeypatch, BUY, text)


def test_without_a_terminal_it_is_refused(monkeypatch):
    with pytest.raises(ConfigError, match="hedge buy --live asks before it acts; without a terminal say --yes"):
        agreed(monkeypatch, BUY, "mainnet 1010.00\n", terminal=False)


def test_where_nothing_is_done_nothing_is_asked(monkeypatch):
    assert not agreed(monkeypatch, None, "", terminal=False)
