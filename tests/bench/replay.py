"""Swaps a second, in memory and on the chain: ``python -m tests.bench.replay [TAPE]``.

The day is the recorded one where there is one, else a made-up one: the seeded market is run once on the chain and what it did
is taken down as a tape, so that either is replayed in the same way. The end of every run is compared with the record.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from random import Random

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.reverts import RevertError
from keeper.core.v3math.swap_kind import SwapRequest
from keeper.core.v3math.units import MAX_INT256
from keeper.localchain import mainnet
from keeper.localchain.anvil import Anvil, AnvilOptions
from keeper.localchain.chain import LocalTx
from keeper.localchain.market import BlockReport, MarketDesk
from keeper.localchain.pools import USDC_WETH_500, crowded
from keeper.localchain.replay import LiquidityRequest, Replay, Script, write_script
from keeper.localchain.synthetic import DAY_BEGIN_S, MarketPlan, SyntheticMarket
from keeper.localchain.tape import Place, Range, Tape, TapeEvent, TapeLiquidity, TapeSwap, read_tape
from keeper.localchain.twin import running_base, running_twin

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
TAPE = SHARED_DATA if SHARED_DATA.is_dir() else None
NODE = AnvilOptions(automine=False, prune_history=64)
OWNER = mainnet.POSITION_MANAGER
"""Who holds the replayed positions in memory; any address serves."""
ROUNDS = 5
"""Enough for a median that a neighbour on the machine does not move."""


class RecordingDesk(MarketDesk):
    """A desk that keeps what was asked of it, in order; all that is asked is mined."""

    asked: list[SwapRequest | LiquidityRequest]

    def swap(self, pool: str, request: SwapRequest) -> LocalTx:
        self.asked.append(request)
        return super().swap(pool, request)

    def liquidity(self, pool: str, tick_lower: int, tick_upper: int, liquidity_delta: int) -> LocalTx:
        self.asked.append(LiquidityRequest(range=Range(tick_lower, tick_upper), liquidity_delta=liquidity_delta))
        return super().liquidity(pool, tick_lower, tick_upper, liquidity_delta)


def events_of(report: BlockReport, asked: list[SwapRequest | LiquidityRequest]) -> list[TapeEvent]:
    """What happened in a block: swaps from its events, liquidity as asked."""
    assert report.refused == 0
    swaps = iter(report.swaps)
    events: list[TapeEvent] = []
    for place, request in enumerate(asked):
        where = Place(report.number, place)
        if isinstance(request, SwapRequest):
            events.append(TapeSwap(place=where, timestamp_s=report.timestamp_s, swap=next(swaps)))
        else:
            change = request.liquidity_delta
            events.append(
                TapeLiquidity(place=where, timestamp_s=report.timestamp_s, range=request.range, liquidity_delta=change)
            )
    assert next(swaps, None) is None
    return events


def made_up_tape(base: Anvil) -> Tape:
    """A calm day of one pool's own market."""
    plan = MarketPlan(pools=(USDC_WETH_500,))
    events: list[TapeEvent] = []
    with running_twin(NODE, base=base) as twin:
        desk = RecordingDesk(twin, mainnet.USDC_WETH_500)
        desk.asked = []
        market = SyntheticMarket(desk, plan)
        while report := market.step():
            events += events_of(report, desk.asked)
            desk.asked = []
        start = crowded(USDC_WETH_500, market.prices[0], desk.contract, Random(plan.seed))
    return Tape(
        pool="made_up_usdc_weth_500",
        day=f"calm, seed {plan.seed}",
        start=replace(start, positions={}),
        start_timestamp_s=DAY_BEGIN_S,
        end=None,
        events=tuple(events),
    )


def layered(script: Script) -> ExactPool:
    """The day's pool with three layers of ours around its first price, 2 % of the liquidity in range each."""
    pool = ExactPool.restore(script.start)
    spacing = pool.tick_spacing
    centre, share = pool.tick // spacing * spacing, pool.liquidity // 50
    for half_width in (5, 30, 200):
        pool.mint("ours", centre - half_width * spacing, centre + half_width * spacing, share)
    return pool


def run_in_memory(script: Script) -> float:
    """Seconds in which an exact pool runs the day."""
    pool = ExactPool.restore(script.start)
    start_s = time.perf_counter()
    for block in script.blocks:
        for request in block.requests:
            _apply(pool, request)
        assert pool.sqrt_price_x96 == block.sqrt_price_after_x96
    return time.perf_counter() - start_s


