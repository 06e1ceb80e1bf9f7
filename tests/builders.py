"""Model values with sane defaults for every test: the mainnet pair USDC/WETH near 4,000 USDC per ETH, consistent with itself.

Prices, map and positions agree: the active liquidity is what the map's ticks add up to, our own positions included, and the
amounts of a position are what its liquidity is worth at the price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from keeper.core.model.codec import digest
from keeper.core.model.decision import Decision, Reason
from keeper.core.model.ladder import (
    Ladder,
    Layer,
    LayerKind,
    Position,
    Regime,
    TargetBand,
    TargetLadder,
    TargetLayer,
    TickRange,
)
from keeper.core.model.pool import (
    BlockRef,
    PoolKey,
    PoolState,
    PoolView,
    TickNet,
)
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import (
    NO_MEMORY,
    Gas,
    LayerMemory,
    MarketView,
    Memory,
    Quality,
    SignalReading,
    Wallet,
)
from keeper.core.signals import names
from keeper.core.v3math.liquidity_amounts import get_amounts_for_liquidity
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from tests.histories import barred, block_price, default_history_ref, history, history_ref, prices
from tests.pairs import (
    BLOCK,
    DAY_S,
    LIQUIDITY,
    NOW_S,
    TICK,
    USDC,
    USDC_WETH_500,
    USDC_WETH_3000,
    USDT,
    WALLET,
    WETH,
    WETH_USDT_500,
)
from tests.policies import execution_policy, gate_policy, ladder_policy, policy

__all__ = [
    "BLOCK",
    "DAY_S",
    "LIQUIDITY",
    "NOW_S",
    "TICK",
    "USDC",
    "USDC_WETH_500",
    "USDC_WETH_3000",
    "USDT",
    "WALLET",
    "WETH",
    "WETH_USDT_500",
    "barred",
    "block_price",
    "block_ref",
    "decision",
    "execution_policy",
    "gas",
    "gate_policy",
    "history",
    "history_ref",
    "ladder",
    "ladder_policy",
    "memory",
    "policy",
    "pool_state",
    "pool_view",
    "position",
    "prices",
    "reading",
    "readings",
    "target_ladder",
    "target_layer",
    "view",
    "wallet",
]


def block_ref(number: int = BLOCK, timestamp_s: int = NOW_S) -> BlockRef:
    """A block whose hash follows from its number."""
    return BlockRef(number=number, hash="0x" + digest([number]), timestamp_s=timestamp_s)


def position(
    token_id: int = 1001,
    lower: int = TICK - 600,
    upper: int = TICK + 600,
    *,
    liquidity: int = 2_000_000_000_000_000,
    tick: int = TICK,
    pool: PoolKey = USDC_WETH_500,
    fees0: int = 12_345_678,
    fees1: int = 3_086_419_500_000_000,
) -> Position:
    """A position with the amounts that its liquidity is worth when the price stands exactly on ``tick``."""
    ratios = (get_sqrt_ratio_at_tick(t) for t in (tick, lower, upper))
    amount0, amount1 = get_amounts_for_liquidity(*ratios, liquidity)
    return Position(
        token_id=token_id,
        pool=pool.address,
        range=TickRange(lower=lower, upper=upper),
        liquidity=liquidity,
        amount0=amount0,
        amount1=amount1,
        fees0=fees0,
        fees1=fees1,
    )


def ladder(tick: int = TICK, *, centre: int | None = None, pool: PoolKey = USDC_WETH_500) -> Ladder:
    """Three layers placed around ``centre`` (default: ``tick``), core and secondary one band each, insurance two wings.

    Worth about 60,000, 36,000 and 18,000 USDC: the shares of a normal regime when 6,000 are idle.
    """
    spacing = pool.tick_spacing
    middle = (tick if centre is None else centre) // spacing * spacing

    def band(token_id: int, lower: int, upper: int, liquidity: int) -> Position:
        return position(token_id, middle + lower * spacing, middle + upper * spacing, liquidity=liquidity, tick=tick, pool=pool)

    return Ladder(
        layers=(
            Layer(kind=LayerKind.CORE, positions=(band(1001, -60, 60, 16_000_000_000_000_000),)),
            Layer(kind=LayerKind.SECONDARY, positions=(band(1002, -200, 200, 3_000_000_000_000_000),)),
            Layer(
                kind=LayerKind.INSURANCE,
                positions=(
                    band(1003, -400, -200, 1_650_000_000_000_000),
                    band(1004, 200, 400, 1_650_000_000_000_000),
                ),
            ),
        )
    )


def pool_state(tick: int = TICK, *, key: PoolKey = USDC_WETH_500, **fields: Any) -> PoolState:
    """A pool whose price stands exactly on ``tick``."""
    state = PoolState(
        key=key,
        sqrt_price_x96=get_sqrt_ratio_at_tick(tick),
        tick=tick,
        liquidity=LIQUIDITY,
        fee_growth_global0_x128=3_456_789_012_345_678_901_234_567_890_123_456,
        fee_growth_global1_x128=1_234_567_890_123_456_789_012_345_678_901_234_567_890,
        fee_protocol=0,
    )
    return replace(state, **fields)


def pool_view(
    tick: int = TICK,
    *,
    key: PoolKey = USDC_WETH_500,
    centre: int = TICK,
    positions: Sequence[Position] = (),
    bands: int = 100,
    twap_tick: int | None = TICK,
    twap_window_s: int = 1_800,
    **state_fields: Any,
) -> PoolView:
    """A pool with others' liquidity in ``bands`` nested ranges around ``centre``, and our ``positions`` on top of it.

    There are two initialised ticks a band (the innermost is 12 spacings wide on each side), so 100 bands make 200 ticks. With
    ``tick`` within 12 spacings of ``centre`` the others' active liquidity is LIQUIDITY.
    """
    spacing = key.tick_spacing
    middle = centre // spacing * spacing
    share, rest = divmod(LIQUIDITY, bands)
    nets: dict[int, int] = {}

    def add(lower: int, upper: int, liquidity: int) -> None:
        nets[lower] = nets.get(lower, 0) + liquidity
        nets[upper] = nets.get(upper, 0) - liquidity

    for band in range(bands):
        reach = (12 + 4 * band) * spacing
        add(middle - reach, middle + reach, share + (rest if band == 0 else 0))
    for held in positions:
        if held.pool == key.address:
            add(held.range.lower, held.range.upper, held.liquidity)
    ticks = tuple(TickNet(tick=t, liquidity_net=net) for t, net in sorted(nets.items()) if net)
    edge = max((abs(t.tick - middle) for t in ticks), default=0) + 256 * spacing
    active = sum(t.liquidity_net for t in ticks if t.tick <= tick)
    return PoolView(
        state=pool_state(tick, key=key, **{"liquidity": active, **state_fields}),
        ticks=ticks,
        map_lower=middle - edge,
        map_upper=middle + edge,
        twap_tick=twap_tick,
        twap_window_s=twap_window_s,
    )


def wallet(
    usdc: int = 60_000 * 10**6,
    weth: int = 0,
    *,
    native_wei: int = 155 * 10**17,
    nonce: int = 7,
    balances: tuple[TokenAmount, ...] | None = None,
) -> Wallet:
    """60,000 USDC and 15.5 ETH (half an ether of it for gas), in raw units."""
    held = (TokenAmount(token=USDC, raw=usdc), TokenAmount(token=WETH, raw=weth)) if balances is None else balances
    return Wallet(address=WALLET, native_wei=native_wei, balances=held, nonce=nonce)


def gas(base_fee_wei: int = 1_000_000_000, tip_wei: int = 100_000_000, data_wei: int = 0) -> Gas:
    """1 gwei and a tenth of it."""
    return Gas(base_fee_wei=base_fee_wei, tip_wei=tip_wei, data_wei=data_wei)


def memory(**fields: Any) -> Memory:
    """A normal regime for two days, every layer placed a day ago and in range since."""
    kinds = tuple(LayerKind)
    full = Memory(
        regime=Regime.NORMAL,
        regime_since_s=NOW_S - 2 * DAY_S,
        lower_regime_since_s=None,
        acted_block=None,
        last_cycle_s=NOW_S - 300,
        layers=tuple(
            LayerMemory(
                kind=kind,
                placed_at_s=NOW_S - DAY_S,
                outside_since_s=None,
                drifted_since_s=None,
                in_range_s=DAY_S,
                watched_s=DAY_S,
            )
            for kind in kinds
        ),
        shifts_s=(),
        gas_paid=(),
    )
    return replace(full, **fields)


def view(
    tick: int = TICK, *, held: Ladder | None = None, twap_tick: int | None = TICK, remembered: Memory = NO_MEMORY, **fields: Any
) -> MarketView:
    """The market with the price exactly on ``tick``: a first start unless ``held`` and ``remembered`` say otherwise.

    About 120,000 USDC in all: half USDC and half ETH at a first start, all but 5 % of it in the ladder when one is ``held``.
    The positions of ``held`` are in the pool's map; ``history`` names the rows of :func:`history` unless given.
    """
    ours = Ladder(layers=()) if held is None else held
    if "history" not in fields:
        fields["history"] = default_history_ref()
    if "pools" not in fields:
        fields["pools"] = (pool_view(tick, positions=ours.positions, twap_tick=twap_tick),)
    whole: dict[str, Any] = {
        "chain_id": 1,
        "block": block_ref(),
        "wallet": wallet() if held is None else wallet(3_000 * 10**6, native_wei=125 * 10**16),
        "gas": gas(),
        "ladder": ours,
        "memory": remembered,
        **fields,
    }
    return MarketView(**whole)


def target_layer(
    kind: LayerKind = LayerKind.CORE,
    ranges: Sequence[tuple[int, int]] = ((TICK - 600, TICK + 600),),
    *,
    weight: float = 0.5,
    pool: PoolKey = USDC_WETH_500,
) -> TargetLayer:
    """One wanted layer; its bands share its value equally."""
    bands = tuple(
        TargetBand(pool=pool.address, range=TickRange(lower=lower, upper=upper), share=1.0 / len(ranges))
        for lower, upper in ranges
    )
    return TargetLayer(kind=kind, bands=bands, weight=weight)


def target_ladder(tick: int = TICK) -> TargetLadder:
    """Core, secondary and two wings around ``tick``, 5 % idle."""
    return TargetLadder(
        layers=(
            target_layer(LayerKind.CORE, ((tick - 600, tick + 600),), weight=0.5),
            target_layer(LayerKind.SECONDARY, ((tick - 2_000, tick + 2_000),), weight=0.3),
            target_layer(LayerKind.INSURANCE, ((tick - 4_000, tick - 2_000), (tick + 2_000, tick + 4_000)), weight=0.15),
        )
    )


def reading(name: str = "volatility.ewma", value: float | None = 0.6, **fields: Any) -> SignalReading:
    """A good reading of now; missing when there is no value."""
    whole: dict[str, Any] = {
        "name": name,
        "value": value,
        "unit": "per year",
        "as_of_s": NOW_S,
        "block": BLOCK,
        "source": USDC_WETH_500.address,
        "quality": Quality.MISSING if value is None else Quality.GOOD,
        **fields,
    }
    return SignalReading(**whole)


def readings(
    forecast: float | None = 0.6,
    *,
    quality: Quality | None = None,
    implied: float | None = 0.6,
    usual: float | None = None,
    score: float | None = None,
    event: float | None = None,
) -> tuple[SignalReading, ...]:
    """Everything that the strategy asks for: a good forecast, and no history, score or calendar unless given.

    ``quality`` is the forecast's, ``usual`` the 180-day median, ``event`` the calendar's multiplier of variance.
    """
    graded = {} if quality is None else {"quality": quality}
    return (
        reading(names.VOLATILITY_FORECAST, forecast, **graded),
        reading(names.VOLATILITY_POOL_IMPLIED, implied),
        reading(names.VOLATILITY_USUAL, usual),
        reading(names.STRESS_SCORE, score, unit="-0.905 to 0.905"),
        reading(names.CALENDAR, event, unit="times variance"),
        reading(names.VOLATILITY_OUTSIDE, None),
    )


def decision(*, regime: Regime = Regime.NORMAL, **fields: Any) -> Decision:
    """A hold with one trigger that was too weak to matter."""
    hold = Decision(
        moves=(),
        reasons=(Reason(trigger="drift", layer=LayerKind.CORE, found=0.7, limit=0.6, unit="of half width"),),
        vetoes=(),
        regime=regime,
        lower_regime_since_s=None,
        volatility=0.6,
    )
    return replace(hold, **fields)
