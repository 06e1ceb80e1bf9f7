"""Rivals over the same data, in the same run: ``python -m tests.bench peers``.

Each is installed into an environment of its own under the user's cache when it is first needed; one that cannot be is passed
over. Seconds are of the processor, loading apart; every figure of speed is the median of rounds in which all take their turns.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from keeper.core.model.bar import DAY_S
from keeper.simulation.presence import Presence
from keeper.simulation.tape import SwapEvent
from tests.bench import peers_ours as ours
from tests.bench.peers_day import (
    HALF_WIDTHS,
    POLYGON_MINUTES,
    Day,
    Held,
    quote_of,
    the_day,
    the_weeks,
    write_minutes,
)
from tests.bench.peers_homes import BELLA, DEGENBOT, DEMETER, UNISWAPPY, NotInstallableError, Rival, Talk, talk_to
from tests.pairs import USDC, USDC_WETH_500, WETH

ROUNDS = 5
LITTLE_QUOTE, MUCH_QUOTE = 1_000, 100_000
"""USDC; of so little the pool takes no notice, of so much it does, which only an exact pool can tell."""
POLYGON = replace(USDC_WETH_500, address="0x45dDa9cb7c25131DF268515131f647d726f50608")
OUT = sys.stdout


def taking_turns(ways: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Seconds of each way in every round, so that a neighbour on the machine slows all of them."""
    rounds = [{way: run() for way, run in ways.items()} for _ in range(ROUNDS)]
    return {way: [each[way] for each in rounds] for way in ways}


def spread(seconds: list[float]) -> str:
    """Median, least and most."""
    return f"{statistics.median(seconds):9.3f} ({min(seconds):.3f}..{max(seconds):.3f})"


def asked_of_demeter(held: tuple[Held, ...], sqrt_price_x96: int) -> list[dict[str, Any]]:
    """Positions as demeter is asked for them: by amounts, of which it makes the liquidity."""
    found = []
    for one in held:
        amount0, amount1 = one.amounts(sqrt_price_x96)
        usdc, weth = f"{amount0}e-{USDC.decimals}", f"{amount1}e-{WETH.decimals}"
        found.append({"lower": one.lower, "upper": one.upper, "usdc": usdc, "weth": weth})
    return found


def raw(amounts: list[str]) -> tuple[float, float]:
    """Token units of a rival in raw ones."""
    return float(amounts[0]) * 10**USDC.decimals, float(amounts[1]) * 10**WETH.decimals


def off(found: float, true: float) -> str:
    """How far, in per cent; little enough is nothing."""
    percent = (found / true - 1) * 100
    return f"{percent:+9.3f}" if abs(percent) >= 5e-7 else "    0.000"


def fees_of_static(day: Day, demeter: Talk | None) -> None:
    """Print what three static positions earned and were worth, by everybody."""
    start_x96 = day.tape.start.pool.sqrt_price_x96
    kept = {presence: ours.static(day.tape, day.held, presence) for presence in Presence}
    answer = (
        demeter.ask("static", positions=asked_of_demeter(day.held, start_x96), sqrt_price_x96=str(start_x96))
        if demeter
        else None
    )
    OUT.write(
        f"\nthree positions of 1,000 USDC each, held from the first block to the last\ntruth: {day.truth}\n"
        "                       fees true   fees off, %: ours, ours,              value true   value off, %:\n"
        "range in ticks              USDC   price kept   amounts kept    demeter        USDC        demeter\n"
    )
    for at, (one, true) in enumerate(zip(day.held, day.fees, strict=True)):
        fees = quote_of(true, day.end_x96)
        value = quote_of(one.amounts(day.end_x96), day.end_x96) + fees
        mine = {presence: off(quote_of(kept[presence].owed[at], day.end_x96), fees) for presence in Presence}
        theirs, worth = "        -", "        -"
        if answer:
            found = answer["positions"][at]
            theirs = off(quote_of(raw(found["fees"]), day.end_x96), fees)
            price = float(answer["price"])
            worth = off(sum(float(found[kind][0]) + float(found[kind][1]) * price for kind in ("fees", "amounts")), value)
        price_kept, amounts_kept = mine[Presence.PRICE_KEPT], mine[Presence.AMOUNTS_KEPT]
        OUT.write(
            f"{one.lower:,}..{one.upper:,}    {fees:10.4f}    {price_kept}      {amounts_kept}  {theirs}"
            f"  {value:10.4f}      {worth}\n"
        )


