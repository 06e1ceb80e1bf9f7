"""Whether what the signals listen to answers: part of ``keeper check``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from keeper.adapters.chain.preflight import CheckResult
from keeper.adapters.evm.rpc import Rpc
from keeper.app import bootstrap
from keeper.app.settings.schema import Settings
from keeper.core.model.errors import KeeperError
from keeper.core.model.policy import Policy
from keeper.core.model.record import Observation
from keeper.core.signals import names
from keeper.core.signals.calendar import exhausted

_OF_UNIVERSE = (names.BREADTH, names.BREADTH_DIVERGENCE, names.EFFECTIVE_RATE_BASE, names.EFFECTIVE_RATE_QUOTE)
_OF_LENDING = (names.QUICK_RATIO, names.QUICK_RATIO_CHANGE, names.KINK_DISTANCE, names.LIQUIDATIONS)
_OF_MARKS = (names.MARK_DEVIATION, names.ARBITRAGE_SHARE, names.TAKER_FLOW)


def sense_checks(
    settings: Settings, policy: Policy, rpc: Rpc, account: str | None, *, wall_clock: Callable[[], float] = time.time
) -> tuple[CheckResult, ...]:
    """One result for the calendar and for each source that is configured.

    A source that does not answer is a failure only where a signal of it has weight in the stress score: the others are shown
    as missing and the keeper does without.
    """
    found = [_calendar(policy, int(wall_clock()))]
    if account is None:
        return tuple(found)
    deribit = bootstrap.open_deribit(settings)
    try:
        seen = bootstrap.open_source(settings, policy, rpc, account, deribit).observe(
            token_ids=(), prices_after_block=None, sample_after_s=0
        )
    except KeeperError as error:
        return (*found, CheckResult(name="signals", ok=False, found=str(error), remedy="mend what stands above first"))
    finally:
        if deribit is not None:
            deribit.close()
    return (*found, *_sources(policy, seen))


def _calendar(policy: Policy, now_s: int) -> CheckResult:
    calendar = policy.calendar.calendar
    out = exhausted(calendar, now_s)
    ok = not out or not policy.stress.weight(names.CALENDAR)
    told = f"{len(calendar.events)} events" + (f", run out for {', '.join(out)}" if out else "")
    remedy = "" if ok else "keeper calendar import the new schedule, or set stress.weights.calendar to 0"
    return CheckResult(name="calendar", ok=ok, found=told, remedy=remedy)


def _sources(policy: Policy, seen: Observation) -> Iterator[CheckResult]:
    outside, sample = policy.outside, seen.sample
    if outside.universe:
        answered = set() if sample is None else {pool.address for pool in sample.pools}
        silent = [pool.base.symbol for pool in outside.universe if pool.key.address not in answered]
        yield _result(policy, "universe", silent, len(outside.universe), _OF_UNIVERSE)
    if outside.lending:
        answered = set() if sample is None else {reserve.asset for reserve in sample.reserves}
        silent = [token.symbol for token in outside.lending if token.address not in answered]
        yield _result(policy, "lending market", silent, len(outside.lending), _OF_LENDING)
    quotes = {quote.name: quote for quote in seen.quotes}
    for name in dict.fromkeys((*outside.marks, *([outside.implied] if outside.implied else []))):
        quote = quotes.get(name)
        fault = "not told" if quote is None else quote.fault
        needed = _weighs(policy, (names.VOLATILITY_OUTSIDE,) if name == outside.implied else _OF_MARKS)
        told = f"{quote.value:g}" if quote is not None and quote.value is not None else f"{fault}{_spared(needed=needed)}"
        ok = (quote is not None and quote.value is not None) or not needed
        yield CheckResult(name=f"quote {name}", ok=ok, found=told, remedy="" if ok else "mend the source, or its weight")


def _result(policy: Policy, name: str, silent: list[str], wanted: int, signals: tuple[str, ...]) -> CheckResult:
    needed = _weighs(policy, signals)
    ok = not silent or not needed
    told = f"{wanted - len(silent)} of {wanted} answer"
    if 0 < len(silent) < wanted:
        told += f", not {', '.join(silent)}"
    if silent:
        told += _spared(needed=needed)
    return CheckResult(name=name, ok=ok, found=told, remedy="" if ok else "correct the addresses, or the weights")


def _weighs(policy: Policy, signals: tuple[str, ...]) -> bool:
    return any(policy.stress.weight(name) > 0 for name in signals)


def _spared(*, needed: bool) -> str:
    return "" if needed else "; what is read of it counts for nothing in the score"
