"""Rules between settings: what no single value can show.

A check receives the sections that it compares and yields every problem; it runs whenever those sections are valid by
themselves, so that an error elsewhere hides nothing.
"""

from __future__ import annotations

import difflib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from apscheduler.triggers.cron import CronTrigger
from pydantic_core import PydanticCustomError

from keeper.adapters.calendar import toml_calendar
from keeper.app.settings.kinds import check_rpc_url, is_loopback
from keeper.app.settings.problems import Problem
from keeper.app.settings.schema import (
    DERIBIT_DVOL,
    DERIBIT_INDEX,
    LOCAL_CHAIN_IDS,
    CalendarSettings,
    ChainSettings,
    DeribitSettings,
    ExecutionSettings,
    GateSettings,
    LadderSettings,
    LayerSettings,
    OutsideSettings,
    PairSettings,
    PoolSettings,
    RegimeSettings,
    RpcSettings,
    RunSettings,
    SignalSettings,
    StressSettings,
    UniverseSettings,
    WalletSettings,
    WeightSettings,
)
from keeper.app.settings.venue_checks import hedge, venues
from keeper.core.model.bar import MINUTE_S
from keeper.core.model.errors import ConfigError
from keeper.core.model.policy import Shape
from keeper.core.signals import names
from keeper.core.signals.risk import MOVABLE_CAP, RISKS

Problems = Iterator[Problem]
LEAST_SPACINGS = 2
"""A layer narrower than this many tick spacings to a side cannot be centred."""


def layers_of(ladder: LadderSettings) -> dict[str, LayerSettings]:
    """The configured layers by name, core first."""
    every = {"core": ladder.core, "secondary": ladder.secondary, "insurance": ladder.insurance}
    return {name: layer for name, layer in every.items() if layer is not None}


def _weights(ladder: LadderSettings) -> Problems:
    held = layers_of(ladder)
    for regime in ("calm", "normal", "stressed", "crisis"):
        weights: WeightSettings = getattr(ladder.weights, regime)
        total = weights.core + weights.secondary + weights.insurance + weights.idle
        if total != 1:
            message = "core + secondary + insurance + idle must add up to 1 (fractions of the ladder's value)"
            yield Problem(path=f"ladder.weights.{regime}", message=message, value=str(total))
        for name in ("secondary", "insurance"):
            if name not in held and getattr(weights, name) != 0:
                path = f"ladder.weights.{regime}.{name}"
                yield Problem(path=path, message=f"must be 0: there is no [ladder.{name}]", value=str(getattr(weights, name)))


def _nesting(ladder: LadderSettings) -> Problems:
    if ladder.core.shape is not Shape.BAND:
        yield Problem(path="ladder.core.shape", message="must be band: the core lies around the price", value="wings")
    held = layers_of(ladder)
    for name, layer in held.items():
        if layer.min_half_width_ticks >= layer.max_half_width_ticks:
            path = f"ladder.{name}.min_half_width_ticks"
            message = f"must be below max_half_width_ticks, {layer.max_half_width_ticks} ticks"
            yield Problem(path=path, message=message, value=layer.min_half_width_ticks)
    for (inner_name, inner), (outer_name, outer) in itertools.pairwise(held.items()):
        for field, unit in (
            ("half_width_sigmas", "forecast standard deviations"),
            ("min_half_width_ticks", "ticks"),
            ("max_half_width_ticks", "ticks"),
        ):
            within, around = getattr(inner, field), getattr(outer, field)
            if within >= around:
                message = f"must exceed ladder.{inner_name}.{field}, {within} {unit}: {inner_name} lies inside {outer_name}"
                yield Problem(path=f"ladder.{outer_name}.{field}", message=message, value=str(around))


def _spacing(ladder: LadderSettings, pools: Mapping[str, PoolSettings]) -> Problems:
    for name, layer in layers_of(ladder).items():
        pool = pools.get(layer.pool)
        if pool is None:
            yield _no_pool(f"ladder.{name}.pool", layer.pool, pools)
            continue
        for field in ("min_half_width_ticks", "max_half_width_ticks"):
            ticks = getattr(layer, field)
            if ticks % pool.tick_spacing:
                message = f"must be a multiple of the tick spacing of {layer.pool}, {pool.tick_spacing} ticks"
                yield Problem(path=f"ladder.{name}.{field}", message=message, value=ticks)
        least = LEAST_SPACINGS * pool.tick_spacing
        if layer.min_half_width_ticks < least:
            message = f"must be at least {LEAST_SPACINGS} tick spacings of {layer.pool}, {least} ticks"
            yield Problem(path=f"ladder.{name}.min_half_width_ticks", message=message, value=layer.min_half_width_ticks)


