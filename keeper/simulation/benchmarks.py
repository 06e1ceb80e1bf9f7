"""What the keeper is compared with: other policies and other deciders on the same engine, and two portfolios without liquidity.

Every decider opens in the cycle in which the keeper would, past the same gates, with the part of the capital that the keeper
would place. Nothing here prices, plans or executes by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from keeper.core.model.calendar import NO_CALENDAR
from keeper.core.model.decision import Decision, Move, OpenLayer, ShiftLayer
from keeper.core.model.hedge import NO_HEDGE
from keeper.core.model.ladder import Ladder, LayerKind, Position, Regime, TargetBand, TargetLayer, TickRange
from keeper.core.model.policy import CalendarPolicy, LadderPolicy, LayerPolicy, Policy, RegimeWeights, Shape, SignalWeight
from keeper.core.model.pool import PoolKey
from keeper.core.model.view import MarketView, SignalReading
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.signals import names
from keeper.core.strategy.decide import decide
from keeper.core.v3math.units import MAX_TICK
from keeper.engine.cycle import Decide
from keeper.simulation.ledger_rows import LedgerRows

STATIC_SHARE, TAU_SHARE = 0.10, 0.05
"""Half widths of the static and of the re-centred range, as parts of the price."""
ABLATED = "without_"
"""Begins the name of the keeper without one of its parts."""
WITHOUT_PROTECTION = f"{ABLATED}protection"
MIX_BAND = 0.02
"""How far the share of a constant mix may stray from a half before it is traded back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """One run beside the keeper's."""

    name: str
    described: str
    policy: Policy
    decide: Decide = decide


