"""What a cycle's readings cost: ``python -m tests.bench.signals``.

Every sense is on, with 180 days of hours, 30 days of minutes and 31 days of samples and quotes in hand. Times are those of the
processor in this thread, so that a neighbour on the machine counts little; ratios are of rounds that take turns.
"""

from __future__ import annotations

import gc
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.dialects import sqlite

from keeper.adapters.store.journal import SqlJournal
from keeper.adapters.store.tables import Document
from keeper.core.model.bar import DAY_S, HOUR_S, MINUTE_S, MarketHistory
from keeper.core.model.codec import digest, encode
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockPrice, PoolState
from keeper.core.model.record import CycleState, Observation
from keeper.core.model.view import SignalReading, find_reading
from keeper.core.signals import names
from keeper.core.signals.registry import read_state
from keeper.core.signals.state import SignalState
from keeper.core.strategy.decide import decide
from keeper.engine.memo import SignalMemo
from keeper.engine.observe import observe
from tests.bench.long_history import LongMarket, every_sense
from tests.builders import WALLET, block_ref, gas, ladder, memory, pool_state, pool_view, wallet

MIDNIGHT_S = 1_767_225_600
DAYS = 2
MORNING_S = 6 * HOUR_S
CYCLES = 1_000
"""Of each day, from six in the morning on."""
ROUNDS = 5
RECOMPUTED = 6
"""How often each rival recomputes in a round; ours reads two hundred times."""
ENGINE_CYCLES = 180
MOST_MS, LEAST_RATIO, MOST_ROW_BYTES = 2.0, 20.0, 20_000
_ALIKE, _ALIKE_BOUNDED = 1e-6, 0.02
"""Relative; the keeper bounds single returns that are out of all proportion, which the rivals are spared."""
_HORIZON_HOUR = (HOUR_S / (365 * DAY_S)) ** 0.5


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A market and what was known of it at the midnight that a day began with, and what the day brought."""

    policy: Policy
    pasts: tuple[MarketHistory, ...]
    """At the midnight of each day."""
    days: tuple[MarketHistory, ...]
    state: PoolState

    def morning(self, day: int) -> SignalState:
        """The state at six of that day, made from scratch."""
        state = SignalState(self.policy, MIDNIGHT_S + day * DAY_S)
        state.feed(self.pasts[day])
        state.feed(until(self.days[day], morning_s(day)))
        return state


def morning_s(day: int) -> int:
    """Six o'clock of that day."""
    return MIDNIGHT_S + day * DAY_S + MORNING_S


