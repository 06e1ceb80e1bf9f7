"""The recorded day again, on the real contract: every swap, mint and burn in its place, at its time."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.fee_growth import get_fee_growth_inside
from keeper.core.v3math.pool_snapshot import PoolSnapshot, PositionInfo, PositionKey
from keeper.core.v3math.swap_kind import SwapKind, SwapRequest, infer_kind, swap_request
from keeper.core.v3math.tick import TickInfo
from keeper.localchain.arbitrage import closing_swap
from keeper.localchain.chain import LocalTx
from keeper.localchain.market import BlockReport, MarketDesk
from keeper.localchain.pools import ETH_POOLS, EthPool, crowded
from keeper.localchain.tape import Range, Tape, TapeSwap
from keeper.localchain.transplant import PoolReading, transplant

_BASE_FEE_WEI = 400_000_000
"""Base fee of every replayed block: the record has none, and a quiet day of 2025 paid less than half a gwei."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityRequest:
    """A mint (> 0) or burn (< 0) to be made again."""

    range: Range
    liquidity_delta: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedBlock:
    """What was asked of the pool in one recorded block, in order."""

    number: int
    """On the recorded chain."""
    timestamp_s: int
    requests: tuple[SwapRequest | LiquidityRequest, ...]
    sqrt_price_after_x96: int
    """Where the recorded pool stood at the end of the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A recorded day as requests."""

    start: PoolSnapshot
    """With the positions that the day's burns need, held by the owner named to :func:`write_script`."""
    start_timestamp_s: int
    blocks: tuple[RequestedBlock, ...]
    kinds: Mapping[SwapKind, int]
    """How many swaps were of which kind."""


def _position(start: PoolSnapshot, where: Range, liquidity: int) -> PositionInfo:
    """A position that earned nothing yet: its growth is taken as of now."""
    lower, upper = (start.ticks.get(tick, TickInfo()) for tick in where)
    growths = (
        (start.fee_growth_global0_x128, lower.fee_growth_outside0_x128, upper.fee_growth_outside0_x128),
        (start.fee_growth_global1_x128, lower.fee_growth_outside1_x128, upper.fee_growth_outside1_x128),
    )
    inside0_x128, inside1_x128 = (
        get_fee_growth_inside(
            tick_lower=where.tick_lower,
            tick_upper=where.tick_upper,
            tick_current=start.tick,
            global_x128=global_x128,
            outside_lower_x128=outside_lower_x128,
            outside_upper_x128=outside_upper_x128,
        )
        for global_x128, outside_lower_x128, outside_upper_x128 in growths
    )
    return PositionInfo(
        liquidity=liquidity, fee_growth_inside0_last_x128=inside0_x128, fee_growth_inside1_last_x128=inside1_x128
    )


def write_script(tape: Tape, owner: str) -> Script:
    """Infer what was asked for from what was recorded, by running the day through an exact pool.

    Args:
        tape: the day.
        owner: who will mint and burn; the positions that existed before are given to it.

    Raises:
        UnexplainedSwapError: a swap does not follow from the state before it: an event is missing from the tape.
        RevertError: a burn or mint is impossible, likewise.
    """
    positions = {PositionKey(owner, *where): _position(tape.start, where, held) for where, held in tape.held_before().items()}
    start = replace(tape.start, positions=positions)
    pool = ExactPool.restore(start)
    kinds = dict.fromkeys(SwapKind, 0)
    blocks = []
    for number, events in groupby(tape.events, key=lambda event: event.place.block):
        requests: list[SwapRequest | LiquidityRequest] = []
        timestamp_s = 0
        for event in events:
            timestamp_s = event.timestamp_s
            if isinstance(event, TapeSwap):
                kind = infer_kind(pool, event.swap)
                kinds[kind] += 1
                requests.append(swap_request(kind, event.swap, pool.sqrt_price_x96))
            else:
                requests.append(LiquidityRequest(range=event.range, liquidity_delta=event.liquidity_delta))
            _apply(pool, owner, requests[-1])
        blocks.append(
            RequestedBlock(
                number=number,
                timestamp_s=timestamp_s,
                requests=tuple(requests),
                sqrt_price_after_x96=pool.sqrt_price_x96,
            )
        )
    return Script(start=start, start_timestamp_s=tape.start_timestamp_s, blocks=tuple(blocks), kinds=kinds)


