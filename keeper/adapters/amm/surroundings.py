"""What surrounds the signal pool, read with everything else of a cycle when a sample is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keeper.adapters.amm.pool_reads import check_price_law
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.block_reads import ReserveReads
from keeper.adapters.evm.multicall import Answers, ContractRead, Reverted, read_of, values
from keeper.adapters.evm.rpc import Call, RpcRefused
from keeper.core.model.bar import Liquidations, PoolSample, Reserve, Sample
from keeper.core.model.pool import BlockRef, PoolKey, PoolState

LIQUIDATION_BLOCKS = 1_000
"""Most blocks whose liquidations are asked for in one request: over three hours of mainnet, within every node's limits."""

_POOL = contract("UniswapV3Pool")
_SAMPLED = ("slot0", "liquidity", "feeGrowthGlobal0X128", "feeGrowthGlobal1X128")
_BALANCE_OF = contract("ERC20").function("balanceOf")
_BALANCE_GAS = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A sample that is to be taken."""

    first_block: int
    """From which liquidations are asked for."""


class Surroundings:
    """The samples of one source; remembers up to which block liquidations are known.

    The first sample of a process looks as far back for liquidations as one request may: it cannot know what was seen before it,
    and says where it began.

    Args:
        signal: the pool that the samples are about.
        universe: pools beside which it is judged; one that is not there or has no price is left out of the sample.
        reserves: the lending market, when there is one.
    """

    def __init__(self, signal: PoolKey, universe: Sequence[PoolKey], reserves: ReserveReads | None) -> None:
        self._reserves = reserves
        self._balances = tuple(
            read_of(token.address, _BALANCE_OF, signal.address, gas=_BALANCE_GAS) for token in (signal.token0, signal.token1)
        )
        self._pools = {
            key.address: tuple(read_of(key.address, _POOL.function(name), may_fail=True) for name in _SAMPLED)
            for key in universe
        }
        self._known_to: int | None = None

    def due(self, head: BlockRef, sample_after_s: int | None) -> Due | None:
        """The sample to take at ``head``; None when its time has not come."""
        if sample_after_s is None or head.timestamp_s < sample_after_s:
            return None
        oldest = max(head.number - LIQUIDATION_BLOCKS + 1, 0)
        # Never past the head: a second sample of one block asks for that block's liquidations again.
        return Due(first_block=oldest if self._known_to is None else min(max(oldest, self._known_to + 1), head.number))

    def reads(self, answers: Answers) -> list[ContractRead]:
        """Every read of a sample, as far as it can be known."""
        wanted = [*self._balances, *(read for reads in self._pools.values() for read in reads)]
        return wanted if self._reserves is None else [*wanted, *self._reserves.reads(answers)]

    def calls(self, due: Due, head: BlockRef) -> list[Call]:
        """What to ask beside the reads; the outcomes go to :meth:`sample`."""
        return [] if self._reserves is None else self._reserves.liquidation_calls(due.first_block, head.number)

    def sample(
        self, answers: Answers, outcomes: Sequence[Any | RpcRefused], due: Due, head: BlockRef, state: PoolState
    ) -> Sample:
        """The sample at ``head``.

        Args:
            answers: to all of :meth:`reads`.
            outcomes: of :meth:`calls`.
            due: of :meth:`due`.
            head: the block of the answers.
            state: the signal pool there.

        Raises:
            Reorged: a liquidation was removed from the chain.
            BadReply: an answer cannot be.
        """
        balance0, balance1 = (values(answers, read)[0] for read in self._balances)
        pools = (_pool_sample(address, [answers[read] for read in reads]) for address, reads in self._pools.items())
        reserves, liquidations = self._lending(answers, outcomes, due)
        return Sample(
            timestamp_s=head.timestamp_s,
            block=head.number,
            fee_growth_global0_x128=state.fee_growth_global0_x128,
            fee_growth_global1_x128=state.fee_growth_global1_x128,
            balance0=balance0,
            balance1=balance1,
            pools=tuple(pool for pool in pools if pool is not None),
            reserves=reserves,
            liquidations=liquidations,
        )

    def _lending(
        self, answers: Answers, outcomes: Sequence[Any | RpcRefused], due: Due
    ) -> tuple[tuple[Reserve, ...], Liquidations | None]:
        if self._reserves is None:
            return (), None
        return self._reserves.reserves(answers), self._reserves.liquidations(outcomes, due.first_block)

    def remember(self, sample: Sample) -> None:
        """Go on from this sample; where its liquidations are not known, they are asked for again with the next one."""
        if sample.liquidations is not None:
            self._known_to = sample.block


def _pool_sample(address: str, answered: Sequence[tuple[Any, ...] | Reverted]) -> PoolSample | None:
    told = [answer for answer in answered if not isinstance(answer, Reverted)]
    if len(told) < len(answered):
        return None
    (sqrt_price_x96, tick, *_), (liquidity,), (growth0_x128,), (growth1_x128,) = told
    if sqrt_price_x96 == 0:
        return None
    check_price_law(address, sqrt_price_x96, tick)
    return PoolSample(
        address=address,
        sqrt_price_x96=sqrt_price_x96,
        liquidity=liquidity,
        fee_growth_global0_x128=growth0_x128,
        fee_growth_global1_x128=growth1_x128,
    )
