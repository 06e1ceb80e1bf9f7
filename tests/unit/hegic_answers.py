"""Hegic without a chain: what its contracts would say, and a venue that is told so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from keeper.adapters.evm.rpc import Call, Rpc
from keeper.adapters.options.hegic import Hegic
from keeper.adapters.options.hegic_reads import PROBE_STRIKE
from keeper.adapters.options.hegic_terms import HergeGuards, put_payoff
from keeper.adapters.options.reading import Ask, Reading, Replies
from keeper.core.model.option import (
    HedgeWant,
    NoQuote,
    OptionContract,
    OptionKind,
    OptionMarket,
    OptionQuote,
)
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import TokenAmount
from tests.pairs import NOW_S, WALLET
from tests.ports.herge_bench import MARKET, USDC_E, WETH

DAY_S = 86_400
ETHER = 10**18
DOLLAR = 10**6
HEAD = BlockRef(number=1_000, hash="0x" + "11" * 32, timestamp_s=NOW_S)
PUT_100, PUT_90 = (next(one for one in MARKET.strategies if one.scale == scale) for scale in (10_000, 9_000))
SMALL = replace(MARKET, strategies=(PUT_100, PUT_90))
NOBODY = "0x0000000000000000000000000000000000000000"


TOLD: Mapping[str, Any] = {
    "latestRoundData": (1, 2_500 * 10**8, NOW_S - 60, NOW_S - 60, 1),
    "totalBalance": (50_000 * DOLLAR,),
    "totalLocked": (0,),
    "lockedPremium": (0,),
    "benchmark": (0,),
    "availableForPayment": (0,),
    "acceptedStrategy": (True,),
    "minPeriod": (7 * DAY_S,),
    "maxPeriod": (14 * DAY_S,),
    "lockedLimit": (1_250 * DOLLAR,),
    "calculateNegativepnlAndPositivepnl": (48_200_000, 48_200_000),
    "getAvailableContracts": (5 * ETHER,),
}
"""What the contracts say of two ether at 2,500 dollars."""


def venue(guards: HergeGuards | None = None) -> Hegic:
    return Hegic(SMALL, Rpc("http://127.0.0.1:1"), holder=WALLET, guards=guards)


def probe_of(call: Call) -> str:
    """What the double would answer to the probe of one of the two puts."""
    (put,) = (one for one in SMALL.strategies if one.address == call[1][0]["to"])
    paid = put_payoff(put, SMALL, amount=ETHER, stored=PROBE_STRIKE, spot=2_500 * 10**8)
    return f"0x{paid:064x}"


def replies(ask: Ask, others: list[Any] | None = None, **change: Any) -> Replies:
    told = {**TOLD, **change}
    answers = {read: told[read.function.signature.partition("(")[0]] for read in ask.reads}
    return Replies(answers=answers, others=[probe_of(call) for call in ask.others] if others is None else others)


def finished(reading: Reading[Any], answer: Replies) -> Any:
    with pytest.raises(StopIteration) as end:
        reading.send(answer)
    return end.value.value


def market() -> OptionMarket:
    price = Decimal(2_500)
    return OptionMarket(base=WETH, quote=USDC_E, price=price, now_s=NOW_S, block=1_000, reference_volatility=None)


def want(days: tuple[int, int] = (7, 30), **change: Any) -> HedgeWant:
    found = HedgeWant(
        kinds=(OptionKind.PUT,),
        strike_from=Decimal(2_000),
        strike_to=Decimal(2_500),
        expiry_from_s=NOW_S + days[0] * DAY_S,
        expiry_to_s=NOW_S + days[1] * DAY_S,
        size=TokenAmount(token=WETH, raw=2 * ETHER),
    )
    return replace(found, **change)


def discovered(wanted: HedgeWant, **change: Any) -> tuple[OptionContract, ...]:
    reading = venue().discovering(market(), wanted)
    return tuple(finished(reading, replies(next(reading), **change)))


def put_90() -> OptionContract:
    return discovered(want())[1]


def quoted(
    others: list[Any] | None = None,
    *,
    guards: HergeGuards | None = None,
    contract: OptionContract | None = None,
    size: int = 2 * ETHER,
    **change: Any,
) -> OptionQuote | NoQuote:
    reading = venue(guards).quoting(contract or put_90(), TokenAmount(token=WETH, raw=size), HEAD)
    found = finished(reading, replies(next(reading), others, **change))
    assert isinstance(found, OptionQuote | NoQuote)
    return found
