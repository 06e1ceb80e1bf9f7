"""Protection of a run: every option that was bought, and what the account is made of at the end, to be told over price."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from keeper.core.model.decision import BuyProtection
from keeper.core.model.option import OptionKind, OptionQuote
from keeper.core.model.record import CycleRecord
from keeper.core.quant.replication import Band
from keeper.core.signals.prices import price_at_sqrt
from keeper.core.strategy.hedge.carried import carried_out
from keeper.core.strategy.hedge.exposure import band_of
from keeper.simulation.runner import Simulation


class OptionState(StrEnum):
    """What has become of an option by the end of the run."""

    HELD = "held"
    PAID = "paid"
    """It was redeemed."""
    OVER = "expired"
    """It paid nothing, or less than its gas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRow:
    """One option that was bought; money in quote tokens."""

    tier: str
    kind: OptionKind
    strike: float
    size: float
    """Base tokens."""
    bought_s: int
    expiry_s: int
    premium: float
    implied_volatility: float | None
    paid: float
    """Received by the end of the run."""
    state: OptionState


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The account at the end of the run, in tokens."""

    at_s: int
    price: float
    volatility: float | None
    """Reference of the last cycle, per year; None where it had none."""
    base: float
    """Outside of the ladder's liquidity: wallet and fees owed."""
    quote: float
    ladder: tuple[Band, ...]
    opened_base: float
    """To begin with."""
    opened_quote: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What a run that could buy options leaves beside its exact parts."""

    options: tuple[OptionRow, ...]
    """As they were bought."""
    ending: Ending


def protection_of(run: Simulation) -> Protection | None:
    """Of a run that has come to its end; None where no options could be bought."""
    if run.account.options is None:
        return None
    return Protection(options=tuple(_rows(run.journal.acted, run.market.now_s)), ending=_ending(run))


class _Bought(NamedTuple):
    tier: str
    quote: OptionQuote
    at_s: int


def _rows(records: Iterable[CycleRecord], end_s: int) -> Iterator[OptionRow]:
    """The venue numbers what it sells from zero on, in the order of purchase."""
    bought: list[_Bought] = []
    paid: dict[str, float] = {}
    for record in records:
        for move, _ in carried_out(record.decision, record.stages):
            if isinstance(move, BuyProtection):
                bought.append(_Bought(move.tier, move.quote, record.view.now_s))
            else:
                pays = move.position.claimable
                paid[move.position.id] = pays.raw / 10**pays.token.decimals
    for number, (tier, quote, at_s) in enumerate(bought):
        (leg,), expiry_s = quote.contract.legs, quote.contract.expiry_s
        assert expiry_s is not None
        state = OptionState.PAID if str(number) in paid else OptionState.OVER if expiry_s <= end_s else OptionState.HELD
        yield OptionRow(
            tier=tier,
            kind=leg.kind,
            strike=float(leg.strike),
            size=quote.size.raw / 10**quote.size.token.decimals,
            bought_s=at_s,
            expiry_s=expiry_s,
            premium=quote.cost.raw / 10**quote.cost.token.decimals,
            implied_volatility=None if quote.implied_volatility is None else float(quote.implied_volatility),
            paid=paid.get(str(number), 0.0),
            state=state,
        )


def _ending(run: Simulation) -> Ending:
    policy, watch = run.policy, run.watch
    key = policy.pool(policy.signal_pool)
    units = 10**key.token0.decimals, 10**key.token1.decimals
    held, opened = watch.holdings, watch.opened.total
    outside = (held.wallet0 + held.owed0) / units[0], (held.wallet1 + held.owed1) / units[1]
    begun = opened[0] / units[0], opened[1] / units[1]
    if key.token0.address == policy.quote.address:
        outside, begun = outside[::-1], begun[::-1]
    return Ending(
        at_s=run.market.now_s,
        price=price_at_sqrt(policy, run.market.pools[policy.signal_pool].pool.sqrt_price_x96),
        volatility=run.rows.volatility,
        base=outside[0],
        quote=outside[1],
        ladder=tuple(band_of(one, policy) for one in run.account.manager.positions() if one.liquidity > 0),
        opened_base=begun[0],
        opened_quote=begun[1],
    )
