"""Rules with moderate defaults, part by part; every part takes overrides by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keeper.core.model.ladder import LayerKind, Regime
from keeper.core.model.policy import (
    Adoption,
    ExecutionPolicy,
    GatePolicy,
    LadderPolicy,
    LayerPolicy,
    Policy,
    RegimePolicy,
    RegimeWeights,
    Shape,
    SignalPolicy,
    TriggerPolicy,
)
from keeper.core.model.pool import PoolKey
from tests.pairs import DAY_S, USDC, USDC_WETH_500, WETH


def policy(**fields: Any) -> Policy:
    """Three layers in the 0.05 % pool, insurance as wings, everything at moderate defaults."""
    rules = Policy(
        chain_id=1,
        base=WETH,
        quote=USDC,
        wrapped_native=WETH,
        pools=(USDC_WETH_500,),
        signal_pool=USDC_WETH_500.address,
        ladder=ladder_policy(),
        signals=SignalPolicy(
            sample_interval_s=300,
            ewma_half_life_s=6 * 3_600,
            lookback_s=2 * DAY_S,
            min_history_s=6 * 3_600,
            stale_after_s=1_800,
        ),
        regimes=RegimePolicy(
            usual_volatility=0.6, normal_from=0.7, stressed_from=1.5, crisis_from=2.5, band=0.1, dwell_s=6 * 3_600
        ),
        triggers=TriggerPolicy(
            drift_share=0.6,
            drift_dwell_s=1_800,
            outside_dwell_s=600,
            width_change=0.5,
            compound_benefit_multiple=3.0,
        ),
        gates=gate_policy(),
        execution=execution_policy(),
        adoption=Adoption.ADOPT,
    )
    return replace(rules, **fields)


def ladder_policy(*, pool: PoolKey = USDC_WETH_500, **fields: Any) -> LadderPolicy:
    """Core, secondary and insurance in one pool; calm leans to the core, crisis to idle."""

    def layer(kind: LayerKind, shape: Shape, sigmas: float, narrowest: int, widest: int) -> LayerPolicy:
        return LayerPolicy(
            kind=kind,
            pool=pool.address,
            shape=shape,
            half_width_sigmas=sigmas,
            min_half_width_ticks=narrowest,
            max_half_width_ticks=widest,
        )

    def weights(regime: Regime, core: float, secondary: float, insurance: float, idle: float) -> RegimeWeights:
        return RegimeWeights(regime=regime, core=core, secondary=secondary, insurance=insurance, idle=idle)

    rules = LadderPolicy(
        layers=(
            layer(LayerKind.CORE, Shape.BAND, 1.25, 100, 3_000),
            layer(LayerKind.SECONDARY, Shape.BAND, 2.5, 300, 6_000),
            layer(LayerKind.INSURANCE, Shape.WINGS, 5.0, 600, 12_000),
        ),
        weights=(
            weights(Regime.CALM, 0.60, 0.25, 0.10, 0.05),
            weights(Regime.NORMAL, 0.50, 0.30, 0.15, 0.05),
            weights(Regime.STRESSED, 0.25, 0.35, 0.25, 0.15),
            weights(Regime.CRISIS, 0.0, 0.25, 0.35, 0.40),
        ),
        horizon_s=3 * DAY_S,
    )
    return replace(rules, **fields)


def gate_policy(**fields: Any) -> GatePolicy:
    """Half an hour of TWAP, an hour of cooldown, six shifts a day."""
    rules = GatePolicy(
        twap_window_s=1_800,
        twap_limit_ticks=100,
        cooldown_s=3_600,
        shifts_per_day=6,
        cost_multiple=2.0,
        min_move_quote=100.0,
        price_min_quote=100.0,
        price_max_quote=100_000.0,
        max_base_fee_wei=60 * 10**9,
        max_gas_day_wei=2 * 10**16,
    )
    return replace(rules, **fields)


def execution_policy(**fields: Any) -> ExecutionPolicy:
    """0.3 % slippage, five minutes, half an ether kept for gas."""
    rules = ExecutionPolicy(
        slippage_bps=30,
        deadline_s=300,
        swap_pools=(USDC_WETH_500.address,),
        unplaced_tolerance=0.02,
        native_reserve_wei=5 * 10**17,
        confirmations=2,
        max_fee_wei=60 * 10**9,
        max_tip_wei=3 * 10**9,
        gas_limit_multiple=1.3,
        confirm_timeout_s=60,
    )
    return replace(rules, **fields)
