"""Plans, what is handed out for them and what comes of it, with sane defaults."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keeper.core.model.codec import digest
from keeper.core.model.decision import Decision, ShiftLayer
from keeper.core.model.ladder import LayerKind, TickRange
from keeper.core.model.plan import (
    Alternative,
    Bounds,
    Burn,
    Collect,
    Cost,
    Decrease,
    Done,
    Mint,
    Minted,
    NotDone,
    Placement,
    Plan,
    Simulated,
    Stage,
    StageKind,
    Swap,
    Unknown,
)
from keeper.core.model.record import Attempt
from keeper.core.model.token import TokenAmount
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from tests.builders import decision, target_layer
from tests.pairs import BLOCK, NOW_S, TICK, USDC, USDC_WETH_500, WETH


def tx_hash(number: int = 1) -> str:
    """A transaction hash that follows from a number."""
    return "0x" + digest(["transaction", number])


def bounds(**fields: Any) -> Bounds:
    """Five minutes and 0.02 ether."""
    return replace(Bounds(deadline_s=NOW_S + 300, max_gas_wei=2 * 10**16, slippage_bps=30), **fields)


def mint(layer: LayerKind = LayerKind.CORE, **fields: Any) -> Mint:
    """30,000 USDC and 7.5 ETH within 600 ticks."""
    whole = Mint(
        pool=USDC_WETH_500.address,
        layer=layer,
        range=TickRange(lower=TICK - 600, upper=TICK + 600),
        amount0=30_000 * 10**6,
        amount1=75 * 10**17,
        amount0_min=29_900 * 10**6,
        amount1_min=74 * 10**17,
    )
    return replace(whole, **fields)


def withdraw_stage(*token_ids: int) -> Stage:
    """Everything out of these positions; default: the core of ``builders.ladder``."""
    steps = tuple(
        step
        for token_id in token_ids or (1001,)
        for step in (
            Decrease(token_id=token_id, liquidity=16_000_000_000_000_000, amount0_min=1, amount1_min=1),
            Collect(token_id=token_id),
            Burn(token_id=token_id),
        )
    )
    return Stage(kind=StageKind.WITHDRAW, steps=steps)


def swap_stage(**fields: Any) -> Stage:
    """Sell 5,000 USDC, at most 30 ticks up."""
    step = Swap(
        pool=USDC_WETH_500.address,
        zero_for_one=True,
        amount_in=5_000 * 10**6,
        amount_out_min=124 * 10**16,
        sqrt_price_limit_x96=get_sqrt_ratio_at_tick(TICK - 30),
    )
    return Stage(kind=StageKind.SWAP, steps=(replace(step, **fields),))


def place_stage(*layers: LayerKind) -> Stage:
    """A mint for each of these layers; default: the core."""
    return Stage(kind=StageKind.PLACE, steps=tuple(mint(layer) for layer in layers or (LayerKind.CORE,)))


def shift_decision(token_id: int = 1001) -> Decision:
    """Place the core anew."""
    return decision(moves=(ShiftLayer(target=target_layer(), token_ids=(token_id,)),))


def plan(view_digest: str, **fields: Any) -> Plan:
    """Withdraw, swap and place the core."""
    cost = Cost(gas_units=900_000, gas_quote=3.96, swap_fee_quote=2.5, impact_quote=0.4)
    whole = Plan(
        id="0123456789abcdef",
        view_digest=view_digest,
        stages=(withdraw_stage(), swap_stage(), place_stage()),
        placements=(Placement(layer=LayerKind.CORE, band=target_layer().bands[0], value_quote=60_000.0, token_id=None),),
        bounds=bounds(),
        cost=cost,
        alternatives=(Alternative(name=f"swap in {USDC_WETH_500.address}", cost=cost, unplaced_quote=12.5, taken=True),),
    )
    return replace(whole, **fields)


def attempt(intent_id: int, *, sequence: int = 0, nonce: int | None = None, number: int = 1, **fields: Any) -> Attempt:
    """A signed transaction; ``number`` makes its hash, the nonce is 7 and up by sequence."""
    whole = Attempt(
        intent_id=intent_id,
        sequence=sequence,
        nonce=7 + sequence if nonce is None else nonce,
        tx_hash=tx_hash(number),
        raw="0x02f8" + digest(["raw", number]) * 8,
        max_fee_wei=2_000_000_000,
        tip_wei=100_000_000,
    )
    return replace(whole, **fields)


def done(*minted: tuple[int, LayerKind], number: int = 1) -> Done:
    """Mined, with these positions opened."""
    return Done(
        tx_hashes=(tx_hash(number),),
        deltas=(TokenAmount(token=USDC, raw=-30_000 * 10**6), TokenAmount(token=WETH, raw=-75 * 10**17)),
        minted=tuple(Minted(token_id=token_id, layer=layer) for token_id, layer in minted),
        gas_units=850_000,
        gas_wei=850_000 * 11 * 10**8,
        block=BLOCK + 2,
    )


def simulated(*minted: tuple[int, LayerKind]) -> Simulated:
    """Run on the node's state, with positions that will never exist."""
    return Simulated(
        deltas=(), minted=tuple(Minted(token_id=token_id, layer=layer) for token_id, layer in minted), gas_units=850_000
    )


def not_done(why: str = "mined and reverted", number: int = 1) -> NotDone:
    """Mined and reverted."""
    return NotDone(why=why, tx_hashes=(tx_hash(number),), gas_wei=10**14)


def unknown(number: int = 1) -> Unknown:
    """Handed out, fate open."""
    return Unknown(tx_hash=tx_hash(number))
