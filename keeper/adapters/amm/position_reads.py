"""The wallet's positions: which reads they take, and what the answers say. Ref: ``NonfungiblePositionManager.sol``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, Reverted, read_of, values
from keeper.adapters.evm.rpc import BadReply
from keeper.core.model.ladder import Position, TickRange
from keeper.core.model.pool import PoolKey, PoolState
from keeper.core.v3math.fee_growth import fees_owed, get_fee_growth_inside
from keeper.core.v3math.liquidity_amounts import get_amounts_for_liquidity
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick

SPARE_INDICES = 4
"""Tokens that may have come since the last cycle and are still found without another request."""

_MANAGER = contract("NonfungiblePositionManager")
_BALANCE_OF = _MANAGER.function("balanceOf")
_TOKEN_BY_INDEX = _MANAGER.function("tokenOfOwnerByIndex")
_POSITIONS = _MANAGER.function("positions")
_TICKS = contract("UniswapV3Pool").function("ticks")
_POSITION_GAS = 25_000
_TICK_GAS = 12_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What never changes about a position, with the reads that follow from it."""

    key: PoolKey
    range: TickRange
    lower: ContractRead
    upper: ContractRead


def place_of(key: PoolKey, bounds: TickRange) -> Place:
    """The place of a position in that pool and range."""
    return Place(
        key=key,
        range=bounds,
        lower=read_of(key.address, _TICKS, bounds.lower, gas=_TICK_GAS),
        upper=read_of(key.address, _TICKS, bounds.upper, gas=_TICK_GAS),
    )


class _Row(NamedTuple):
    """What ``positions`` returns, in its order."""

    nonce: int
    operator: str
    token0: str
    token1: str
    fee_pips: int
    lower: int
    upper: int
    liquidity: int
    inside0_last_x128: int
    inside1_last_x128: int
    owed0: int
    owed1: int


class PositionReads:
    """Reads of the position manager, remembered by token.

    Args:
        manager: address of the position manager.
        wallet: whose positions.
        pools: those that count; positions in others are left out.
    """

    def __init__(self, manager: str, wallet: str, pools: Iterable[PoolKey]) -> None:
        self._manager = manager
        self._wallet = wallet
        self._pools = {(key.token0.address, key.token1.address, key.fee_pips): key for key in pools}
        self._by_index: list[ContractRead] = []
        self._by_id: dict[int, ContractRead] = {}
        self.count_read = read_of(manager, _BALANCE_OF, wallet)

    def index_reads(self, count: int) -> list[ContractRead]:
        """Reads of the wallet's first ``count`` tokens."""
        for index in range(len(self._by_index), count):
            self._by_index.append(read_of(self._manager, _TOKEN_BY_INDEX, self._wallet, index, may_fail=True))
        return self._by_index[:count]

    def id_read(self, token_id: int) -> ContractRead:
        """The read of one position; fails when the token was burned."""
        if token_id not in self._by_id:
            self._by_id[token_id] = read_of(self._manager, _POSITIONS, token_id, may_fail=True, gas=_POSITION_GAS)
        return self._by_id[token_id]

    def forget_all_but(self, token_ids: Iterable[int]) -> None:
        """Drop the reads of tokens that the wallet no longer has."""
        self._by_id = {token_id: self.id_read(token_id) for token_id in token_ids}

    def owned(self, answers: Answers) -> tuple[list[int], int]:
        """The wallet's tokens as far as they were asked for, and how many there are in all.

        Raises:
            BadReply: count and tokens contradict each other.
        """
        (count,) = values(answers, self.count_read)
        asked = [answers[read] for read in self._by_index if read in answers]
        found = [answer[0] for answer in asked if not isinstance(answer, Reverted)]
        if len(found) != min(count, len(asked)) or len(set(found)) != len(found):
            raise BadReply(f"the wallet has {count} positions and {len(found)} of {len(asked)} indices have one")
        return found, count

    def place(self, answers: Answers, token_id: int) -> Place | None:
        """Where a position lies; None when it is not in one of the pools.

        Raises:
            BadReply: a position that the wallet owns does not exist, or has no range.
        """
        row = self._row(answers, token_id)
        if row.lower >= row.upper:
            raise BadReply(f"position {token_id} has no range: [{row.lower}, {row.upper})")
        key = self._pools.get((row.token0, row.token1, row.fee_pips))
        return None if key is None else place_of(key, TickRange(lower=row.lower, upper=row.upper))

    def _row(self, answers: Answers, token_id: int) -> _Row:
        answer = answers[self.id_read(token_id)]
        if isinstance(answer, Reverted):
            raise BadReply(f"position {token_id} is the wallet's and does not exist: {answer.reason}")
        return _Row(*answer)

    def position(self, answers: Answers, token_id: int, place: Place, state: PoolState) -> Position | None:
        """A position as a full withdrawal would find it; None when it holds and owes nothing.

        Raises:
            BadReply: the answers contradict what is known of the position.
        """
        row = self._row(answers, token_id)
        if (row.token0, row.token1, row.lower, row.upper) != (
            place.key.token0.address,
            place.key.token1.address,
            place.range.lower,
            place.range.upper,
        ):
            raise BadReply(f"position {token_id} is not where it was")
        if row.liquidity and not (_is_initialised(answers, place.lower) and _is_initialised(answers, place.upper)):
            raise BadReply(f"position {token_id} holds liquidity between ticks that are not initialised")
        fees0, fees1 = _fees(row, growth_inside(answers, place, state))
        if not row.liquidity and not fees0 and not fees1:
            return None
        amount0, amount1 = get_amounts_for_liquidity(
            state.sqrt_price_x96, get_sqrt_ratio_at_tick(row.lower), get_sqrt_ratio_at_tick(row.upper), row.liquidity
        )
        return Position(
            token_id=token_id,
            pool=place.key.address,
            range=place.range,
            liquidity=row.liquidity,
            amount0=amount0,
            amount1=amount1,
            fees0=fees0,
            fees1=fees1,
        )


def _is_initialised(answers: Answers, tick: ContractRead) -> bool:
    return bool(values(answers, tick)[7])


def _fees(row: _Row, inside_x128: tuple[int, int]) -> tuple[int, int]:
    """Raw tokens that a collect would pay, both rounded down: what is noted as owed, and what has grown since."""
    grown0 = fees_owed(liquidity=row.liquidity, inside_x128=inside_x128[0], inside_last_x128=row.inside0_last_x128)
    grown1 = fees_owed(liquidity=row.liquidity, inside_x128=inside_x128[1], inside_last_x128=row.inside1_last_x128)
    return row.owed0 + grown0, row.owed1 + grown1


def growth_inside(answers: Answers, place: Place, state: PoolState) -> tuple[int, int]:
    """Fee growth of both tokens inside a place, modulo 2**256."""
    lower, upper = values(answers, place.lower), values(answers, place.upper)
    inside = [
        get_fee_growth_inside(
            tick_lower=place.range.lower,
            tick_upper=place.range.upper,
            tick_current=state.tick,
            global_x128=global_x128,
            outside_lower_x128=lower[field],
            outside_upper_x128=upper[field],
        )
        for field, global_x128 in ((2, state.fee_growth_global0_x128), (3, state.fee_growth_global1_x128))
    ]
    return inside[0], inside[1]
