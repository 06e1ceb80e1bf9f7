"""oTokens from Uniswap v3 pools, and back into them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, Reverted, read_of
from keeper.adapters.options.opyn_interface import otoken_at
from keeper.adapters.options.opyn_supply import BPS, Offer, Wanted
from keeper.adapters.options.words import tokens
from keeper.core.model.option import QuoteBasis
from keeper.core.model.token import Token
from keeper.core.v3math.units import FEE_PIPS_ONE, Q96
from keeper.ports.options import Allowance, VenueCall

_QUOTER = contract("QuoterV2")
_EXACT_OUTPUT = _QUOTER.function("quoteExactOutputSingle")
_EXACT_INPUT = _QUOTER.function("quoteExactInputSingle")
_ROUTER = contract("SwapRouter02")
_BUY = _ROUTER.function("exactOutputSingle")
_SELL = _ROUTER.function("exactInputSingle")
_UNTIL = _ROUTER.function("multicall(uint256,bytes[])")
_SLOT0 = contract("UniswapV3Pool").function("slot0")
_LIQUIDITY = contract("UniswapV3Pool").function("liquidity")
_QUOTE_GAS = 300_000
_GAS_OPEN = 225_000
"""Buying with its allowance set before and what is left of it taken back: measured on the local chain, rounded up."""
_INIT_CODE_HASH = bytes.fromhex("e34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54")
"""Of Uniswap v3's pools, on every chain. Ref: ``PoolAddress.sol``."""


@cache
def pool_address(factory: str, one: str, other: str, fee_pips: int) -> str:
    """Where the factory's pool of two tokens stands, whether or not it has been created."""
    token0, token1 = sorted((one, other), key=lambda token: int(token, 16))
    salt = keccak(encode(("address", "address", "uint24"), (token0, token1, fee_pips)))
    return str(to_checksum_address(keccak(b"\xff" + bytes.fromhex(factory[2:]) + salt + _INIT_CODE_HASH)[12:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class UniswapPool:
    """Uniswap v3 pools of an oToken against the quote token.

    A quote is QuoterV2's at the block; the limit of a purchase is SwapRouter02's ``amountInMaximum``, and its deadline is the
    router's too. More than the pool gives near its present price is not offered.
    """

    factory: str
    quoter: str
    router: str
    quote: Token
    wallet: str
    fees: tuple[int, ...]
    """Tiers that are looked at, pips."""
    valid_s: int
    """How long a quote of a pool is taken for true, seconds."""
    depth_impact_bps: int
    """How much dearer than the pool's price oTokens may be on average, its fee apart."""
    name: str = "uniswap"

    def reads(self, wanted: Wanted) -> Sequence[ContractRead]:
        """In each tier what the amount costs, and how deep the pool is."""
        return [read for fee in self.fees for read in self._tier(wanted, fee)]

    def _tier(self, wanted: Wanted, fee: int) -> tuple[ContractRead, ContractRead, ContractRead]:
        pool = pool_address(self.factory, self.quote.address, wanted.otoken, fee)
        arguments = (self.quote.address, wanted.otoken, wanted.amount_e8, fee, 0)
        return (
            read_of(self.quoter, _EXACT_OUTPUT, arguments, may_fail=True, gas=_QUOTE_GAS),
            read_of(pool, _SLOT0, may_fail=True),
            read_of(pool, _LIQUIDITY, may_fail=True),
        )

    def offers(self, wanted: Wanted, answers: Answers) -> Iterable[Offer | str]:
        """One a tier that has enough at a bearable price."""
        for fee in self.fees:
            cost, slot0, liquidity = (answers[read] for read in self._tier(wanted, fee))
            tier = f"the pool of {fee / FEE_PIPS_ONE:.2%}"
            if isinstance(slot0, Reverted) or isinstance(liquidity, Reverted):
                yield f"{tier} does not exist"
                continue
            available = self._available_e8(wanted.otoken, int(slot0[0]), int(liquidity[0]))
            if isinstance(cost, Reverted) or wanted.amount_e8 > available:
                bound = f"{self.depth_impact_bps / 100:g} %"
                gives, wants = (tokens(otoken_at(wanted.otoken), amount) for amount in (available, wanted.amount_e8))
                yield f"{tier} gives {gives} before the price has risen by {bound}, {wants} are wanted"
                continue
            yield Offer(
                amount_e8=wanted.amount_e8,
                cost_raw=int(cost[0]),
                available_e8=available,
                basis=QuoteBasis.AMM,
                valid_until_s=wanted.now_s + self.valid_s,
                gas=_GAS_OPEN,
                native=(self.name, str(fee)),
            )

    def _available_e8(self, otoken: str, sqrt_price_x96: int, liquidity: int) -> int:
        """Most oTokens whose average price is within the bound, rounded **down**, if the liquidity stays what it is.

        Taking ``x`` of a virtual reserve ``X`` makes the average price ``X / (X - x)`` times the present one.
        Ref: v3 whitepaper eq. 6.5, 6.6.
        """
        if sqrt_price_x96 == 0:
            return 0
        is_token0 = int(otoken, 16) < int(self.quote.address, 16)
        reserve = liquidity * Q96 // sqrt_price_x96 if is_token0 else liquidity * sqrt_price_x96 // Q96
        return reserve * self.depth_impact_bps // (BPS + self.depth_impact_bps)

    def purchase(self, otoken: str, amount_e8: int, native: Sequence[str], max_cost_raw: int, until_s: int) -> VenueCall:
        """An exact amount of oTokens for at most the limit."""
        _, fee = native
        swap = _BUY.encode((self.quote.address, otoken, int(fee), self.wallet, amount_e8, max_cost_raw, 0))
        return VenueCall(
            to=self.router,
            value_wei=0,
            data=_UNTIL.call_data(until_s, [swap]),
            label=f"buy {tokens(otoken_at(otoken), amount_e8)} {otoken} from its pool",
            allowances=(Allowance(token=self.quote, spender=self.router, amount=max_cost_raw),),
        )

    def sale_reads(self, otoken: str, amount_e8: int) -> dict[int, ContractRead]:
        """Tier -> the read that tells what selling so many oTokens would bring."""
        return {
            fee: read_of(
                self.quoter,
                _EXACT_INPUT,
                (otoken, self.quote.address, amount_e8, fee, 0),
                may_fail=True,
                gas=_QUOTE_GAS,
            )
            for fee in self.fees
        }

    def best_sale(self, otoken: str, amount_e8: int, answers: Answers) -> tuple[int, int] | None:
        """Tier and proceeds (raw units of the quote token) of the best sale; None where no pool takes them."""
        brings = {fee: answers[read] for fee, read in self.sale_reads(otoken, amount_e8).items()}
        found = [(int(result[0]), fee) for fee, result in brings.items() if not isinstance(result, Reverted)]
        if not found:
            return None
        proceeds, fee = max(found)
        return fee, proceeds

    def sale(self, otoken: Token, amount_e8: int, fee: int, *, receiver: str, min_out_raw: int, until_s: int) -> VenueCall:
        """Sell exactly so many oTokens for at least ``min_out_raw`` of the quote token."""
        swap = _SELL.encode((otoken.address, self.quote.address, fee, receiver, amount_e8, min_out_raw, 0))
        return VenueCall(
            to=self.router,
            value_wei=0,
            data=_UNTIL.call_data(until_s, [swap]),
            label=f"sell {tokens(otoken, amount_e8)} {otoken.address} to its pool",
            allowances=(Allowance(token=otoken, spender=self.router, amount=amount_e8),),
        )
