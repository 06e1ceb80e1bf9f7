"""Opyn Gamma's contracts as the keeper uses them: modules, series, calls, and the payout to the unit.

Ref: GammaProtocol ``Controller.sol``, ``Actions.sol``, ``MarginCalculator.sol``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, Reverted, read_of
from keeper.adapters.options.words import tokens
from keeper.core.model.errors import Transient
from keeper.core.model.option import Exercise, Leg, OptionContract, OptionKind, Settlement, Style
from keeper.core.model.token import Token
from keeper.ports.options import VenueCall

VENUE = "opyn"
OTOKEN_DECIMALS = 8
OTOKEN_ONE = 10**OTOKEN_DECIMALS
PRICE_ONE = 10**8
"""Of strikes and of the oracle's prices."""
EXPIRY_OFFSET_S = 28_800
DAY_S = 86_400
_REDEEM = 8
_NOBODY = "0x0000000000000000000000000000000000000000"
_FIXED_ONE = 10**27
_FIXED_PRICE = 10**19

_OPERATE = contract("GammaController").function("operate")
_PUSH = contract("GammaPricer").function("setExpiryPriceInOracle")
_BOOK = contract("GammaAddressBook")
_MODULES = ("getController", "getOtokenFactory", "getWhitelist", "getMarginPool", "getOracle")
_MODULE_GAS = 10_000


class VenueSilent(Transient):
    """The venue's contracts do not answer, or not as their interface says."""


def answer(answers: Answers, read: ContractRead) -> tuple[Any, ...]:
    """What a read returned.

    Raises:
        VenueSilent: it reverted, or returned something else.
    """
    found = answers[read]
    if isinstance(found, Reverted):
        raise VenueSilent(f"{read.function.signature} at {read.target}: {found.reason}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Modules:
    """Where the venue's parts stand, as its address book says at a block."""

    controller: str
    factory: str
    whitelist: str
    margin_pool: str
    oracle: str


def module_reads(address_book: str) -> tuple[ContractRead, ...]:
    """The reads that :func:`modules_of` takes."""
    return tuple(read_of(address_book, _BOOK.function(name), may_fail=True, gas=_MODULE_GAS) for name in _MODULES)


def modules_of(reads: Sequence[ContractRead], answers: Answers) -> Modules:
    """The modules.

    Args:
        reads: of :func:`module_reads`.
        answers: to them.

    Raises:
        VenueSilent: the address book does not answer, or names no module.
    """
    controller, factory, whitelist, margin_pool, oracle = (str(answer(answers, read)[0]) for read in reads)
    if _NOBODY in {controller, factory, whitelist, margin_pool, oracle}:
        raise VenueSilent("the address book names no module")
    return Modules(controller=controller, factory=factory, whitelist=whitelist, margin_pool=margin_pool, oracle=oracle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One oToken: terms that never change."""

    otoken: str
    strike_e8: int
    """Price of the base in the quote, 1e-8."""
    expiry_s: int
    is_put: bool

    def contract(self, chain_id: int, base: Token, quote: Token) -> OptionContract:
        """The series as the keeper knows it: a European option on one base token an oToken, paid in cash.

        A put pays in the quote token, a call in the base token.
        """
        kind = OptionKind.PUT if self.is_put else OptionKind.CALL
        return OptionContract(
            venue=VENUE,
            chain_id=chain_id,
            base=base,
            quote=quote,
            legs=(Leg(kind=kind, strike=Decimal(self.strike_e8) / PRICE_ONE),),
            expiry_s=self.expiry_s,
            style=Style.EUROPEAN,
            settlement=Settlement.CASH,
            settle_asset=quote if self.is_put else base,
            exercise=Exercise.AUTO,
            lot_raw=lot_raw(base),
            native=(self.otoken,),
        )


def lot_raw(base: Token) -> int:
    """Raw units of the base that the smallest unit of an oToken covers: 1e10 wei.

    Raises:
        ValueError: the base has fewer decimals than oTokens.
    """
    if base.decimals < OTOKEN_DECIMALS:
        raise ValueError(f"{base.symbol} has {base.decimals} decimals, an oToken {OTOKEN_DECIMALS}")
    return int(10 ** (base.decimals - OTOKEN_DECIMALS))


def payout_raw(series: Series, amount_e8: int, *, base_e8: int, quote_e8: int, decimals: int) -> int:
    """What oTokens pay at prices of the venue's oracle, raw units of the collateral, rounded **down** twice as the venue does.

    First the payout of one oToken is cut to whole units of the collateral, from fixed point of 27 decimals, then that rate
    times the amount over 1e8.

    Args:
        series: of which oToken.
        amount_e8: how many, 1e-8.
        base_e8: dollars per base token, 1e-8, >= 0.
        quote_e8: dollars per quote token, 1e-8, > 0.
        decimals: of the collateral: the quote of a put, the base of a call.

    Ref: ``MarginCalculator.getExpiredPayoutRate``, ``Controller.getPayout``.
    """
    quote_fixed = quote_e8 * _FIXED_PRICE
    spot = base_e8 * _FIXED_PRICE * _FIXED_ONE // quote_fixed
    strike = series.strike_e8 * _FIXED_PRICE
    value = max(strike - spot if series.is_put else spot - strike, 0)
    if not series.is_put and value:
        value = value * quote_fixed // _FIXED_ONE * _FIXED_ONE // (base_e8 * _FIXED_PRICE)
    return int(value // 10 ** (27 - decimals) * amount_e8 // OTOKEN_ONE)


def otoken_at(address: str) -> Token:
    """The token of a series."""
    return Token(address=address, symbol="oToken", decimals=OTOKEN_DECIMALS)


def redeem_call(controller: str, otoken: str, receiver: str, amount_e8: int) -> VenueCall:
    """Burn the sender's oTokens for their payout; the controller needs no allowance for it."""
    action = (_REDEEM, _NOBODY, receiver, otoken, 0, amount_e8, 0, b"")
    return VenueCall(
        to=controller,
        value_wei=0,
        data=_OPERATE.call_data([action]),
        label=f"redeem {tokens(otoken_at(otoken), amount_e8)} {otoken}",
    )


def push_call(pricer: str, expiry_s: int, round_id: int) -> VenueCall:
    """Set an expiry's price from the first Chainlink round after it; it pays nothing, it starts the dispute period."""
    return VenueCall(
        to=pricer,
        value_wei=0,
        data=_PUSH.call_data(expiry_s, round_id),
        label=f"set the price of expiry {expiry_s} from round {round_id}",
    )