@dataclass(frozen=True, slots=True, kw_only=True)
class OneRange:
    """A single range, opened when the keeper would open its ladder, and left alone."""

    share: float | None
    """Half width as a part of the price; None for the widest range that there is."""

    def __call__(self, view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> Decision:
        """Open once."""
        found = _from_nothing(view, readings, policy)
        if view.ladder.positions:
            return replace(found, moves=())
        return _instead(found, view, policy, self.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recentred:
    """A single range that is placed anew around the price whenever the price has left it: the tau-reset of the literature.

    No gate is asked for that, and no dwell; it places the part that the regime of the time does not leave idle.
    """

    share: float
    """Half width as a part of the price."""

    def __call__(self, view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> Decision:
        """Open once, and shift when outside."""
        found = _from_nothing(view, readings, policy)
        live = [position for position in view.ladder.positions if position.liquidity > 0]
        if not live:
            return _instead(found, view, policy, self.share)
        weight = 1 - policy.ladder.weights_in(found.regime).idle
        return replace(found, moves=self._shift(view, policy, live, weight))

    def _shift(self, view: MarketView, policy: Policy, live: Sequence[Position], weight: float) -> tuple[Move, ...]:
        tick = view.pool(live[0].pool).state.tick
        if live[0].range.contains(tick) or weight <= 0:
            return ()
        target = _target(view, policy, self.share, weight=weight)
        return (ShiftLayer(target=target, token_ids=tuple(one.token_id for one in live)),)


def opened_and_held(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> Decision:
    """The keeper's own decisions until its ladder stands, and then nothing."""
    found = decide(view, readings, policy)
    return replace(found, moves=()) if view.ladder.positions else found


def benchmarks(policy: Policy) -> tuple[Variation, ...]:
    """What every run is held against; where protection is bought, the keeper without it too.

    A benchmark that is not the keeper's own strategy buys no options, and holds nothing back for them.
    """
    bare = replace(policy, hedge=NO_HEDGE)
    unprotected = Variation(name=WITHOUT_PROTECTION, described="no options, and nothing held back to pay for them", policy=bare)
    return (
        Variation(name="full_range", described="the widest range, opened once", policy=bare, decide=OneRange(share=None)),
        Variation(
            name="static",
            described=f"one range of +-{STATIC_SHARE:.0%}, opened once",
            policy=bare,
            decide=OneRange(share=STATIC_SHARE),
        ),
        Variation(
            name="tau_reset",
            described=f"one range of +-{TAU_SHARE:.0%}, placed anew whenever the price has left it",
            policy=bare,
            decide=Recentred(share=TAU_SHARE),
        ),
        Variation(
            name="equal_gamma",
            described="one range with the gamma of all bands in every regime, the keeper's triggers and gates",
            policy=equal_gamma(policy),
        ),
        Variation(name="opened_and_held", described="the keeper's ladder, never moved", policy=bare, decide=opened_and_held),
        *((unprotected,) if policy.hedge.tiers else ()),
    )


def ablations(policy: Policy) -> tuple[Variation, ...]:
    """The keeper without one of its parts; without layering it is ``equal_gamma``.

    Groups of signals without weight are left out: they decide nothing. The calendar widens layers without any weight.
    """
    idle = weightless(policy)
    found = [
        _without(policy, f"{ABLATED}{name}", f"no say of {', '.join(group)}", frozenset(group))
        for name, group in _GROUPS.items()
        if name not in idle
    ]
    if any(one.weight > 0 for one in policy.stress.weights):
        every = frozenset(one.name for one in policy.stress.weights)
        found.append(_without(policy, f"{ABLATED}score", "no stress score and no calendar", every))
    gates = replace(policy.gates, cost_multiple=0.0)
    found.append(
        Variation(name=f"{ABLATED}gate", described="shifts need not earn their cost", policy=replace(policy, gates=gates))
    )
    usual = policy.ladder.weights_in(Regime.NORMAL)
    weights = tuple(replace(usual, regime=regime) for regime in Regime)
    found.append(
        Variation(
            name=f"{ABLATED}regime",
            described="the weights of a normal market always",
            policy=replace(policy, ladder=replace(policy.ladder, weights=weights)),
        )
    )
    return tuple(found)


def weightless(policy: Policy) -> tuple[str, ...]:
    """Groups of signals that decide nothing."""
    scheduled = policy.calendar.calendar != NO_CALENDAR
    return tuple(
        name
        for name, group in _GROUPS.items()
        if all(policy.stress.weight(signal) <= 0 for signal in group) and not (names.CALENDAR in group and scheduled)
    )


def equal_gamma(policy: Policy) -> Policy:
    """A single range whose gamma is, in every regime, that of the ladder's bands at the usual volatility.

    The half width is that of the regime with the most gamma, in which all of the capital is placed; in the others as much of it
    is placed as makes the gamma equal, and the rest stays idle. It is never wider than the ladder's widest band. Wings are idle
    until the price walks into one, and count for nothing. Per unit of value the gamma of a range of log half width ``h`` goes
    with ``c(h) = 1 / (1 - e^(-h/2))``.

    Ref: facts on concentration, v3 whitepaper section 6.3.
    """
    sigma = policy.regimes.usual_volatility * math.sqrt(policy.ladder.horizon_s / SECONDS_A_YEAR)
    bands = [layer for layer in policy.ladder.layers if layer.shape is Shape.BAND]
    gammas = {regime: _gamma(policy.ladder, bands, regime, sigma) for regime in Regime}
    widest = max(bands, key=lambda band: band.half_width_sigmas)
    most = max(*gammas.values(), _concentration(widest, sigma))
    half = -2 * math.log(1 - 1 / most)
    layer = replace(
        policy.ladder.layers[0],
        half_width_sigmas=half / sigma,
        max_half_width_ticks=max(band.max_half_width_ticks for band in bands),
    )
    weights = tuple(
        RegimeWeights(
            regime=regime,
            core=gammas[regime] / most,
            secondary=0.0,
            insurance=0.0,
            idle=1 - gammas[regime] / most,
        )
        for regime in Regime
    )
    return replace(policy, ladder=replace(policy.ladder, layers=(layer,), weights=weights))


def hold(rows: LedgerRows) -> list[float]:
    """Value at every cycle of the keeper of what it began with, left alone."""
    return list(rows.hold)


def constant_mix(rows: LedgerRows, *, fee: float) -> list[float]:
    """Value at every cycle of half of the capital in each token, traded back when the share strays past :data:`MIX_BAND`.

    Args:
        rows: of the keeper.
        fee: paid on what is traded, as a fraction.
    """
    if not rows.value:
        return []
    base, quote = rows.hold[0] / 2 / rows.price[0], rows.hold[0] / 2
    found = []
    for price in rows.price:
        whole = base * price + quote
        excess = base * price - whole / 2
        if abs(excess) > MIX_BAND * whole:
            base -= excess / price
            quote += excess - fee * abs(excess)
        found.append(base * price + quote)
    return found


_GROUPS = {
    "volatility": (names.VOLATILITY_FORECAST, names.JUMP_SHARE),
    "implied": (names.IMPLIED_OVER_REALISED, names.VOLATILITY_OUTSIDE),
    "calendar": (names.CALENDAR,),
    "momentum": (names.RSI, names.MACD),
    "flow": (names.ACCUMULATION, names.TAKER_FLOW, names.ARBITRAGE_SHARE, names.JIT_SHARE),
    "surroundings": (
        names.BREADTH,
        names.BREADTH_DIVERGENCE,
        names.EFFECTIVE_RATE_BASE,
        names.EFFECTIVE_RATE_QUOTE,
        names.MARK_DEVIATION,
    ),
    "lending": (names.QUICK_RATIO, names.QUICK_RATIO_CHANGE, names.KINK_DISTANCE, names.LIQUIDATIONS),
    "yields": (names.VOLUME_TO_TVL, names.PRICE_TO_CASH_FLOW),
}
"""Groups of scored signals that are taken away together."""


def _from_nothing(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> Decision:
    """What the keeper would do if it held nothing; a range of a benchmark's is none that it would know."""
    return decide(replace(view, ladder=Ladder(layers=())), readings, policy)


def _without(policy: Policy, name: str, described: str, group: frozenset[str]) -> Variation:
    weights = tuple(
        SignalWeight(name=one.name, weight=0.0 if one.name in group else one.weight) for one in policy.stress.weights
    )
    changed = replace(policy, stress=replace(policy.stress, weights=weights))
    if names.CALENDAR in group:
        changed = replace(changed, calendar=CalendarPolicy(calendar=NO_CALENDAR))
    return Variation(name=name, described=described, policy=changed)


def _gamma(ladder: LadderPolicy, bands: Sequence[LayerPolicy], regime: Regime, sigma: float) -> float:
    weights = ladder.weights_in(regime)
    return math.fsum([weights.weight(band.kind) * _concentration(band, sigma) for band in bands])


def _concentration(band: LayerPolicy, sigma: float) -> float:
    return 1 / (1 - math.exp(-band.half_width_sigmas * sigma / 2))


def _instead(found: Decision, view: MarketView, policy: Policy, share: float | None) -> Decision:
    """One range in place of every layer that the keeper would open now."""
    opens = [move for move in found.moves if isinstance(move, OpenLayer)]
    if not opens:
        return replace(found, moves=())
    weight = min(math.fsum(move.target.weight for move in opens), 1.0)
    return replace(found, moves=(OpenLayer(target=_target(view, policy, share, weight=weight)),))


def _target(view: MarketView, policy: Policy, share: float | None, *, weight: float) -> TargetLayer:
    key = policy.pool(policy.ladder.layers[0].pool)
    band = TargetBand(pool=key.address, range=_around(key, view.pool(key.address).state.tick, share), share=1.0)
    return TargetLayer(kind=LayerKind.CORE, bands=(band,), weight=weight)


def _around(key: PoolKey, tick: int, share: float | None) -> TickRange:
    last = MAX_TICK // key.tick_spacing * key.tick_spacing
    if share is None:
        return TickRange(lower=-last, upper=last)
    half = max(round(math.log1p(share) / math.log(1.0001) / key.tick_spacing), 1) * key.tick_spacing
    centre = (tick + key.tick_spacing // 2) // key.tick_spacing * key.tick_spacing
    return TickRange(lower=centre - half, upper=centre + half)
