"""The fewest steps from the ladder that is to the ladder that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from keeper.core.model.decision import (
    BuyProtection,
    CloseLayer,
    CompoundLayer,
    Decision,
    ExitAll,
    OpenLayer,
    ProtectionMove,
    ShiftLayer,
    TiltInventory,
)
from keeper.core.model.ladder import Position, TargetBand, TargetLayer
from keeper.core.model.plan import Burn, Collect, Decrease, Placement, Step
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView
from keeper.core.planning.bounds import decrease_minimums, protected_interval
from keeper.core.planning.funds import held_position, wallet_purse
from keeper.core.planning.gas import gas_quote
from keeper.core.planning.price import Price
from keeper.core.strategy.gas import step_gas
from keeper.core.strategy.valuation import worth


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is taken out, and what is then to be placed."""

    withdrawals: tuple[Step, ...]
    """Every decrease is followed by its collect; an emptied position is burned."""
    placements: tuple[Placement, ...]


def diff(view: MarketView, decision: Decision, policy: Policy, price: Price) -> Change:
    """The withdrawals and placements that a decision's moves come to.

    A wanted band that is already held is kept: topped up, or cut down, only past the unplaced tolerance and where the
    difference is worth the gas. If the wallet and what the moves return do not reach for everything that is wanted, all wants
    shrink alike. Layers without a move do not appear.

    Raises:
        ValueError: a move names a position that the ladder does not hold.
        Refused: there is no time-weighted price.
    """
    scale = _scale(view, decision, policy, price)
    withdrawals: list[Step] = []
    placements: list[Placement] = []
    for move in _of_layers(decision):
        if isinstance(move, OpenLayer | ShiftLayer):
            change = _place_layer(view, move, policy, price, scale)
        elif isinstance(move, CompoundLayer):
            change = _compound(view, move, price)
        else:
            gone = (held_position(view, token_id) for token_id in move.token_ids)
            change = Change(withdrawals=tuple(step for held in gone for step in _out(view, policy, held)), placements=())
        withdrawals += change.withdrawals
        placements += change.placements
    withdrawals += [step for move in decision.moves if isinstance(move, TiltInventory) for step in _owed(view, move)]
    return Change(withdrawals=tuple(withdrawals), placements=tuple(placements))


def _scale(view: MarketView, decision: Decision, policy: Policy, price: Price) -> Decimal:
    """What the funds reach for over what is wanted, at most 1."""
    whole = Decimal(worth(view, policy).total)
    reach = price.value(*wallet_purse(view, policy).spendable)
    for bought in decision.moves:
        if isinstance(bought, BuyProtection):
            reach -= Decimal(bought.max_cost.raw).scaleb(-bought.max_cost.token.decimals)
    reach = max(reach, Decimal(0))
    wanted = Decimal(0)
    for move in _of_layers(decision):
        reach += sum((_worth(position, price) for position in _touched(view, move)), Decimal(0))
        if isinstance(move, OpenLayer | ShiftLayer):
            wanted += Decimal(move.target.weight) * whole
        elif isinstance(move, CompoundLayer):
            # Its principal is no fund for others, and its fees are its own.
            reach -= sum((_worth(position, price) for position in _touched(view, move)), Decimal(0))
    return min(Decimal(1), reach / wanted) if wanted > 0 else Decimal(1)


def _of_layers(decision: Decision) -> tuple[OpenLayer | ShiftLayer | CloseLayer | CompoundLayer | ExitAll, ...]:
    return tuple(move for move in decision.moves if not isinstance(move, ProtectionMove | TiltInventory))


def _touched(view: MarketView, move: OpenLayer | ShiftLayer | CloseLayer | CompoundLayer | ExitAll) -> tuple[Position, ...]:
    if isinstance(move, OpenLayer):
        layer = view.ladder.layer(move.target.kind)
        return layer.positions if layer is not None else ()
    return tuple(held_position(view, token_id) for token_id in move.token_ids)


def _place_layer(view: MarketView, move: OpenLayer | ShiftLayer, policy: Policy, price: Price, scale: Decimal) -> Change:
    whole = Decimal(move.target.weight) * Decimal(worth(view, policy).total) * scale
    free = list(_touched(view, move))
    withdrawals: list[Step] = []
    placements: list[Placement] = []
    for band in move.target.bands:
        wanted = Decimal(band.share) * whole
        kept = next((p for p in free if (p.pool, p.range) == (band.pool, band.range) and p.liquidity > 0), None)
        if kept is None:
            placements.append(_placement(move.target, band, wanted, None))
            continue
        free.remove(kept)
        held = price.value(kept.amount0, kept.amount1)
        if abs(held - wanted) <= Decimal(policy.execution.unplaced_tolerance) * wanted:
            continue
        if held < wanted:
            placements.append(_placement(move.target, band, wanted - held, kept.token_id))
        elif isinstance(move, ShiftLayer) and held - wanted > gas_quote(step_gas(Decrease), view, policy, price):
            surplus = int((kept.liquidity * (held - wanted) / held).to_integral_value(ROUND_DOWN))
            withdrawals += _decrease(view, policy, kept, max(surplus, 1))
    if isinstance(move, ShiftLayer):
        withdrawals += [step for position in free for step in _out(view, policy, position)]
    return Change(withdrawals=tuple(withdrawals), placements=tuple(placements))


def _placement(target: TargetLayer, band: TargetBand, value: Decimal, token_id: int | None) -> Placement:
    return Placement(layer=target.kind, band=band, value_quote=float(value), token_id=token_id)


def _compound(view: MarketView, move: CompoundLayer, price: Price) -> Change:
    """Collect what is owed and put its worth back; a position that is owed nothing is left alone."""
    earning = [held for held in _touched(view, move) if held.liquidity > 0 and (held.fees0 or held.fees1)]
    return Change(
        withdrawals=tuple(Collect(token_id=held.token_id) for held in earning),
        placements=tuple(
            Placement(
                layer=move.layer,
                band=TargetBand(pool=held.pool, range=held.range, share=1.0),
                value_quote=float(price.value(held.fees0, held.fees1)),
                token_id=held.token_id,
            )
            for held in earning
        ),
    )


def _owed(view: MarketView, move: TiltInventory) -> list[Step]:
    held = [held_position(view, token_id) for token_id in move.token_ids]
    return [Collect(token_id=one.token_id) for one in held if one.fees0 or one.fees1]


def _out(view: MarketView, policy: Policy, position: Position) -> Sequence[Step]:
    """Everything out of a position, and its token destroyed."""
    steps: list[Step] = []
    if position.liquidity:
        steps += _decrease(view, policy, position, position.liquidity)
    elif position.fees0 or position.fees1:
        steps.append(Collect(token_id=position.token_id))
    return (*steps, Burn(token_id=position.token_id))


def _decrease(view: MarketView, policy: Policy, position: Position, liquidity: int) -> list[Step]:
    least0, least1 = decrease_minimums(protected_interval(view, policy, position.pool), position.range, liquidity)
    return [
        Decrease(token_id=position.token_id, liquidity=liquidity, amount0_min=least0, amount1_min=least1),
        Collect(token_id=position.token_id),
    ]


def _worth(position: Position, price: Price) -> Decimal:
    return price.value(position.amount0 + position.fees0, position.amount1 + position.fees1)
