"""The simulated chain as a cycle sees it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter

from keeper.core.model.bar import DAY_S, Sample
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockPrice
from keeper.core.model.record import Observation
from keeper.core.model.view import Gas
from keeper.simulation.account import VirtualAccount
from keeper.simulation.frictions import BaseFees
from keeper.simulation.market import SimMarket
from keeper.simulation.watch import Watch

_LATE_S = 2 * DAY_S
"""To let go of the first few of many rows moves all the others."""
_BLOCK, _TIME = attrgetter("block"), attrgetter("timestamp_s")


class SimSource:
    """Reads market and account where they stand; the market is moved by whoever runs the simulation.

    Args:
        market: the chain.
        account: ours.
        policy: the rules.
        base_fees: of the time.
        tip_wei: priority fee that is usual.
        watch: told of every look at the account.
    """

    def __init__(
        self,
        market: SimMarket,
        account: VirtualAccount,
        policy: Policy,
        *,
        base_fees: BaseFees,
        tip_wei: int,
        watch: Watch,
    ) -> None:
        self._market = market
        self._account = account
        self._policy = policy
        self._base_fees = base_fees
        self._tip_wei = tip_wei
        self._watch = watch

    def observe(
        self,
        *,
        token_ids: Sequence[int],  # ruff: ignore[unused-method-argument] - the account knows its positions
        prices_after_block: int | None,
        sample_after_s: int | None,
    ) -> Observation:
        """As the port says; of the surroundings only the signal pool is known."""
        market, now_s = self._market, self._market.now_s
        positions = self._account.manager.positions()
        self._watch.seen(positions)
        return Observation(
            chain_id=market.chain_id,
            block=market.block,
            pools=tuple(market.pools[key.address].view(now_s) for key in self._policy.pools),
            wallet=self._account.wallet,
            gas=Gas(base_fee_wei=self._base_fees.at(now_s), tip_wei=self._tip_wei),
            positions=positions,
            prices=self._prices(prices_after_block),
            prices_since_s=market.start_s if prices_after_block is None else None,
            sample=self._sample() if sample_after_s is not None and now_s >= sample_after_s else None,
        )

    def _prices(self, after_block: int | None) -> tuple[BlockPrice, ...]:
        """The rows after a block, or all of the look-back; older ones are let go, some days' at a time."""
        rows = self._market.pools[self._policy.signal_pool].rows
        least_s = self._market.now_s - self._policy.signals.lookback_s
        if rows and rows[0].timestamp_s < least_s - _LATE_S:
            del rows[: bisect_left(rows, least_s, key=_TIME)]
        first = bisect_left(rows, least_s, key=_TIME) if after_block is None else bisect_right(rows, after_block, key=_BLOCK)
        return tuple(rows[first:])

    def _sample(self) -> Sample:
        pool = self._market.pools[self._policy.signal_pool]
        return Sample(
            timestamp_s=self._market.now_s,
            block=self._market.block.number,
            fee_growth_global0_x128=pool.pool.fee_growth_global0_x128,
            fee_growth_global1_x128=pool.pool.fee_growth_global1_x128,
            balance0=max(pool.balance0, 0),
            balance1=max(pool.balance1, 0),
        )
