"""Swaps a second, in memory and on the chain: ``python -m tests.bench.replay [TAPE]``.

The day is the recorded one where there is one, else a made-up one: the seeded market is run once on the chain and what it did
is taken down as a tape, so that either is replayed in the same way. The end of every run is compared with the record.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from random import Random

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.swap_kind import SwapRequest
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


def run_in_memory(script: Script) -> float:
    """Seconds in which an exact pool runs the day."""
    pool = ExactPool.restore(script.start)
    start_s = time.perf_counter()
    for block in script.blocks:
        for request in block.requests:
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
        assert pool.sqrt_price_x96 == block.sqrt_price_after_x96
    return time.perf_counter() - start_s


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
        memory_s = statistics.median(run_in_memory(script) for _ in range(ROUNDS))
        infer_s = statistics.median(infer(tape) for _ in range(ROUNDS))
        chain_s, blocks = run_on_chain(tape, base)
    for way, took_s in (
        ("ExactPool, requests known", memory_s),
        ("ExactPool, requests inferred", infer_s),
        ("replayer on anvil", chain_s),
    ):
        out.write(f"{way:28}  {swaps / took_s:9,.0f}  {took_s:15.3f}\n")
    out.write(f"the replayer mined {blocks / chain_s:,.0f} blocks a second, real bytecode, every swap a transaction\n")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
