"""Where settings die: the frozen policy that everything inside works by."""

from __future__ import annotations

from collections.abc import Mapping

from keeper.adapters.calendar import toml_calendar
from keeper.app.settings.checks import layers_of, wei
from keeper.app.settings.hedge import to_hedge
from keeper.app.settings.schema import PoolSettings, Settings
from keeper.core.model.ladder import LayerKind, Regime
from keeper.core.model.policy import (
    CalendarPolicy,
    ExecutionPolicy,
    GatePolicy,
    LadderPolicy,
    LayerPolicy,
    OutsidePolicy,
    Policy,
    RegimePolicy,
    RegimeWeights,
    SignalPolicy,
    SignalWeight,
    StressPolicy,
    TriggerPolicy,
    UniversePool,
)
from keeper.core.model.pool import PoolKey
from keeper.core.model.token import Token

GWEI_DECIMALS = 9
NATIVE_DECIMALS = 18


def to_policy(settings: Settings) -> Policy:
    """The rules that the settings state; amounts of fees in wei, cut off below one wei.

    Raises:
        ConfigError: the calendar's file cannot be read or used.
    """
    tokens = {
        symbol: Token(address=token.address, symbol=symbol, decimals=token.decimals)
        for symbol, token in settings.chain.tokens.items()
    }
    pools = {name: _pool(pool, tokens) for name, pool in settings.pools.items()}
    wrapped = settings.chain.wrapped_native
    return Policy(
        chain_id=settings.chain.id,
        base=tokens[settings.pair.base],
        quote=tokens[settings.pair.quote],
        wrapped_native=tokens[wrapped] if wrapped in {settings.pair.base, settings.pair.quote} else None,
        pools=tuple(pools.values()),
        signal_pool=pools[settings.pair.signal_pool].address,
        ladder=_ladder(settings),
        signals=SignalPolicy(**settings.signals.model_dump()),
        regimes=_regimes(settings),
        triggers=_triggers(settings),
        gates=_gates(settings),
        execution=_execution(settings),
        adoption=settings.wallet.adoption,
        stress=_stress(settings),
        calendar=_calendar(settings),
        outside=_outside(settings, tokens),
        hedge=to_hedge(settings.hedge),
    )


def _pool(pool: PoolSettings, tokens: Mapping[str, Token]) -> PoolKey:
    return PoolKey(
        address=pool.address,
        token0=tokens[pool.token0],
        token1=tokens[pool.token1],
        fee_pips=pool.fee_pips,
        tick_spacing=pool.tick_spacing,
    )


def _stress(settings: Settings) -> StressPolicy:
    stress = settings.stress
    return StressPolicy(
        weights=tuple(SignalWeight(name=name, weight=float(weight)) for name, weight in sorted(stress.weights.items())),
        least_available=float(stress.least_available),
        raise_from=float(stress.raise_from),
        width_gain=float(stress.width_gain),
        insurance_gain=float(stress.insurance_gain),
        protect_from=float(stress.protect_from),
    )


def _calendar(settings: Settings) -> CalendarPolicy:
    rules = settings.calendar
    calendar = toml_calendar.read(rules.file).calendar
    return CalendarPolicy(calendar=calendar, lead_s=rules.lead_s, width_change=float(rules.width_change))


def _outside(settings: Settings, tokens: Mapping[str, Token]) -> OutsidePolicy:
    outside = settings.outside
    return OutsidePolicy(
        sample_every_s=outside.sample_every_s,
        universe=tuple(UniversePool(key=_pool(pool, tokens), base=tokens[pool.base]) for pool in outside.universe.values()),
        basket_cap=float(outside.basket_cap),
        lending=tuple(tokens[symbol] for symbol in outside.lending) if settings.chain.aave_pool is not None else (),
        marks=outside.marks,
        mark_max_age_s=outside.mark_max_age_s,
        implied=outside.implied or None,
    )


def _ladder(settings: Settings) -> LadderPolicy:
    return LadderPolicy(
        layers=tuple(
            LayerPolicy(
                kind=LayerKind(name),
                pool=settings.pools[layer.pool].address,
                shape=layer.shape,
                half_width_sigmas=float(layer.half_width_sigmas),
                min_half_width_ticks=layer.min_half_width_ticks,
                max_half_width_ticks=layer.max_half_width_ticks,
            )
            for name, layer in layers_of(settings.ladder).items()
        ),
        weights=tuple(
            RegimeWeights(
                regime=regime,
                **{name: float(part) for name, part in getattr(settings.ladder.weights, regime.value).model_dump().items()},
            )
            for regime in Regime
        ),
        horizon_s=settings.ladder.horizon_s,
    )


def _regimes(settings: Settings) -> RegimePolicy:
    regimes = settings.regimes
    return RegimePolicy(
        usual_volatility=float(regimes.usual_volatility),
        normal_from=float(regimes.normal_from),
        stressed_from=float(regimes.stressed_from),
        crisis_from=float(regimes.crisis_from),
        band=float(regimes.band),
        dwell_s=regimes.dwell_s,
    )


def _triggers(settings: Settings) -> TriggerPolicy:
    triggers = settings.triggers
    return TriggerPolicy(
        drift_share=float(triggers.drift_share),
        drift_dwell_s=triggers.drift_dwell_s,
        outside_dwell_s=triggers.outside_dwell_s,
        width_change=float(triggers.width_change),
        compound_benefit_multiple=float(triggers.compound_benefit_multiple),
    )


def _gates(settings: Settings) -> GatePolicy:
    gates, fees = settings.gates, settings.chain.fees
    return GatePolicy(
        twap_window_s=gates.twap_window_s,
        twap_limit_ticks=gates.twap_limit_ticks,
        cooldown_s=gates.cooldown_s,
        shifts_per_day=gates.shifts_per_day,
        cost_multiple=float(gates.cost_multiple),
        min_move_quote=float(gates.min_move_quote),
        price_min_quote=float(gates.price_min_quote),
        price_max_quote=float(gates.price_max_quote),
        max_base_fee_wei=wei(fees.max_base_fee_gwei, GWEI_DECIMALS),
        max_gas_day_wei=wei(fees.max_gas_day, NATIVE_DECIMALS),
    )


def _execution(settings: Settings) -> ExecutionPolicy:
    execution, fees = settings.execution, settings.chain.fees
    return ExecutionPolicy(
        slippage_bps=execution.slippage_bps,
        deadline_s=execution.deadline_s,
        swap_pools=tuple(settings.pools[name].address for name in execution.swap_pools),
        unplaced_tolerance=float(execution.unplaced_tolerance),
        native_reserve_wei=wei(fees.native_reserve, NATIVE_DECIMALS),
        confirmations=settings.chain.confirmations,
        max_fee_wei=wei(fees.max_fee_gwei, GWEI_DECIMALS),
        max_tip_wei=wei(fees.max_tip_gwei, GWEI_DECIMALS),
        gas_limit_multiple=float(execution.gas_limit_multiple),
        confirm_timeout_s=execution.confirm_timeout_s,
    )
