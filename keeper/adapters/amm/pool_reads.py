"""A pool's own numbers: which reads they take, and what the answers say. Ref: ``UniswapV3Pool.sol``."""

from __future__ import annotations

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, Reverted, read_of, values
from keeper.adapters.evm.rpc import BadReply
from keeper.core.model.pool import PoolKey, PoolState
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import MAX_TICK, MIN_TICK

_POOL = contract("UniswapV3Pool")
_SLOT0 = _POOL.function("slot0")
_LIQUIDITY = _POOL.function("liquidity")
_GROWTH0 = _POOL.function("feeGrowthGlobal0X128")
_GROWTH1 = _POOL.function("feeGrowthGlobal1X128")
_OBSERVE = _POOL.function("observe")
_TOO_SHORT = "OLD"
"""Revert of ``Oracle.sol`` observeSingle when the history does not reach back so far."""
_OBSERVE_GAS = 120_000


class PoolReads:
    """The reads of one pool's state, made once.

    Args:
        key: the pool.
        twap_window_s: how far back the time-weighted price reaches, seconds, > 0.
    """

    def __init__(self, key: PoolKey, twap_window_s: int) -> None:
        self.key = key
        self.twap_window_s = twap_window_s
        self._slot0 = read_of(key.address, _SLOT0)
        self._liquidity = read_of(key.address, _LIQUIDITY)
        self._growth0 = read_of(key.address, _GROWTH0)
        self._growth1 = read_of(key.address, _GROWTH1)
        self._observe = read_of(key.address, _OBSERVE, [twap_window_s, 0], may_fail=True, gas=_OBSERVE_GAS)

    @property
    def reads(self) -> tuple[ContractRead, ...]:
        """What has to be asked."""
        return self._slot0, self._liquidity, self._growth0, self._growth1, self._observe

    def state(self, answers: Answers) -> PoolState:
        """The pool's numbers.

        Raises:
            BadReply: price and tick contradict each other, or the pool has no price yet.
        """
        sqrt_price_x96, tick, _, _, _, fee_protocol, _ = values(answers, self._slot0)
        check_price_law(self.key.address, sqrt_price_x96, tick)
        (liquidity,) = values(answers, self._liquidity)
        (growth0_x128,) = values(answers, self._growth0)
        (growth1_x128,) = values(answers, self._growth1)
        return PoolState(
            key=self.key,
            sqrt_price_x96=sqrt_price_x96,
            tick=tick,
            liquidity=liquidity,
            fee_growth_global0_x128=growth0_x128,
            fee_growth_global1_x128=growth1_x128,
            fee_protocol=fee_protocol,
        )

    def twap_tick(self, answers: Answers) -> int | None:
        """Mean tick over the window, rounded towards minus infinity; None when the pool's history is shorter.

        Raises:
            BadReply: the pool refuses for another reason.
        """
        answer = answers[self._observe]
        if isinstance(answer, Reverted):
            if answer.reason != _TOO_SHORT:
                raise BadReply(f"observe of pool {self.key.address} reverted: {answer.reason}")
            return None
        cumulatives, _ = answer
        if len(cumulatives) != 2:
            raise BadReply(f"observe of pool {self.key.address} gave {len(cumulatives)} values for 2")
        return mean_tick(cumulatives[0], cumulatives[1], self.twap_window_s)


def mean_tick(cumulative_then: int, cumulative_now: int, window_s: int) -> int:
    """Mean tick between two values of the accumulator, rounded towards minus infinity.

    The accumulator is an int56 that may wrap: the difference is taken modulo 2**56, as the contract's own subtraction does.

    Ref: ``OracleLibrary.sol`` consult.
    """
    difference = (cumulative_now - cumulative_then + (1 << 55)) % (1 << 56) - (1 << 55)
    return difference // window_s


def check_price_law(pool: str, sqrt_price_x96: int, tick: int) -> None:
    """Refuse a price that does not belong to its tick.

    ``ratio(tick) <= sqrt_price < ratio(tick + 1)``, and the upper bound itself on a tick just crossed downward.

    Raises:
        BadReply: it does not hold, or there is no price.
    """
    if sqrt_price_x96 == 0:
        raise BadReply(f"pool {pool} has no price: it is not initialised")
    if not MIN_TICK <= tick < MAX_TICK or not (
        get_sqrt_ratio_at_tick(tick) <= sqrt_price_x96 <= get_sqrt_ratio_at_tick(tick + 1)
    ):
        raise BadReply(f"pool {pool}: sqrt price {sqrt_price_x96} does not belong to tick {tick}")