def fees_of_bella(day: Day, bella: Talk) -> None:
    """Print what the same positions earned in the exact pool of somebody else, everybody's amounts kept."""
    bella.ask("day", **ours.script_of(day.tape))
    theirs = bella.ask("static", positions=[[one.lower, one.upper, str(one.liquidity)] for one in day.held])["owed"]
    mine = ours.static(day.tape, day.held, Presence.AMOUNTS_KEPT).owed
    pairs = zip(chain.from_iterable(mine), chain.from_iterable(theirs), strict=True)
    apart = max(abs(one - int(other)) for one, other in pairs)
    OUT.write(f"ours, amounts kept, and {BELLA.package}, by their own pool: apart by {apart} raw units at most\n")


def weeks_of_minutes(root: Path, demeter: Talk) -> None:
    """Print five weeks of Polygon by demeter, whose own sample they are, and by our coarse tape; nobody knows the truth."""
    folder = root / "polygon"
    weeks = the_weeks(root / "store", folder, POLYGON)
    start_x96 = weeks.tape.start.pool.sqrt_price_x96
    mine = ours.static(weeks.tape, weeks.held, Presence.PRICE_KEPT)
    minutes = demeter.ask("load", folder=str(folder), chain="polygon", pool=POLYGON.address, first=weeks.first, last=weeks.last)
    theirs = demeter.ask("static", positions=asked_of_demeter(weeks.held, start_x96), sqrt_price_x96=str(start_x96))
    OUT.write(
        f"\n{minutes:,} minutes of Polygon, {weeks.first} to {weeks.last}, once: demeter {theirs['seconds']:.1f} s,"
        f" our coarse tape {mine.seconds:.2f} s, {theirs['seconds'] / mine.seconds:.1f} times\n"
        "range in ticks     demeter fees   ours, coarse   demeter against ours, %\n"
    )
    for one, owed, found in zip(weeks.held, mine.owed, theirs["positions"], strict=True):
        fees, other = quote_of(owed, mine.end_x96), quote_of(raw(found["fees"]), mine.end_x96)
        OUT.write(f"{one.lower:,}..{one.upper:,} {other:12.4f}   {fees:12.4f}   {off(other, fees):>15}\n")
    OUT.write("no tick map of that time is recorded: neither is the truth\n")


SAME, KEEPER, THEIRS = "exact pool, same policy", "whole backtest, keeper's policy", "demeter"


def capital_of(day: Day, quote: int) -> tuple[int, int]:
    """Raw token0 and token1, half of ``quote`` USDC in each at the first price."""
    half0 = quote * 10**USDC.decimals // 2
    return half0, half0 * day.tape.start.pool.sqrt_price_x96**2 >> 192


def recentred_by_us(day: Day, quote: int) -> tuple[float, int, float]:
    """Seconds, moves, and what is left of a USDC."""
    run = ours.Recentred(day.tape, HALF_WIDTHS, capital_of(day, quote))
    seconds = run.run()
    return seconds, run.moves, quote_of(run.balances, day.end_x96) / quote


def recentred_by_demeter(day: Day, quote: int, demeter: Talk) -> tuple[float, int, float]:
    """Likewise."""
    amount0, amount1 = capital_of(day, quote)
    usdc, weth = f"{amount0}e-{USDC.decimals}", f"{amount1}e-{WETH.decimals}"
    answer = demeter.ask("recentred", half_widths=list(HALF_WIDTHS), usdc=usdc, weth=weth)
    return float(answer["seconds"]), answer["moves"], float(answer["value"]) / quote


def whole_backtests(day: Day, demeter: Talk | None) -> None:
    """Print how fast everybody runs a strategy over the day."""
    swaps = sum(isinstance(event, SwapEvent) for block in day.tape.blocks() for event in block.events)
    minutes = (day.tape.end_s - day.tape.start.timestamp_s) // 60
    steps = {SAME: swaps, KEEPER: swaps, THEIRS: minutes}
    ways = {SAME: lambda: recentred_by_us(day, LITTLE_QUOTE)[0], KEEPER: lambda: ours.whole(day.tape).seconds}
    if demeter:
        ways[THEIRS] = lambda: recentred_by_demeter(day, LITTLE_QUOTE, demeter)[0]
    took = taking_turns(ways)
    OUT.write(
        f"\nthree layers over the day: {swaps:,} swaps, {minutes:,} minutes; a step is a swap of ours, a minute of demeter's\n"
        "                                                                                times demeter's\n"
        "engine                             seconds of processor     days/s    steps/s     days    steps\n"
    )
    days = (day.tape.end_s - day.tape.start.timestamp_s) / DAY_S
    for way, seconds in took.items():
        middle = statistics.median(seconds)
        times = ""
        if demeter:
            against = statistics.median(took[THEIRS]) / middle
            times = f"{against:9.1f}{against * steps[way] / minutes:9.1f}"
        OUT.write(f"{way:31} {spread(seconds)} {days / middle:10.1f} {steps[way] / middle:10,.0f}{times}\n")
    run = ours.whole(day.tape)
    OUT.write(
        f"keeper's policy: {run.cycles} cycles with signals, plans, costs and journal, of which {run.acted} acted\n"
        "same policy: put anew around the price when a minute ends outside of the narrowest layer\n"
    )
    for quote in (LITTLE_QUOTE, MUCH_QUOTE):
        _, moves, left = recentred_by_us(day, quote)
        told = f"ours {moves} moves, {(left - 1) * 100:+.3f} %"
        if demeter:
            _, moves, left = recentred_by_demeter(day, quote, demeter)
            told += f"; demeter {moves} moves, {(left - 1) * 100:+.3f} %"
        OUT.write(f"  with {quote:,} USDC: {told}\n")