def _tokens(chain: ChainSettings) -> Problems:
    if chain.wrapped_native not in chain.tokens:
        known = ", ".join(chain.tokens)
        yield Problem(path="chain.wrapped_native", message=f"must be one of {known}", value=chain.wrapped_native)
    named = {f"chain.tokens.{symbol}.address": token.address for symbol, token in chain.tokens.items()}
    named |= {f"chain.addresses.{name}": getattr(chain.addresses, name) for name in type(chain.addresses).model_fields}
    yield from _duplicates(named)
    for symbol, token in chain.tokens.items():
        if (token.permit_name is None) != (token.permit_version is None):
            message = "permit_name and permit_version come together or not at all"
            yield Problem(path=f"chain.tokens.{symbol}", message=message)


def _fees(chain: ChainSettings) -> Problems:
    fees = chain.fees
    for field in ("max_tip_gwei", "max_base_fee_gwei"):
        if getattr(fees, field) > fees.max_fee_gwei:
            message = f"must not exceed chain.fees.max_fee_gwei, {fees.max_fee_gwei} gwei"
            yield Problem(path=f"chain.fees.{field}", message=message, value=str(getattr(fees, field)))


def _pools(chain: ChainSettings, pair: PairSettings, pools: Mapping[str, PoolSettings]) -> Problems:
    if pair.base == pair.quote:
        yield Problem(path="pair.quote", message="must differ from pair.base", value=pair.quote)
    for field in ("base", "quote"):
        if (symbol := getattr(pair, field)) not in chain.tokens:
            yield Problem(path=f"pair.{field}", message=f"must be one of {', '.join(chain.tokens)}", value=symbol)
    if pair.signal_pool not in pools:
        yield _no_pool("pair.signal_pool", pair.signal_pool, pools)
    yield from _duplicates({f"pools.{name}.address": pool.address for name, pool in pools.items()})
    fees = Counter(pool.fee_pips for pool in pools.values())
    for name, pool in pools.items():
        if {pool.token0, pool.token1} != {pair.base, pair.quote}:
            message = f"must hold {pair.base} and {pair.quote}, the tokens of the pair"
            yield Problem(path=f"pools.{name}", message=message, value=f"{pool.token0}/{pool.token1}")
        elif pool.token0 in chain.tokens and pool.token1 in chain.tokens:
            yield from _order(chain, f"pools.{name}", pool)
        if fees[pool.fee_pips] > 1:
            message = "two pools of one pair cannot have the same fee (pips)"
            yield Problem(path=f"pools.{name}.fee_pips", message=message, value=pool.fee_pips)


def _order(chain: ChainSettings, path: str, pool: PoolSettings) -> Problems:
    if int(chain.tokens[pool.token0].address, 16) > int(chain.tokens[pool.token1].address, 16):
        message = f"tokens are in the wrong order: {pool.token1} has the lower address, so it is token0"
        yield Problem(path=f"{path}.token0", message=message, value=pool.token0)


def _signals(signals: SignalSettings) -> Problems:
    for smaller, larger in (
        ("sample_interval_s", "min_history_s"),
        ("min_history_s", "lookback_s"),
        ("ewma_half_life_s", "lookback_s"),
    ):
        if getattr(signals, smaller) > getattr(signals, larger):
            message = f"must not exceed signals.{larger}, {getattr(signals, larger)} seconds"
            yield Problem(path=f"signals.{smaller}", message=message, value=getattr(signals, smaller))
    if signals.sample_interval_s % MINUTE_S:
        value = signals.sample_interval_s
        yield Problem(path="signals.sample_interval_s", message="must be whole minutes, in seconds", value=value)


