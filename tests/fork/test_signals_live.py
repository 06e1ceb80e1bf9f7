"""The recorded day through a node: what a keeper reads of it, cycle by cycle, is what the file alone says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from keeper.adapters.amm.uniswap_v3 import UniswapV3Source
from keeper.adapters.evm.event_rows import EventRow
from keeper.adapters.evm.passing_liquidity import passing_volume0
from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.store.journal import SqlJournal
from keeper.app.cli.replay import think_again
from keeper.app.settings import load, to_policy
from keeper.core.model.bar import MarketHistory
from keeper.core.model.decision import Decision
from keeper.core.model.policy import OutsidePolicy, Policy
from keeper.core.model.pool import BlockPrice
from keeper.core.model.record import CycleRecord
from keeper.core.model.view import MarketView, Quality, SignalReading
from keeper.core.signals import names, read
from keeper.core.signals.bars import close_hours, close_minutes
from keeper.core.signals.order import reference
from keeper.engine.cycle import run_cycle
from keeper.engine.ports import Ports
from keeper.localchain import mainnet
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.market import MarketDesk
from keeper.localchain.replay import Replay
from keeper.localchain.tape import Tape, TapeEvent, TapeSwap, read_tape
from keeper.localchain.twin import Twin
from tests import event_rows
from tests.bench.scene import ADDRESSES
from tests.builders import decision
from tests.fakes.executor_scene import Telling
from tests.pairs import WALLET

pytestmark = [pytest.mark.long, pytest.mark.chain, pytest.mark.tape]

PART_S = 9 * 3_600
"""Of the day: long enough that nothing but the monthly windows is short of bars."""
BLOCKS_A_CYCLE = 7
"""Blocks of the pool, of which there is one in half a minute or so."""


def rules() -> Policy:
    """As shipped, with nothing around the pool: the twin has only the pool's own market."""
    return replace(to_policy(load(environ={}).settings), outside=OutsidePolicy())


def hold(_view: MarketView, _readings: tuple[SignalReading, ...], _policy: Policy) -> Decision:
    return decision()


class Onlooker:
    """A keeper that only looks: its journal and its source live until it is started again."""

    def __init__(self, twin: Twin, path: Path, policy: Policy) -> None:
        self.policy = policy
        self._rpc = Rpc(twin.rpc_url)
        self.journal = SqlJournal.open(path, chain_id=1, account=WALLET)
        source = UniswapV3Source(
            self._rpc,
            ADDRESSES,
            wallet=WALLET,
            pools=policy.pools,
            chain_id=1,
            signal_pool=policy.signal_pool,
            twap_window_s=policy.gates.twap_window_s,
            lookback_s=policy.signals.lookback_s,
        )
        # Nothing is ever carried out.
        self.ports = Ports(source=source, journal=self.journal, executor=None, telemetry=Telling())  # type: ignore[arg-type]

    def cycle(self) -> CycleRecord:
        return run_cycle(self.ports, self.policy, hold)

    def close(self) -> None:
        self.journal.close()
        self._rpc.close()


def watched(twin: Twin, tape: Tape, path: Path, policy: Policy) -> CycleRecord:
    """The last cycle of a keeper that has seen the first part of the day, and was started again in the middle of it."""
    replay = Replay(MarketDesk(twin, mainnet.USDC_WETH_500), tape)
    until_s = tape.start_timestamp_s + PART_S
    blocks = sum(block.timestamp_s <= until_s for block in replay.script.blocks)
    for begin, end in ((0, blocks // 2), (blocks // 2, blocks)):
        with closing(Onlooker(twin, path, policy)) as keeper:
            for place in range(begin, end):
                report = replay.step()
                assert report is not None
                assert report.refused == 0
                if place % BLOCKS_A_CYCLE == 0 or place == end - 1:
                    record = keeper.cycle()
    return record


def prices_of_file(events: Sequence[TapeEvent], until_s: int) -> tuple[BlockPrice, ...]:
    """A row for every block with a swap, in its own numbers."""
    rows = []
    for number, group in groupby(events, key=lambda event: event.place.block):
        of_block = list(group)
        swaps = [event.swap for event in of_block if isinstance(event, TapeSwap)]
        if swaps and of_block[0].timestamp_s <= until_s:
            after = [swap.sqrt_price_x96 for swap in swaps]
            rows.append(
                BlockPrice(
                    block=number,
                    timestamp_s=of_block[0].timestamp_s,
                    sqrt_price_x96=after[-1],
                    high_x96=max(after),
                    low_x96=min(after),
                    volume0=sum(abs(swap.amount0) for swap in swaps),
                    volume1=sum(abs(swap.amount1) for swap in swaps),
                    swaps=len(swaps),
                    net0=sum(swap.amount0 for swap in swaps),
                    net1=sum(swap.amount1 for swap in swaps),
                    jit0=passing_volume0([_row(event) for event in of_block]),
                )
            )
    return tuple(rows)


def _row(event: TapeEvent) -> EventRow:
    """As a log would tell it; the file names no owner, and everything that is replayed belongs to one."""
    block, index = event.place.block, event.place.log_index
    if isinstance(event, TapeSwap):
        swap = event.swap
        return event_rows.swap(block, index, amount0=swap.amount0, liquidity=swap.liquidity, tick=swap.tick)
    ticks = event.range.tick_lower, event.range.tick_upper
    return event_rows.moved(block, index, event.liquidity_delta, ticks=ticks)


def test_readings_through_a_node_are_those_of_the_recorded_file(
    make_twin: Callable[[AnvilOptions], Twin], tape_path: Path, tmp_path: Path
) -> None:
    """Every bar comes from the file alone; the samples of the pool's fee growth, which it does not hold, are the journal's."""
    tape, policy = read_tape(tape_path), rules()
    path = tmp_path / "journal.sqlite"
    record = watched(make_twin(AnvilOptions(automine=False, prune_history=64)), tape, path, policy)
    now_s = record.view.now_s
    minutes = close_minutes(prices_of_file(tape.events, now_s), before=None, since_s=None, now_s=now_s)
    with closing(SqlJournal.open(path, chain_id=1, account=WALLET)) as journal:
        stored = journal.named_history(record.view)
        assert journal.verify() == ()
    of_file = MarketHistory(
        pool=policy.signal_pool, minutes=minutes, hours=close_hours(minutes), samples=stored.samples, quotes=stored.quotes
    )
    assert of_file == stored
    assert reference(of_file) == record.view.history
    assert read(record.view, of_file, policy) == record.readings
    # As ``keeper replay`` does it, from the journal alone and all at once.
    again = think_again(record, stored)
    assert again.readings == record.readings
    assert len(stored.minutes) > PART_S // 60 - 10
    assert sum(bar.jit0 or 0 for bar in stored.minutes) > 0
    good = {reading.name for reading in record.readings if reading.quality is Quality.GOOD}
    assert {names.VOLATILITY_EWMA, names.VOLATILITY_TSRV, names.VOLATILITY_GK, names.VOLATILITY_POOL_IMPLIED} <= good
    assert {names.RSI, names.JUMP_SHARE, names.TWAP_DEVIATION_TICKS, names.PRICE} <= {one.name for one in record.readings}
