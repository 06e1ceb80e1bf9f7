"""Days of a market that a keeper looks at whenever it likes: prices, samples that fall due, and what others say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from keeper.core.model.bar import HOUR_S, MINUTE_S, MarketHistory, Quote
from keeper.core.model.policy import OutsidePolicy, Policy, SignalWeight, StressPolicy, UniversePool
from keeper.core.model.pool import BlockPrice
from keeper.core.model.record import Observation
from keeper.core.signals import names
from tests.builders import block_ref, policy, prices
from tests.pairs import BLOCK, DAY_S, NOW_S, USDC, USDC_WETH_3000, WETH
from tests.surroundings import sample
from tests.unit.engine_world import HELD, observation

HOURS = 200.0
TAPE = prices(HOURS, every_blocks=25, end_block=BLOCK + 5 * DAY_S // 12, seed=7)
"""From three and a third days before NOW_S until five days after it, a row every five minutes."""
FIRST_S = TAPE[0].timestamp_s
LOOKBACK_S = 12 * HOUR_S
MIDNIGHT_S = NOW_S // DAY_S * DAY_S + DAY_S
"""The first after NOW_S; a turn of the windows."""


def watchful(**fields: object) -> Policy:
    """Every instrument has something to measure, and some have weight."""
    outside = OutsidePolicy(
        sample_every_s=900,
        universe=(UniversePool(key=USDC_WETH_3000, base=WETH),),
        lending=(USDC, WETH),
        marks=("chainlink_eth_usd",),
        implied="deribit_dvol",
    )
    weighted = (names.VOLATILITY_FORECAST, names.QUICK_RATIO, names.MARK_DEVIATION, names.TAKER_FLOW)
    stress = StressPolicy(weights=tuple(SignalWeight(name=name, weight=0.25) for name in weighted), least_available=0.1)
    rules = policy()
    signals = replace(rules.signals, lookback_s=LOOKBACK_S)
    return replace(rules, **{"signals": signals, "outside": outside, "stress": stress, **fields})


def number_at(now_s: int) -> int:
    """The block that is the newest at that time."""
    return BLOCK + (now_s - NOW_S) // 12


@dataclass
class Days:
    """A source whose clock a test sets; it looks back as far as the policy says, and samples when it is asked to."""

    now_s: int = NOW_S
    lookback_s: int = LOOKBACK_S
    tape: tuple[BlockPrice, ...] = TAPE
    quotes: tuple[Quote, ...] = ()
    can_sample: bool = True

    def observe(self, *, token_ids: Sequence[int], prices_after_block: int | None, sample_after_s: int | None) -> Observation:  # ruff: ignore[unused-method-argument]
        head = block_ref(number_at(self.now_s), self.now_s)
        first = number_at(self.now_s - self.lookback_s)
        is_gap = prices_after_block is None or prices_after_block + 1 < first
        after = max(first - 1, -1 if prices_after_block is None else prices_after_block)
        due = self.can_sample and sample_after_s is not None and self.now_s >= sample_after_s
        return replace(
            observation(*HELD),
            block=head,
            prices=tuple(row for row in self.tape if after < row.block <= head.number),
            prices_since_s=self.now_s - self.lookback_s if is_gap else None,
            sample=sample(self.now_s, balance0=self.now_s) if due else None,
            quotes=self.quotes,
        )


def assert_no_bar_is_made_up(known: MarketHistory, down: Sequence[tuple[int, int]] = ()) -> None:
    """Every bar opens at the price before it; between bars that do not follow on one another nobody looked.

    Args:
        known: all bars of a journal.
        down: times at which nobody looked and that were not looked back on, both ends as chain time.
    """
    gaps = [(one.end_s, other.start_s) for one, other in pairwise(known.minutes) if one.end_s != other.start_s]
    assert len(gaps) == len(down)
    for (end_s, start_s), (from_s, to_s) in zip(gaps, down, strict=True):
        assert end_s <= from_s
        assert start_s > to_s
    closes = {row.timestamp_s // MINUTE_S * MINUTE_S: row.sqrt_price_x96 for row in TAPE}
    for bar in known.minutes:
        assert bar.close_x96 == closes.get(bar.start_s, bar.open_x96)