def made() -> Scene:
    """The scene; its fee growth stands still at the end of the last day."""
    policy = every_sense()
    market = LongMarket(policy, MIDNIGHT_S)
    pasts, days = [market.past()], []
    for day in range(DAYS):
        days.append(market.following(DAY_S // MINUTE_S))
        pasts.append(from_midnight(joined(pasts[-1], days[-1]), MIDNIGHT_S + (day + 1) * DAY_S, policy))
    growth0, growth1 = market.growth
    state = pool_state(fee_growth_global0_x128=growth0, fee_growth_global1_x128=growth1)
    return Scene(policy=policy, pasts=tuple(pasts), days=tuple(days), state=state)


def joined(first: MarketHistory, then: MarketHistory) -> MarketHistory:
    """Both together."""
    return replace(
        first,
        minutes=first.minutes + then.minutes,
        hours=first.hours + then.hours,
        samples=first.samples + then.samples,
        quotes=first.quotes + then.quotes,
    )


def from_midnight(known: MarketHistory, midnight_s: int, policy: Policy) -> MarketHistory:
    """What lies in the windows of the day that begins then."""
    since = SignalState(policy, midnight_s).since
    return replace(
        known,
        minutes=tuple(bar for bar in known.minutes if bar.start_s >= since.minutes_s),
        hours=tuple(bar for bar in known.hours if bar.start_s >= since.hours_s),
        samples=tuple(one for one in known.samples if one.timestamp_s >= since.samples_s),
        quotes=tuple(one for one in known.quotes if one.seen_s >= since.quotes_s),
    )


def until(known: MarketHistory, end_s: int, since_s: int = 0) -> MarketHistory:
    """What of it became known after ``since_s`` and not after ``end_s``."""
    return replace(
        known,
        minutes=tuple(bar for bar in known.minutes if since_s < bar.end_s <= end_s),
        hours=tuple(bar for bar in known.hours if since_s < bar.end_s <= end_s),
        samples=tuple(one for one in known.samples if since_s < one.timestamp_s <= end_s),
        quotes=tuple(one for one in known.quotes if since_s < one.seen_s <= end_s),
    )


def minute_by_minute(day: MarketHistory, since_s: int, count: int) -> Iterator[MarketHistory]:
    """The news of so many cycles after ``since_s``."""
    for at_s in range(since_s, since_s + count * MINUTE_S, MINUTE_S):
        yield until(day, at_s + MINUTE_S, at_s)


def said(holds: bool) -> str:
    """For the table."""
    return "yes" if holds else "NO"


def cpu_ms(work: Callable[[], object]) -> float:
    """Milliseconds of the processor in this thread."""
    begin_s = time.thread_time()
    work()
    return (time.thread_time() - begin_s) * 1e3


def cycles_ms(scene: Scene, state: SignalState, news: Sequence[MarketHistory]) -> tuple[list[float], tuple[SignalReading, ...]]:
    """Every cycle's time, taking in what is new and reading everything; and the last readings."""
    took, readings = [], ()
    for one in news:
        block = block_ref(timestamp_s=one.minutes[-1].end_s)

        def cycle() -> None:
            nonlocal readings
            state.feed(one)  # ruff: ignore[function-uses-loop-variable]
            readings = tuple(state.read(block, scene.state))  # ruff: ignore[function-uses-loop-variable]

        took.append(cpu_ms(cycle))
    return took, readings


def _settled() -> None:
    """Keep what this benchmark holds, half a million objects that no keeper has, from being looked through all the time."""
    gc.collect()
    gc.freeze()


def rebuilds() -> tuple[float, float, float]:
    """Milliseconds in which a new process makes the state of a day, with the load of what fits GARCH and without; peak MiB."""
    policy = every_sense()
    past = LongMarket(policy, MIDNIGHT_S).past()
    first, again = (cpu_ms(lambda: SignalState(policy, MIDNIGHT_S).feed(past)) for _ in range(2))
    return first, again, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bench_state(scene: Scene) -> None:
    """A cycle's readings with what is known in hand, and made from scratch."""
    out = sys.stdout
    took, of_hours = [], []
    for day in range(DAYS):
        state, begin_s = scene.morning(day), morning_s(day)
        news = list(minute_by_minute(scene.days[day], begin_s, CYCLES))
        _settled()
        each, readings = cycles_ms(scene, state, news)
        took += each
        of_hours += each[59::60]
    took.sort()
    median, p99 = statistics.median(took), took[int(0.99 * len(took))]
    out.write(
        f"{len(readings)} readings a cycle, {len(took):,} cycles a minute apart: median {median:.3f} ms, p99 {p99:.3f} ms;"
        f" those that close an hour {statistics.median(of_hours):.3f} ms\n"
        f"below {MOST_MS:g} ms a cycle: median {said(median < MOST_MS)}, p99 {said(p99 < MOST_MS)}\n"
    )
    with multiprocessing.get_context("spawn").Pool(1) as apart:
        first, again, peak = apart.apply(rebuilds)
    out.write(
        f"made from scratch, once a day: {again / 1e3:.2f} s; the first time, with the load of arch: {first / 1e3:.2f} s\n"
        f"memory of such a process at its highest: {peak:,.0f} MiB\n"
    )


def bench_rivals(scene: Scene) -> None:
    """The same from the whole windows every time."""
    # Not above: what it imports would count among our own memory and time.
    from tests.bench import recomputed

    day = scene.days[-1]
    state, begin_s = scene.morning(DAYS - 1), morning_s(DAYS - 1)
    news = list(minute_by_minute(day, begin_s, 200 * ROUNDS))
    known = recomputed.columns(scene.policy, joined(scene.pasts[-2], until(day, begin_s)), mark=scene.policy.outside.marks[0])
    ways = {"pandas": recomputed.by_pandas, "TA-Lib and numpy": recomputed.by_talib}
    block = block_ref(timestamp_s=begin_s)
    ours_now = state.read(block, scene.state)
    for name, way in ways.items():
        compare(name, way(known), ours_now)
    _settled()
    ours, theirs = [], {name: [] for name in ways}
    for place in range(ROUNDS):
        ours.append(statistics.fmean(cycles_ms(scene, state, news[200 * place : 200 * (place + 1)])[0]))
        for name, way in ways.items():
            theirs[name].append(statistics.fmean(cpu_ms(lambda: way(known)) for _ in range(RECOMPUTED)))  # ruff: ignore[function-uses-loop-variable]
    out = sys.stdout
    out.write("way                     ms a cycle  times ours (least..most of the rounds)  at least 20\n")
    out.write(f"{'keeper':22}  {statistics.median(ours):10.3f}\n")
    for name, each in theirs.items():
        ratios = sorted(their / our for their, our in zip(each, ours, strict=True))
        ratio = statistics.median(ratios)
        out.write(
            f"{name:22}  {statistics.median(each):10.3f}  {ratio:10.1f} ({ratios[0]:.1f}..{ratios[-1]:.1f}){'':17}"
            f"  {said(ratio >= LEAST_RATIO)}\n"
        )


def compare(who: str, found: dict[str, float], ours: Sequence[SignalReading]) -> None:
    """What a rival tells under our names is what we tell."""
    known = {reading.name: reading.value for reading in ours}
    forecast = find_reading(ours, names.VOLATILITY_FORECAST).value
    assert forecast is not None
    theirs = {**found, names.MACD: found["histogram"] / (forecast * _HORIZON_HOUR)}
    for name in known.keys() & theirs.keys():
        value = known[name]
        assert value is not None, name
        alike = _ALIKE_BOUNDED if name.startswith("volatility_") else _ALIKE
        assert abs(theirs[name] - value) <= alike * max(abs(value), 1e-3), f"{who}: {name} {theirs[name]}, ours {value}"


class Relayed:
    """A source that shows what it is given."""

    def __init__(self, seen: Observation) -> None:
        self.seen = seen

    def observe(self, *, token_ids: Sequence[int], prices_after_block: int | None, sample_after_s: int | None) -> Observation:
        """What it was given; whoever gives it knows what is asked for."""
        del token_ids, prices_after_block, sample_after_s
        return self.seen


def observed(news: MarketHistory) -> Observation:
    """The chain at the end of a minute: its swaps in two blocks, and what came with them."""
    (bar,) = news.minutes
    held = ladder()
    positions = tuple(position for layer in held.layers for position in layer.positions)
    rows = [
        BlockPrice(
            block=(bar.start_s + 12 * place) // 12,
            timestamp_s=bar.start_s + 12 * place,
            sqrt_price_x96=(bar.high_x96, bar.close_x96)[place],
            high_x96=bar.wick_high_x96,
            low_x96=bar.wick_low_x96,
            volume0=bar.volume0 // 2,
            volume1=bar.volume1 // 2,
            swaps=1,
            net0=(bar.net0 or 0) // 2,
            net1=(bar.net1 or 0) // 2,
            jit0=(bar.jit0 or 0) // 2,
        )
        for place in range(2)
    ]
    return Observation(
        chain_id=1,
        block=block_ref(bar.end_s // 12, bar.end_s),
        pools=(pool_view(positions=positions),),
        wallet=wallet(),
        gas=gas(),
        positions=positions,
        prices=tuple(rows),
        sample=news.samples[-1] if news.samples else None,
        quotes=tuple(news.quotes),
    )


def bench_engine(scene: Scene) -> None:
    """A look and all readings with the journal in a file, and what is then written."""
    policy, pool, begin_s = scene.policy, scene.policy.signal_pool, morning_s(0)
    with tempfile.TemporaryDirectory(prefix="keeper-bench-") as name:
        path = Path(name) / "journal.sqlite"
        with SqlJournal.open(path, chain_id=1, account=WALLET) as journal:
            journal.append_history(joined(scene.pasts[0], until(scene.days[0], begin_s)))
            for layer in ladder().layers:
                for position in layer.positions:
                    journal.adopt(position.token_id, layer.kind)
            earlier = list(minute_by_minute(joined(scene.pasts[0], scene.days[0]), begin_s - 2 * DAY_S, 2 * DAY_S // MINUTE_S))
            journal.append_prices(pool, [row for news in earlier for row in observed(news).prices])
            memo, took, again, sizes = SignalMemo(), [], [], []
            for news in minute_by_minute(scene.days[0], begin_s, ENGINE_CYCLES):
                source, row = Relayed(observed(news)), []

                def look() -> None:
                    sight = observe(source, journal, policy, memo)  # ruff: ignore[function-uses-loop-variable]
                    row.extend((sight, tuple(read_state(sight.view, sight.state))))  # ruff: ignore[function-uses-loop-variable]

                took.append(cpu_ms(look))
                sight, readings = row
                journal.append_prices(pool, sight.new_prices)
                journal.append_history(sight.news)
                memo.keep(sight.state)
                decision = decide(sight.view, readings, policy)
                cycle = journal.begin_cycle(policy, sight.view, readings, decision, None)
                journal.end_cycle(cycle, CycleState.HELD, memory())
                texts = (encode(sight.view), f"[{','.join(map(encode, readings))}]", encode(decision))
                sizes.append([stored_bytes(text) for text in texts])
                since_s, upto = sight.view.now_s - 2 * DAY_S, sight.view.block.number
                again.append(cpu_ms(lambda: digest(journal.prices(pool, since_s=since_s, up_to_block=upto))))  # ruff: ignore[function-uses-loop-variable]
    out, warm = sys.stdout, sorted(took[1:])
    out.write(
        f"look at a cycle's observation and read, journal in a file: median {statistics.median(warm):.2f} ms,"
        f" p99 {warm[int(0.99 * len(warm))]:.2f} ms; the first, from the stored history, {took[0] / 1e3:.2f} s\n"
        f"reading two days of block rows again and naming them, as was done before: {statistics.median(again):.1f} ms\n"
    )
    whole = max(sum(one) for one in sizes)
    view, readings, decision = (statistics.median(part) for part in zip(*sizes, strict=True))
    out.write(
        f"a cycle's row: view {view:,.0f}, readings {readings:,.0f}, decision {decision:,.0f} bytes deflated; at most {whole:,}"
        f" together, below {MOST_ROW_BYTES:,}: {said(whole < MOST_ROW_BYTES)}\n"
    )


def stored_bytes(document: str) -> int:
    """Size of a document in the journal."""
    stored = Document().process_bind_param(document, sqlite.dialect())
    assert stored is not None
    return len(stored)


def main() -> None:
    """Print all figures."""
    scene = made()
    bench_state(scene)
    bench_rivals(scene)
    bench_engine(scene)


if __name__ == "__main__":
    main()