def _stress(stress: StressSettings) -> Problems:
    known = (*RISKS, names.CALENDAR)
    for name, weight in stress.weights.items():
        path = f"stress.weights.{name}"
        risk = RISKS.get(name)
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
            yield Problem(path=path, message=f"is no signal that can be scored; {hint}", value=str(weight))
        elif not 0 <= weight <= 1:
            yield Problem(path=path, message="must be a part of the score, from 0 to 1", value=str(weight))
        elif risk is not None and risk.movable and weight > Decimal(str(MOVABLE_CAP)):
            message = f"must be at most {MOVABLE_CAP}: somebody can move it on chain"
            yield Problem(path=path, message=message, value=str(weight))
    total = sum(stress.weights.values(), Decimal(0))
    if total not in {Decimal(0), Decimal(1)}:
        counted = ", ".join(f"{name} {weight}" for name, weight in stress.weights.items() if weight)
        message = f"must add up to 1, or be 0 all together for no score; those that are not 0 here: {counted}"
        yield Problem(path="stress.weights", message=message, value=str(total))


def _calendar(calendar: CalendarSettings) -> Problems:
    try:
        toml_calendar.read(calendar.file)
    except ConfigError as error:
        for problem in error.problems:
            yield Problem(path="calendar.file", message=problem)


def _outside(chain: ChainSettings, pair: PairSettings, outside: OutsideSettings, deribit: DeribitSettings) -> Problems:
    for name, pool in outside.universe.items():
        yield from _followed(f"outside.universe.{name}", chain, pair, pool)
    yield from _duplicates({f"outside.universe.{name}.address": pool.address for name, pool in outside.universe.items()})
    for symbol in outside.lending:
        if symbol not in chain.tokens:
            yield Problem(
                path="outside.lending", message=f"must be symbols of chain.tokens: {', '.join(chain.tokens)}", value=symbol
            )
    if outside.lending and chain.aave_pool is None:
        yield Problem(path="outside.lending", message="needs chain.aave_pool, the lending market", value=list(outside.lending))
    index, dvol = ((DERIBIT_INDEX,), (DERIBIT_DVOL,)) if deribit.enabled else ((), ())
    for field in ("lending", "marks"):
        listed: tuple[str, ...] = getattr(outside, field)
        if len(set(listed)) < len(listed):
            yield Problem(path=f"outside.{field}", message="must name each only once", value=list(listed))
    yield from _untold("outside.marks", outside.marks, (*chain.feeds, *index))
    yield from _untold("outside.implied", (outside.implied,) if outside.implied else (), (*chain.feeds, *dvol))
    for name, feed in chain.feeds.items():
        if feed.min_value >= feed.max_value:
            message = f"must be below max_value, {feed.max_value}"
            yield Problem(path=f"chain.feeds.{name}.min_value", message=message, value=str(feed.min_value))


def _untold(path: str, wanted: Iterable[str], told: Sequence[str]) -> Problems:
    known = ", ".join(told) or "none"
    for name in wanted:
        if name not in told:
            message = f"nobody tells such a quote; there are {known}. Deribit's need deribit.enabled, feeds chain.feeds"
            yield Problem(path=path, message=message, value=name)


def _followed(path: str, chain: ChainSettings, pair: PairSettings, pool: UniverseSettings) -> Problems:
    unknown = [symbol for symbol in (pool.token0, pool.token1) if symbol not in chain.tokens]
    if unknown:
        yield Problem(path=path, message=f"tokens must be of chain.tokens: {', '.join(chain.tokens)}", value=", ".join(unknown))
        return
    yield from _order(chain, path, pool)
    if pool.base not in {pool.token0, pool.token1}:
        yield Problem(path=f"{path}.base", message=f"must be {pool.token0} or {pool.token1}", value=pool.base)
        return
    other = pool.token1 if pool.base == pool.token0 else pool.token0
    if other not in {pair.base, pair.quote}:
        message = f"must be told in {pair.base} or {pair.quote}, the tokens of the pair"
        yield Problem(path=f"{path}.base", message=message, value=f"{pool.base} in {other}")


def _data_url(deribit: DeribitSettings) -> Problems:
    try:
        check_rpc_url(deribit.url)
    except PydanticCustomError as error:
        yield Problem(path="deribit.url", message=error.message())


def _regimes(regimes: RegimeSettings) -> Problems:
    for lower, upper in (("normal_from", "stressed_from"), ("stressed_from", "crisis_from")):
        # The bands around two edges must not meet, or a regime between them could never be left downward.
        if getattr(regimes, lower) * (1 + regimes.band) >= getattr(regimes, upper) * (1 - regimes.band):
            message = f"must lie clear of regimes.{lower}, {getattr(regimes, lower)} times usual volatility, bands included"
            yield Problem(path=f"regimes.{upper}", message=message, value=str(getattr(regimes, upper)))


