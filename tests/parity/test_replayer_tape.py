"""The real day on the real bytecode: after every one of its swaps the chain stands where mainnet stood."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keeper.core.v3math.swap_kind import SwapKind
from keeper.localchain import mainnet
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.artifacts import interface
from keeper.localchain.market import MarketDesk
from keeper.localchain.pools import USDC_WETH_3000
from keeper.localchain.replay import Replay
from keeper.localchain.tape import Tape, TapeSwap, read_tape
from keeper.localchain.twin import Twin

pytestmark = [pytest.mark.long, pytest.mark.chain, pytest.mark.tape]

SWAPS = 4706


def test_the_recorded_day_is_equal_after_every_swap(make_twin: Callable[[AnvilOptions], Twin], tape_path: Path) -> None:
    """Amounts, sqrt price, liquidity and tick of every Swap event; ticks and fee growth of the pool a day later."""
    tape = read_tape(tape_path)
    twin = make_twin(AnvilOptions(automine=False, prune_history=64))
    replay = Replay(MarketDesk(twin, mainnet.USDC_WETH_500), tape)
    assert replay.script.kinds == {SwapKind.EXACT_IN: 3856, SwapKind.EXACT_OUT: 708, SwapKind.PRICE_LIMIT: 142}
    recorded = iter([(event.timestamp_s, event.swap) for event in tape.events if isinstance(event, TapeSwap)])
    compared = 0
    while report := replay.step():
        assert report.refused == 0
        for swap in report.swaps:
            assert (report.timestamp_s, swap) == next(recorded), f"swap {compared} of the day, block {report.number}"
            compared += 1
    assert compared == SWAPS
    assert next(recorded, None) is None
    departure = replay.departure()
    assert departure.blocks == len(replay.script.blocks)
    assert departure.most_bps <= 0.0
    _compare_with_the_next_day(twin, tape)


def _compare_with_the_next_day(twin: Twin, tape: Tape) -> None:
    """Fee growth outside ticks is left out: the recorded snapshots hold zeros there."""
    end = tape.end
    assert end is not None
    pool = interface("UniswapV3Pool")

    def read(name: str, *arguments: list[int]) -> list[tuple]:
        function = pool.function(name)
        calls = [{"to": mainnet.USDC_WETH_500, "input": function.call_data(*each)} for each in arguments or [[]]]
        return [function.decode(reply) for reply in twin.chain.rpc.batch([("eth_call", [call, "latest"]) for call in calls])]

    assert read("slot0")[0][:2] == (end.sqrt_price_x96, end.tick)
    assert read("liquidity") == [(end.liquidity,)]
    assert read("feeGrowthGlobal0X128") == [(end.fee_growth_global0_x128,)]
    assert read("feeGrowthGlobal1X128") == [(end.fee_growth_global1_x128,)]
    ticks = {
        tick: (found[0], found[1])
        for tick, found in zip(end.ticks, read("ticks", *([tick] for tick in end.ticks)), strict=True)
    }
    assert ticks == {tick: (info.liquidity_gross, info.liquidity_net) for tick, info in end.ticks.items()}


def test_followers_keep_to_the_main_pools_price_and_leave_it_alone(
    make_twin: Callable[[AnvilOptions], Twin], tape_path: Path
) -> None:
    twin = make_twin(AnvilOptions(automine=False, prune_history=64))
    desk = MarketDesk(twin, mainnet.USDC_WETH_500)
    replay = Replay(desk, read_tape(tape_path), followers=[USDC_WETH_3000])
    for _ in range(300):
        report = replay.step()
        assert report is not None
        assert report.refused == 0
    assert replay.departure().most_bps <= 0.0
    main, follower = (USDC_WETH_3000.usd(reading.sqrt_price_x96) for reading in desk.read(desk.pool, USDC_WETH_3000.address))
    assert follower == pytest.approx(main, rel=0.0035)


def test_somebody_else_in_the_pool_turns_the_day_aside_and_it_is_told_by_how_much(
    make_twin: Callable[[AnvilOptions], Twin], tape_path: Path
) -> None:
    """As much liquidity again around the price: the same requests move it less."""
    twin = make_twin(AnvilOptions(automine=False, prune_history=64))
    desk = MarketDesk(twin, mainnet.USDC_WETH_500)
    tape = read_tape(tape_path)
    replay = Replay(desk, tape)
    centre = tape.start.tick // tape.start.tick_spacing * tape.start.tick_spacing
    guest = desk.liquidity(desk.pool, centre - 1000, centre + 1000, tape.start.liquidity)
    desk.mine([guest], timestamp_s=tape.start_timestamp_s + 1, base_fee_wei=1, progress=0.0)
    reports = [replay.step() for _ in range(200)]
    departure = replay.departure()
    assert departure.blocks == 200
    assert 0 < departure.mean_bps < departure.most_bps < 100
    recorded = [abs(block.sqrt_price_after_x96 - tape.start.sqrt_price_x96) for block in replay.script.blocks[:200]]
    moved = [abs(report.pool.sqrt_price_x96 - tape.start.sqrt_price_x96) for report in reports if report]
    assert sum(moved) < sum(recorded)