def _apply(pool: ExactPool, owner: str, request: SwapRequest | LiquidityRequest) -> None:
    if isinstance(request, SwapRequest):
        pool.swap(
            zero_for_one=request.zero_for_one,
            amount_specified=request.amount_specified,
            sqrt_price_limit_x96=request.sqrt_price_limit_x96,
        )
    elif request.liquidity_delta > 0:
        pool.mint(owner, *request.range, request.liquidity_delta)
    else:
        pool.burn(owner, *request.range, -request.liquidity_delta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """How far a replayed day went from the record, over the blocks so far; prices are compared at the end of each block."""

    blocks: int
    mean_bps: float
    """Mean distance of the price, in basis points of it."""
    most_bps: float


class Replay:
    """A market that makes the recorded requests again; see :class:`~keeper.localchain.market.Market`.

    The pool is brought to the recorded start when this is made. With nobody else in the pool every price, tick and liquidity is
    the record's own; with the keeper in it the requests meet its liquidity too, and the path departs from the record.

    Args:
        desk: of the twin, its main pool created and without a price.
        tape: the day.
        followers: further pools, without a price; they get a crowd, and an arbitrageur keeps them at the main pool's price.

    Raises:
        UnexplainedSwapError, RevertError: as :func:`write_script`.
    """

    def __init__(self, desk: MarketDesk, tape: Tape, *, followers: Sequence[EthPool] = ()) -> None:
        self.script = write_script(tape, desk.contract)
        self._desk, self._followers = desk, tuple(followers)
        self._position = 0
        self._distance_bps = self._most_bps = 0.0
        rng = random.Random(0)  # ruff: ignore[suspicious-non-cryptographic-random-usage] - a repeatable crowd
        self._usd = _main_pool(desk).usd(tape.start.sqrt_price_x96)
        crowds = {pool.address: crowded(pool, self._usd, desk.contract, rng) for pool in followers}
        self._readings = [
            PoolReading(sqrt_price_x96=state.sqrt_price_x96, tick=state.tick, liquidity=state.liquidity)
            for state in crowds.values()
        ]
        transplant(desk.twin, {**crowds, desk.pool: self.script.start}, self.script.start_timestamp_s)

    def step(self, *, waited_for: bool = False) -> BlockReport | None:  # ruff: ignore[unused-method-argument] - the record has its blocks
        """Mine the next recorded block; None when the day is over."""
        if self._position == len(self.script.blocks):
            return None
        wanted = self.script.blocks[self._position]
        self._position += 1
        txs = [*self._txs(wanted.requests), *self._following()]
        report, self._readings = self._desk.mine(
            txs,
            timestamp_s=wanted.timestamp_s,
            base_fee_wei=_BASE_FEE_WEI,
            progress=self._position / len(self.script.blocks),
            pools=[pool.address for pool in self._followers],
        )
        self._usd = _main_pool(self._desk).usd(report.pool.sqrt_price_x96)
        distance_bps = abs((report.pool.sqrt_price_x96 / wanted.sqrt_price_after_x96) ** 2 - 1) * 10_000
        self._distance_bps += distance_bps
        self._most_bps = max(self._most_bps, distance_bps)
        return report

    def departure(self) -> Departure:
        """How far the day went from the record because of others in the pool; zero when there were none."""
        blocks = self._position
        return Departure(blocks=blocks, mean_bps=self._distance_bps / max(blocks, 1), most_bps=self._most_bps)

    def _following(self) -> Iterator[LocalTx]:
        for pool, reading in zip(self._followers, self._readings, strict=True):
            if request := closing_swap(pool, reading, self._usd, _BASE_FEE_WEI):
                yield self._desk.swap(pool.address, request)

    def _txs(self, requests: Sequence[SwapRequest | LiquidityRequest]) -> Iterator[LocalTx]:
        for request in requests:
            if isinstance(request, SwapRequest):
                yield self._desk.swap(self._desk.pool, request)
            else:
                yield self._desk.liquidity(self._desk.pool, *request.range, request.liquidity_delta)


def _main_pool(desk: MarketDesk) -> EthPool:
    return next(pool for pool in ETH_POOLS if pool.address == desk.pool)