def run_layered(script: Script, requests: Sequence[SwapRequest | LiquidityRequest]) -> float:
    """Seconds in which an exact pool runs these requests with our layers in it; what it then refuses is passed over."""
    pool = layered(script)
    start_s = time.perf_counter()
    for request in requests:
        with suppress(RevertError):
            _apply(pool, request)
    return time.perf_counter() - start_s


def _apply(pool: ExactPool, request: SwapRequest | LiquidityRequest) -> None:
    if isinstance(request, SwapRequest):
        pool.swap(
            zero_for_one=request.zero_for_one,
            amount_specified=request.amount_specified,
            sqrt_price_limit_x96=request.sqrt_price_limit_x96,
        )
    elif request.liquidity_delta > 0:
        pool.mint(OWNER, *request.range, request.liquidity_delta)
    else:
        pool.burn(OWNER, *request.range, -request.liquidity_delta)


def requests_to_prices(script: Script) -> list[SwapRequest | LiquidityRequest]:
    """The day with every swap asked for by the price that it led to: what a replay does that keeps the path of the price."""
    pool = ExactPool.restore(script.start)
    found: list[SwapRequest | LiquidityRequest] = []
    for request in chain.from_iterable(block.requests for block in script.blocks):
        before_x96 = pool.sqrt_price_x96
        _apply(pool, request)
        if isinstance(request, LiquidityRequest):
            found.append(request)
        elif pool.sqrt_price_x96 != before_x96:
            found.append(replace(request, amount_specified=MAX_INT256, sqrt_price_limit_x96=pool.sqrt_price_x96))
    return found


def infer(tape: Tape) -> float:
    """Seconds in which requests are told from the record, which runs the day too, up to three ways a swap."""
    start_s = time.perf_counter()
    write_script(tape, OWNER)
    return time.perf_counter() - start_s


def run_on_chain(tape: Tape, base: Anvil) -> tuple[float, int]:
    """Seconds of the replayer on a node of its own, set-up apart, and blocks."""
    with running_twin(NODE, base=base) as twin:
        replay = Replay(MarketDesk(twin, mainnet.USDC_WETH_500), tape)
        start_s = time.perf_counter()
        swaps = 0
        while report := replay.step():
            assert report.refused == 0
            swaps += len(report.swaps)
        took_s = time.perf_counter() - start_s
        assert swaps == count_swaps(tape)
        assert replay.departure().most_bps <= 0.0
        return took_s, replay.departure().blocks


def count_swaps(tape: Tape) -> int:
    """Swaps of the day."""
    return sum(isinstance(event, TapeSwap) for event in tape.events)


def main(path: Path | None = TAPE) -> None:
    """Print the table, of the tape at ``path`` or of a made-up day."""
    out = sys.stdout
    with running_base() as base:
        tape = made_up_tape(base) if path is None else read_tape(path)
        swaps, script = count_swaps(tape), write_script(tape, OWNER)
        out.write(
            f"{tape.pool}, {tape.day}: {swaps:,} swaps, {len(tape.events) - swaps} mints and burns,"
            f" {len(script.blocks):,} blocks, {len(script.start.ticks):,} ticks at the start\n"
            "way                            swaps/s    seconds a day\n"
        )
        kept, priced = list(chain.from_iterable(block.requests for block in script.blocks)), requests_to_prices(script)
        ways: dict[str, Callable[[], float]] = {
            "ExactPool, requests known": lambda: run_in_memory(script),
            "with three layers of ours": lambda: run_layered(script, kept),
            "likewise, prices kept": lambda: run_layered(script, priced),
            "ExactPool, requests inferred": lambda: infer(tape),
        }
        # In turns, so that a neighbour on the machine slows all of them.
        rounds = [{way: run() for way, run in ways.items()} for _ in range(ROUNDS)]
        took = {way: statistics.median(each[way] for each in rounds) for way in ways}
        took["replayer on anvil"], blocks = run_on_chain(tape, base)
    for way, took_s in took.items():
        out.write(f"{way:28}  {swaps / took_s:9,.0f}  {took_s:15.3f}\n")
    blocks_a_second = blocks / took["replayer on anvil"]
    out.write(f"the replayer mined {blocks_a_second:,.0f} blocks a second, real bytecode, every swap a transaction\n")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