def swap_steps(day: Day, rivals: Mapping[Rival, Talk]) -> None:
    """Print how fast everybody makes one step of a swap, with what result."""
    inputs = ours.steps_of(day.tape)
    for talk in rivals.values():
        talk.ask("steps", inputs=[[str(value) for value in one] for one in inputs])
    names = {"compute_swap_step": None, **{rival.package: talk for rival, talk in rivals.items()}}
    sums: dict[str, set[int]] = {name: set() for name in names}

    def runner(name: str, talk: Talk | None) -> Callable[[], float]:
        salts = iter(range(ROUNDS))

        def run() -> float:
            salt = next(salts)
            if talk is None:
                seconds, total = ours.step(inputs, salt)
            else:
                answer = talk.ask("run", salt=salt)
                seconds, total = answer["seconds"], int(answer["sum"])
            sums[name].add(total)
            return seconds

        return run

    took = taking_turns({name: runner(name, talk) for name, talk in names.items()})
    mine = statistics.median(took["compute_swap_step"])
    OUT.write(
        f"\none step of a swap, {len(inputs):,} of the day's, no two alike\n"
        "whose                                       us/step  times ours  same\n"
    )
    for name, seconds in took.items():
        middle = statistics.median(seconds)
        same = "yes" if sums[name] == sums["compute_swap_step"] else "NO"
        OUT.write(f"{name:42} {middle / len(inputs) * 1e6:8.2f} {middle / mine:11.1f}  {same}\n")


def pool_replays(day: Day, bella: Talk | None) -> None:
    """Print how fast everybody replays the day in a pool, with what result."""
    ways: dict[str, Callable[[], float]] = {"ExactPool": lambda: ours.replay(day.tape)}
    swaps = [event for block in day.tape.blocks() for event in block.events if isinstance(event, SwapEvent)]
    matched = {"ExactPool": f"{ours.matched(day.tape):,} of {len(swaps):,} prices"}
    if bella:
        bella.ask("day", **ours.script_of(day.tape))

        def run() -> float:
            answer = bella.ask("replay")
            matched[BELLA.package] = f"{answer['matched']:,} of {len(swaps):,} prices, {answer['refused']} events refused"
            return float(answer["seconds"])

        ways[BELLA.package] = run
    took = taking_turns(ways)
    mine = statistics.median(took["ExactPool"])
    OUT.write(
        "\nthe day replayed in a pool, nothing of ours in it\n"
        "whose                                          swaps/s  times ours  right\n"
    )
    for name, seconds in took.items():
        middle = statistics.median(seconds)
        OUT.write(f"{name:42} {len(swaps) / middle:11,.0f} {middle / mine:11.1f}  {matched[name]}\n")


def main() -> None:
    """Print the tables."""
    with ExitStack() as stack, TemporaryDirectory() as temporary:
        root, talks = Path(temporary), dict[Rival, Talk]()
        for rival in (DEMETER, DEGENBOT, UNISWAPPY, BELLA):
            try:
                talks[rival] = stack.enter_context(talk_to(rival))
            except NotInstallableError as error:
                OUT.write(f"passed over, as it cannot be installed here: {error}\n")
        day, demeter = the_day(root / "store"), talks.pop(DEMETER, None)
        if demeter:
            first = write_minutes(day.tape, root / "day")
            demeter.ask("load", folder=str(root / "day"), chain="ethereum", pool=day.tape.key.address, first=first, last=first)
        fees_of_static(day, demeter)
        if BELLA in talks:
            fees_of_bella(day, talks[BELLA])
        whole_backtests(day, demeter)
        swap_steps(day, talks)
        pool_replays(day, talks.get(BELLA))
        if demeter and POLYGON_MINUTES.is_file():
            weeks_of_minutes(root, demeter)


if __name__ == "__main__":
    main()