def _limits(gates: GateSettings, execution: ExecutionSettings) -> Problems:
    if gates.price_min_quote >= gates.price_max_quote:
        message = f"must be below gates.price_max_quote, {gates.price_max_quote} quote tokens"
        yield Problem(path="gates.price_min_quote", message=message, value=str(gates.price_min_quote))
    if execution.confirm_timeout_s > execution.deadline_s:
        message = f"must not exceed execution.deadline_s, {execution.deadline_s} seconds"
        yield Problem(path="execution.confirm_timeout_s", message=message, value=execution.confirm_timeout_s)


def _swap_pools(execution: ExecutionSettings, pools: Mapping[str, PoolSettings]) -> Problems:
    if not execution.swap_pools:
        yield Problem(path="execution.swap_pools", message="must name at least one pool", value=[])
    for name, times in Counter(execution.swap_pools).items():
        if name not in pools:
            yield _no_pool("execution.swap_pools", name, pools)
        elif times > 1:
            yield Problem(path="execution.swap_pools", message=f"names {name} {times} times", value=list(execution.swap_pools))


def _local(chain: ChainSettings, rpc: RpcSettings) -> Problems:
    if chain.local != (chain.id in LOCAL_CHAIN_IDS):
        ids = " or ".join(str(id_) for id_ in sorted(LOCAL_CHAIN_IDS))
        message = f"must be true exactly when chain.id is {ids}"
        yield Problem(path="chain.local", message=message, value=chain.local)
    if chain.local and rpc.url is not None and not is_loopback(rpc.url.get_secret_value()):
        yield Problem(path="rpc.url", message="must be on this machine: the chain is local")


def _wallet(chain: ChainSettings, wallet: WalletSettings, run: RunSettings) -> Problems:
    if (wallet.keystore is None) != (wallet.passphrase_file is None):
        yield Problem(path="wallet.keystore", message="keystore and passphrase_file come together")
    if run.live and wallet.keystore is None and not chain.local:
        yield Problem(path="wallet.keystore", message="is needed, with passphrase_file, when run.live is true")


def _schedule(run: RunSettings) -> Problems:
    if run.cron:
        try:
            CronTrigger.from_crontab(run.cron, timezone="UTC")
        except ValueError as error:
            yield Problem(path="run.cron", message=f"must be five crontab fields: {error}", value=run.cron)
    elif run.healthy_within_s <= run.interval_s:
        message = f"must exceed run.interval_s, {run.interval_s} seconds"
        yield Problem(path="run.healthy_within_s", message=message, value=run.healthy_within_s)


def _no_pool(path: str, name: str, pools: Mapping[str, PoolSettings]) -> Problem:
    return Problem(path=path, message=f"no such pool; there are {', '.join(pools)}", value=name)


def _duplicates(named: Mapping[str, str]) -> Problems:
    first: dict[str, str] = {}
    for path, address in named.items():
        if address in first:
            yield Problem(path=path, message=f"is the same address as {first[address]}", value=address)
        first.setdefault(address, path)


Check = Callable[..., Problems]
CHECKS: tuple[tuple[Check, tuple[str, ...]], ...] = (
    (_tokens, ("chain",)),
    (_fees, ("chain",)),
    (_local, ("chain", "rpc")),
    (_pools, ("chain", "pair", "pools")),
    (_weights, ("ladder",)),
    (_nesting, ("ladder",)),
    (_spacing, ("ladder", "pools")),
    (_signals, ("signals",)),
    (_stress, ("stress",)),
    (_calendar, ("calendar",)),
    (_outside, ("chain", "pair", "outside", "deribit")),
    (_data_url, ("deribit",)),
    (_regimes, ("regimes",)),
    (_limits, ("gates", "execution")),
    (_swap_pools, ("execution", "pools")),
    (_wallet, ("chain", "wallet", "run")),
    (_schedule, ("run",)),
    (venues, ("chain",)),
    (hedge, ("hedge",)),
)
"""Each check with the sections that it reads, in the order of its arguments."""


def compare(sections: Mapping[str, Any]) -> Problems:
    """Every problem between the sections that are there."""
    for check, needs in CHECKS:
        if all(name in sections for name in needs):
            yield from check(*(sections[name] for name in needs))


def wei(amount: Decimal, decimals: int) -> int:
    """``amount`` in its smallest unit; digits beyond it are cut off, so that a ceiling is never raised."""
    return int(amount.scaleb(decimals))
