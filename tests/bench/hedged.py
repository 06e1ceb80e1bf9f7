"""What protection costs a backtest, and a cycle's planning: ``python -m tests.bench.hedged [DAYS]``, 20 unless told.

Two runs over one market, one with protection and one without, made cycle by cycle in turn, so that both see the same
neighbours; processor time. The market is held in memory: making it up is in neither.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from statistics import median

from keeper.core.model.option import HedgeWant, OptionQuote
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView, SignalReading
from keeper.simulation.runner import Simulation

DAYS, TARGET = 20.0, 1.5
QUOTES, PLAN_TARGET_MS, ROUNDS = 200, 50.0, 15
BLOCK = 50
"""Cycles of each run between two turns of the other."""


def runs(days: float) -> tuple[Simulation, Simulation]:
    """The shipped keeper without protection, and with it."""
    from keeper.app.backtesting import Made, prepare
    from keeper.app.settings import load, to_policy
    from keeper.simulation.tape import HeldTape
    from keeper.simulation.weather import Scenario

    def prepared(*, enabled: bool) -> Simulation:
        settings = load(environ={}, flags={"hedge.enabled": enabled}).settings
        policy = to_policy(settings)
        spec = prepare(settings, policy, Made(scenario=Scenario.SEASONS, seed=1, days=days)).spec
        return replace(spec, tapes=(held,)).simulation(policy)

    settings = load(environ={}).settings
    (tape,) = prepare(settings, to_policy(settings), Made(scenario=Scenario.SEASONS, seed=1, days=days)).spec.tapes
    held = HeldTape(
        key=tape.key,
        chain_id=tape.chain_id,
        start=tape.start,
        end_s=tape.end_s,
        digest=tape.digest,
        described=tape.described,
        exact=tape.exact,
        held=tuple(tape.blocks()),
    )
    return prepared(enabled=False), prepared(enabled=True)


def interleaved(pair: tuple[Simulation, Simulation]) -> list[tuple[float, float]]:
    """Seconds of both for every block of cycles, until the market ends."""
    from keeper.simulation.market import TapeEnd

    found = []
    with suppress(TapeEnd):
        while True:
            spent = []
            for run in pair:
                begin_s = time.thread_time()
                for _ in range(BLOCK):
                    run.step()
                spent.append(time.thread_time() - begin_s)
            found.append((spent[0], spent[1]))
    return found


def planning(run: Simulation) -> tuple[float, float, int]:
    """Milliseconds of choosing among many quotes, of pricing each in every scenario one by one, and how many there are."""
    from keeper.core.strategy.hedge.offers import SCENARIOS
    from keeper.core.strategy.hedge.proposal import propose

    view, readings, policy = crowded(run)
    careful, capital, volatility = _inputs(view, readings, policy)
    ours = _timed(lambda: propose(view, readings, policy, careful, capital, ()))
    spots = [float(view.now_s % 7 + 3_000 + 20 * at) for at in range(SCENARIOS)]
    rival = _timed(lambda: _one_by_one(view.protection.quotes, spots, view.now_s, volatility))
    return ours, rival, len(view.protection.quotes)


def crowded(run: Simulation) -> tuple[MarketView, Sequence[SignalReading], Policy]:
    """A view of the run with 200 quotes, spread over what every tier wants, and its readings; a mandate wakes every tier."""
    from keeper.core.model.record import CycleRecord
    from keeper.core.strategy.hedge.needs import wanted_quotes
    from keeper.engine.protect import market_of
    from keeper.simulation.market import TapeEnd

    policy = replace(run.policy, hedge=replace(run.policy.hedge, loss_cap=0.001))
    last: CycleRecord | None = None
    wants: tuple[HedgeWant, ...] = ()
    with suppress(TapeEnd):
        while len({want.strike_from for want in wants}) < len(policy.hedge.tiers):
            last = run.step()
            wants = () if last is None else wanted_quotes(last.view, last.readings, policy)
    assert last is not None
    assert run.account.options is not None
    venue, view = run.account.options, last.view
    offered = venue.offers(market_of(view, last.readings, policy), wants, view.block).quotes
    many = tuple(_nudged(offered[at % len(offered)], at) for at in range(QUOTES))
    return replace(view, protection=replace(view.protection, quotes=many)), last.readings, policy


def _nudged(quote: OptionQuote, at: int) -> OptionQuote:
    """Another contract: its strike lies up to a tenth of a percent away."""
    (leg,) = quote.contract.legs
    moved = replace(leg, strike=leg.strike * (10_000 + at % 10) / 10_000)
    return replace(quote, contract=replace(quote.contract, legs=(moved,), native=(str(at),)))


def _inputs(view: MarketView, readings: Sequence[SignalReading], policy: Policy):  # type: ignore[no-untyped-def]
    from keeper.core.strategy.caution import caution
    from keeper.core.strategy.hedge.needs import reference_volatility
    from keeper.core.strategy.valuation import worth

    return caution(readings, policy), worth(view, policy).total, reference_volatility(readings) or 0.6


def _one_by_one(quotes: tuple[OptionQuote, ...], spots: list[float], now_s: int, volatility: float) -> float:
    from keeper.core.quant.black_scholes import option_price
    from keeper.core.quant.checks import SECONDS_A_YEAR

    total = 0.0
    for quote in quotes:
        (leg,) = quote.contract.legs
        years = max((quote.contract.expiry_s or now_s) - now_s, 0) / SECONDS_A_YEAR
        for spot in spots:
            total += option_price(leg.kind, spot=spot, strike=float(leg.strike), years=years, volatility=volatility)
    return total


def _timed(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        begin_s = time.thread_time()
        work()
        times.append(time.thread_time() - begin_s)
    return median(times) * 1_000


def main(days: float = DAYS) -> None:
    """Print both figures."""
    out, pair = sys.stdout, runs(days)
    blocks = interleaved(pair)
    bare, hedged = (sum(column) for column in zip(*blocks, strict=True))
    ratios = sorted(after / before for before, after in blocks)
    late = blocks[len(blocks) // 2 :]
    later = sum(one[1] for one in late) / sum(one[0] for one in late)
    cycles = len(blocks) * BLOCK
    options = 0 if pair[1].account.options is None else pair[1].rows.options_held[-1]
    out.write(f"\n{days:g} days of a made-up market, a cycle every 5 minutes, turn by turn, processor time\n")
    for name, seconds, run in (("without protection", bare, pair[0]), ("with it", hedged, pair[1])):
        out.write(f"  {name:18} {seconds / cycles * 1e6:8.0f} us a cycle, {len(run.journal.acted)} of {cycles} acted\n")
    out.write(f"  {options} options held at the end\n")
    out.write(f"  ratio {hedged / bare:.2f}, of the second half {later:.2f}, median of blocks {ratios[len(ratios) // 2]:.2f}")
    out.write(f" (target: at most {TARGET})\n")
    ours, rival, quotes = planning(runs(2.0)[1])
    out.write(f"\nchoosing among {quotes} quotes for 3 tiers over 60 scenarios\n")
    out.write(f"  propose                                             {ours:8.2f} ms (target: under {PLAN_TARGET_MS:g})\n")
    out.write(f"  a loop of option_price over quotes and scenarios    {rival:8.2f} ms, {rival / ours:.1f} times ours\n")


if __name__ == "__main__":
    main(*(float(word) for word in sys.argv[1:]))
