"""Options with sane defaults: ten WETH of a put at 3,600 USDC, a fortnight long, of a venue called shop."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from keeper.core.model.option import (
    CloseHow,
    CostModel,
    Exercise,
    Leg,
    OptionContract,
    OptionKind,
    OptionPosition,
    OptionQuote,
    PositionState,
    QuoteBasis,
    Settlement,
    Style,
)
from keeper.core.model.plan import CloseOption, OpenOption, Stage, StageKind
from keeper.core.model.token import Token, TokenAmount
from tests.pairs import BLOCK, DAY_S, NOW_S, USDC, WALLET, WETH

SHOP = "shop"


def put(quote: Token = USDC, **fields: Any) -> OptionContract:
    whole = OptionContract(
        venue=SHOP,
        chain_id=1,
        base=WETH,
        quote=quote,
        legs=(Leg(kind=OptionKind.PUT, strike=Decimal(3_600)),),
        expiry_s=NOW_S + 14 * DAY_S,
        style=Style.AMERICAN,
        settlement=Settlement.CASH,
        settle_asset=quote,
        exercise=Exercise.HOLDER_BEFORE_EXPIRY,
        lot_raw=10**16,
        native=(),
    )
    return replace(whole, **fields)


def quote(cost_raw: int = 1_000 * 10**6, **fields: Any) -> OptionQuote:
    """At this cost in the contract's quote token, no fee."""
    contract: OptionContract = fields.pop("contract", put())
    none = TokenAmount(token=contract.quote, raw=0)
    whole = OptionQuote(
        contract=contract,
        size=TokenAmount(token=contract.base, raw=10 * 10**18),
        upfront=TokenAmount(token=contract.quote, raw=cost_raw),
        fee=none,
        collateral=(),
        carry_per_day=none,
        cost_model=CostModel.UPFRONT,
        max_loss=TokenAmount(token=contract.quote, raw=cost_raw),
        available=TokenAmount(token=contract.base, raw=100 * 10**18),
        payable_cap=None,
        basis=QuoteBasis.FIRM,
        block=BLOCK,
        valid_until_s=NOW_S + 600,
        implied_volatility=Decimal("0.6"),
        gas_open=150_000,
        gas_close=60_000,
    )
    return replace(whole, **fields)


def held(claimable: TokenAmount | None = None, **fields: Any) -> OptionPosition:
    """In the money, 2,500 USDC of it."""
    contract: OptionContract = fields.pop("contract", put())
    pays = claimable or TokenAmount(token=contract.quote, raw=2_500 * 10**6)
    whole = OptionPosition(
        contract=contract,
        owner=WALLET,
        id="0",
        size=TokenAmount(token=contract.base, raw=10 * 10**18),
        opened_cost=None,
        accrued_cost=TokenAmount(token=contract.quote, raw=0),
        intrinsic=pays,
        claimable=pays,
        state=PositionState.ITM_EXERCISABLE,
        act_before_s=contract.expiry_s,
    )
    return replace(whole, **fields)


def buying(wanted: OptionQuote | None = None, *, extra_raw: int = 0) -> Stage:
    """A purchase that may cost so much more than was quoted."""
    wanted = wanted or quote()
    most = TokenAmount(token=wanted.cost.token, raw=wanted.cost.raw + extra_raw)
    return Stage(kind=StageKind.PROTECT, steps=(OpenOption(quote=wanted, max_cost=most),))


def ending(position: OptionPosition | None = None, how: CloseHow = CloseHow.EXERCISE) -> Stage:
    """For everything that can be claimed."""
    position = position or held()
    return Stage(kind=StageKind.PROTECT, steps=(CloseOption(position=position, how=how, min_out=position.claimable),))
