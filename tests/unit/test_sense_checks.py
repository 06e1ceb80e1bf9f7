"""What ``keeper check`` says of the senses: a source fails it exactly when the score listens to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from keeper.adapters.chain.preflight import CheckResult
from keeper.adapters.evm.rpc import Rpc, RpcUnreachable
from keeper.app import bootstrap
from keeper.app.sense_checks import sense_checks
from keeper.app.settings import load, to_policy
from keeper.core.model.bar import PoolSample, Quote, Reserve, Sample
from keeper.core.model.calendar import Calendar
from keeper.core.model.policy import Policy, SignalWeight, StressPolicy
from keeper.core.model.record import Observation
from keeper.core.signals import names
from tests.pairs import NOW_S, WALLET
from tests.unit.engine_world import observation

SETTINGS = load(flags={"outside.implied": "deribit_dvol", "deribit.enabled": True}, environ={}).settings
SHIPPED = to_policy(SETTINGS)
EVENTS = SHIPPED.calendar.calendar.events
NOON_S = EVENTS[0].at_s
NO_NODE = Rpc("http://127.0.0.1:9", attempts=1)


def listening_to(*signals: str) -> Policy:
    """The shipped rules with all weight on these signals."""
    weights = tuple(SignalWeight(name=name, weight=1 / len(signals)) for name in signals)
    return replace(SHIPPED, stress=StressPolicy(weights=weights))


def surroundings(*, pools: int = 99, reserves: int = 99) -> Sample:
    """A sample in which so many of what is followed answered."""
    return Sample(
        timestamp_s=NOW_S,
        block=1,
        fee_growth_global0_x128=1,
        fee_growth_global1_x128=1,
        balance0=1,
        balance1=1,
        pools=tuple(
            PoolSample(
                address=pool.key.address,
                sqrt_price_x96=2**96,
                liquidity=1,
                fee_growth_global0_x128=1,
                fee_growth_global1_x128=1,
            )
            for pool in SHIPPED.outside.universe[:pools]
        ),
        reserves=tuple(
            Reserve(asset=token.address, available=1, debt=1, kink_ray=None) for token in SHIPPED.outside.lending[:reserves]
        ),
    )


FEED = Quote(name="chainlink_eth_usd", value=4_123.5, as_of_s=NOW_S, source="feed")
DVOL = Quote(name="deribit_dvol", value=0.6258, as_of_s=NOW_S, source="deribit")


class Source:
    """Shows one observation, or fails."""

    def __init__(self, seen: Observation | Exception) -> None:
        self._seen = seen

    def observe(
        self,
        *,
        token_ids: Sequence[int],  # ruff: ignore[unused-method-argument]
        prices_after_block: int | None,  # ruff: ignore[unused-method-argument]
        sample_after_s: int | None,
    ) -> Observation:
        assert sample_after_s == 0, "a sample is wanted"
        if isinstance(self._seen, Exception):
            raise self._seen
        return self._seen


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is found with such rules and such an observation; nobody is asked over the net."""

    def checked(policy: Policy, seen: Observation | Exception, *, now_s: int = NOON_S) -> dict[str, CheckResult]:
        monkeypatch.setattr(bootstrap, "open_deribit", lambda _settings: None)
        monkeypatch.setattr(bootstrap, "open_source", lambda *_given: Source(seen))
        results = sense_checks(SETTINGS, policy, NO_NODE, WALLET, wall_clock=lambda: float(now_s))
        assert all(bool(result.remedy) != result.ok for result in results)
        return {result.name: result for result in results}

    return checked


def test_everything_that_answers_is_a_line_that_holds(found: Any) -> None:
    results = found(SHIPPED, observation(sample=surroundings(), quotes=(FEED, DVOL)))
    assert {name: (result.ok, result.found) for name, result in results.items()} == {
        "calendar": (True, f"{len(EVENTS)} events"),
        "universe": (True, "22 of 22 answer"),
        "lending market": (True, "3 of 3 answer"),
        "quote chainlink_eth_usd": (True, "4123.5"),
        "quote deribit_dvol": (True, "0.6258"),
    }


SILENT = observation(sample=surroundings(pools=20, reserves=0), quotes=(replace(FEED, value=None, fault="the round is old"),))


def test_what_is_silent_is_named_and_fails_nothing_while_it_has_no_weight(found: Any) -> None:
    results = found(SHIPPED, SILENT)
    assert all(result.ok for result in results.values())
    silent = ", ".join(pool.base.symbol for pool in SHIPPED.outside.universe[20:])
    spared = "; what is read of it counts for nothing in the score"
    assert results["universe"].found == f"20 of 22 answer, not {silent}{spared}"
    assert results["lending market"].found == f"0 of 3 answer{spared}"
    assert results["quote chainlink_eth_usd"].found == f"the round is old{spared}"
    assert results["quote deribit_dvol"].found == f"not told{spared}"


@pytest.mark.parametrize(
    ("signal", "line"),
    [
        (names.BREADTH, "universe"),
        (names.EFFECTIVE_RATE_QUOTE, "universe"),
        (names.QUICK_RATIO_CHANGE, "lending market"),
        (names.LIQUIDATIONS, "lending market"),
        (names.MARK_DEVIATION, "quote chainlink_eth_usd"),
        (names.ARBITRAGE_SHARE, "quote chainlink_eth_usd"),
        (names.VOLATILITY_OUTSIDE, "quote deribit_dvol"),
    ],
)
def test_a_silent_source_of_a_signal_with_weight_fails(found: Any, signal: str, line: str) -> None:
    results = found(listening_to(signal), SILENT)
    assert [name for name, result in results.items() if not result.ok] == [line]
    whole = found(listening_to(signal), observation(sample=surroundings(), quotes=(FEED, DVOL)))
    assert all(result.ok for result in whole.values())


def test_a_calendar_that_has_run_out_fails_only_where_it_counts(found: Any) -> None:
    seen = observation(sample=surroundings(), quotes=(FEED, DVOL))
    late_s = EVENTS[-1].at_s + 1
    out = found(SHIPPED, seen, now_s=late_s)["calendar"]
    assert not out.ok
    assert "run out for" in out.found
    assert "keeper calendar import" in out.remedy
    assert found(listening_to(names.RSI), seen, now_s=late_s)["calendar"].ok


def test_a_node_that_does_not_answer_is_one_line(found: Any) -> None:
    results = found(SHIPPED, RpcUnreachable("the node did not answer"))
    assert [name for name, result in results.items() if not result.ok] == ["signals"]
    assert "did not answer" in results["signals"].found


def test_without_an_account_only_the_calendar_can_be_judged() -> None:
    (calendar,) = sense_checks(SETTINGS, SHIPPED, NO_NODE, None, wall_clock=lambda: float(NOON_S))
    assert (calendar.name, calendar.ok) == ("calendar", True)


def test_an_empty_calendar_is_told_as_such(found: Any) -> None:
    rules = replace(SHIPPED.calendar, calendar=Calendar(events=(), rules=SHIPPED.calendar.calendar.rules))
    result = found(replace(SHIPPED, calendar=rules), observation(sample=surroundings(), quotes=(FEED, DVOL)))["calendar"]
    assert not result.ok
    assert result.found.startswith("0 events, run out for ")
