"""oTokens from market makers' signed orders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from keeper.adapters.evm.multicall import Answers, ContractRead
from keeper.adapters.options.airswap import OrderBook, SignedOrder
from keeper.adapters.options.opyn_interface import otoken_at
from keeper.adapters.options.opyn_supply import BPS, Offer, Wanted
from keeper.adapters.options.words import tokens
from keeper.core.model.errors import Refused
from keeper.core.model.option import QuoteBasis
from keeper.core.model.token import Token
from keeper.ports.options import Allowance, VenueCall

_GAS_OPEN = 215_000
"""Filling with its allowance: measured on the local chain, rounded up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOrders:
    """Market makers' signed orders, filled at SwapERC20.

    The price is the order's own, so the allowance is the limit and is used up.
    """

    swap_contract: str
    book: OrderBook
    quote: Token
    wallet: str
    margin_s: int
    """How long before its expiry an order counts as expired, seconds: filling takes its time."""
    excess_bps: int
    """How much more than wanted an order may be for."""
    name: str = "airswap"

    def reads(self, wanted: Wanted) -> Sequence[ContractRead]:
        """The contract's check of every order that fits."""
        orders, _ = self.book.orders()
        return [order.check_read(self.swap_contract) for order in orders if not self._misfit(order, wanted)]

    def offers(self, wanted: Wanted, answers: Answers) -> Iterable[Offer | str]:
        """One an order that fits and passes the contract's check."""
        orders, faults = self.book.orders()
        yield from faults
        for order in orders:
            if order.signer_token != wanted.otoken:
                continue
            if misfit := self._misfit(order, wanted):
                yield f"order {order.nonce}: {misfit}"
            elif order.check_read(self.swap_contract) not in answers:
                continue  # it came while the answers were on their way
            elif complaints := order.complaints(self.swap_contract, answers):
                yield f"order {order.nonce}: {', '.join(complaints)}"
            else:
                yield Offer(
                    amount_e8=order.signer_amount,
                    cost_raw=order.sender_amount,
                    available_e8=order.signer_amount,
                    basis=QuoteBasis.FIRM,
                    valid_until_s=order.expiry_s - self.margin_s,
                    gas=_GAS_OPEN,
                    native=(self.name, *order.to_texts()),
                )

    def _misfit(self, order: SignedOrder, wanted: Wanted) -> str | None:
        """Why an order is not one for what is wanted; None when it is."""
        if order.signer_token != wanted.otoken:
            return f"it sells {order.signer_token}"
        if order.sender_token != self.quote.address:
            return f"it is paid in {order.sender_token}"
        if order.sender_wallet != self.wallet:
            return f"it is for {order.sender_wallet}"
        if order.expiry_s - self.margin_s <= wanted.now_s:
            return f"it expires at {order.expiry_s}"
        if not wanted.amount_e8 <= order.signer_amount <= wanted.amount_e8 * (BPS + self.excess_bps) // BPS:
            sold, wants = (tokens(otoken_at(wanted.otoken), amount) for amount in (order.signer_amount, wanted.amount_e8))
            return f"it is for {sold}, {wants} are wanted"
        return "it is free" if order.sender_amount == 0 else None

    def purchase(self, otoken: str, amount_e8: int, native: Sequence[str], max_cost_raw: int, until_s: int) -> VenueCall:
        """Fill the order; it has its own expiry."""
        del until_s
        order = SignedOrder.from_texts(native[1:])
        if (order.signer_token, order.signer_amount) != (otoken, amount_e8):
            sold = tokens(otoken_at(order.signer_token), order.signer_amount)
            raise Refused(f"the order sells {sold} {order.signer_token}")
        if order.sender_amount > max_cost_raw:
            costs, most = (tokens(self.quote, raw) for raw in (order.sender_amount, max_cost_raw))
            raise Refused(f"the order costs {costs}, at most {most} are to be paid")
        return VenueCall(
            to=self.swap_contract,
            value_wei=0,
            data=order.swap_data(self.wallet),
            label=f"fill order {order.nonce} of {order.signer_wallet}",
            allowances=(Allowance(token=self.quote, spender=self.swap_contract, amount=order.sender_amount),),
        )
