"""Puts of the local chain for sale at a stated volatility: a market maker keeps a real Uniswap pool of each series at a price.

Made up: who sells, how many, and at which volatility. The series, their pools, purchase, settlement and payout are contracts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from keeper.core.model.option import OptionKind
from keeper.core.quant.black_scholes import option_price
from keeper.core.v3math.units import Q96
from keeper.localchain import mainnet
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.gamma import OTOKEN_ONE, LocalGamma
from keeper.localchain.otoken_market import POOL_FEE_PIPS, open_otoken_pool
from keeper.localchain.twin import BANKER

REPRICE_S = 3_600
REPRICE_MOVE = 0.01
"""A pool is brought to its price after an hour, or when ether has moved by a hundredth."""
POOL_PUTS = 10_000
"""Options in each pool at its first price."""
_STOCK_PUTS = 1_000_000
"""Options that the maker can still put in while a price falls."""
_LEAST_USD = 0.01
_YEAR_S = 365 * 86_400
_USDC_ONE = 10**6
_MAX_UINT = 2**256 - 1
_PLENTY = 10**16
_GAS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """At which volatility puts are sold."""

    volatility: float
    """Per year, as a fraction, while ether stands at its highest price so far."""
    rise: float
    """How it rises with a fall: times 1 + this times the part of the highest price that is lost."""

    def at(self, usd: float, highest_usd: float) -> float:
        """Volatility that is asked when ether costs so many dollars and has cost ``highest_usd``."""
        return self.volatility * (1 + self.rise * max(1 - usd / highest_usd, 0.0))

    def __str__(self) -> str:
        """For people."""
        return (
            f"puts sold at {self.volatility:.0%} a year (Black-Scholes), {self.rise:g} % of it more for every percent that "
            f"ether is below its highest price, plus the pool's {POOL_FEE_PIPS / 10_000:g} %"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSeries:
    """A series that is for sale."""

    otoken: str
    pool: str
    """Against USDC, 1 %."""
    strike_usd: float
    expiry_s: int
    usd: float
    """Dollars per option that the maker last set, the pool's fee apart."""


class PutMaker:
    """Sells puts, and keeps their pools at Black-Scholes' price.

    Args:
        gamma: whose series.
        asked: the volatility.
        usd: dollars per ether now.
        now_s: chain time for which the first prices are made.
    """

    def __init__(self, gamma: LocalGamma, asked: Asked, usd: float, now_s: int) -> None:
        self._gamma = gamma
        self._asked = asked
        self._highest_usd = self._usd = usd
        self._now_s = now_s
        self.series: tuple[PutSeries, ...] = ()

    @property
    def volatility(self) -> float:
        """What is asked now, per year."""
        return self._asked.at(self._usd, self._highest_usd)

    def sell(self, strike_usd: float, expiry_s: int) -> PutSeries:
        """Create a series with its pool, and enough in hand to keep it at a price (about ten blocks).

        Args:
            strike_usd: dollars per ether.
            expiry_s: at 08:00 UTC, in the future.
        """
        gamma, chain = self._gamma, self._gamma.twin.chain
        otoken = gamma.create_series(strike_usd, expiry_s)
        usd = self._price(strike_usd, expiry_s)
        pool = open_otoken_pool(gamma, otoken, usd, POOL_PUTS * OTOKEN_ONE, everywhere=True)
        gamma.write(otoken, BANKER, _STOCK_PUTS * OTOKEN_ONE)
        gamma.twin.fund(BANKER, mainnet.USDC, _PLENTY)
        approve = interface("Token").function("approve").call_data(mainnet.SWAP_ROUTER_02, _MAX_UINT)
        chain.mine_all_succeed([LocalTx(sender=BANKER, to=token, data=approve, gas=_GAS) for token in (otoken, mainnet.USDC)])
        series = PutSeries(otoken=otoken, pool=pool, strike_usd=strike_usd, expiry_s=expiry_s, usd=usd)
        self.series = (*self.series, series)
        return series

    def follow(self, usd: float, now_s: int) -> None:
        """Bring the pools of what has not expired to their prices when that is due (one block).

        Args:
            usd: dollars per ether, > 0.
            now_s: chain time of the newest block.
        """
        if now_s - self._now_s < REPRICE_S and abs(usd / self._usd - 1) < REPRICE_MOVE:
            return
        self._usd, self._now_s, self._highest_usd = usd, now_s, max(self._highest_usd, usd)
        self.series = tuple(
            replace(one, usd=self._price(one.strike_usd, one.expiry_s)) if one.expiry_s > now_s else one for one in self.series
        )
        self._move([one for one in self.series if one.expiry_s > now_s])

    def _price(self, strike_usd: float, expiry_s: int) -> float:
        years = (expiry_s - self._now_s) / _YEAR_S
        price = option_price(OptionKind.PUT, spot=self._usd, strike=strike_usd, years=years, volatility=self.volatility)
        return max(price, _LEAST_USD)

    def _move(self, series: list[PutSeries]) -> None:
        chain = self._gamma.twin.chain
        slot0 = interface("UniswapV3Pool").function("slot0")
        replies = chain.rpc.batch([("eth_call", [{"to": one.pool, "input": slot0.call_data()}, "latest"]) for one in series])
        swap = interface("SwapRouter02").function("exactInputSingle")
        txs = []
        for one, reply in zip(series, replies, strict=True):
            now, wanted = int(slot0.decode(reply)[0]), _sqrt_price_x96(one)
            if now == wanted:
                continue
            tokens = sorted((one.otoken, mainnet.USDC), key=str.lower)
            paid, taken = tokens if wanted < now else reversed(tokens)
            most = _PLENTY if paid == mainnet.USDC else _STOCK_PUTS * OTOKEN_ONE
            data = swap.call_data((paid, taken, POOL_FEE_PIPS, BANKER, most, 0, wanted))
            txs.append(LocalTx(sender=BANKER, to=mainnet.SWAP_ROUTER_02, data=data, gas=_GAS))
        if txs:
            chain.mine_all_succeed(txs)


def _sqrt_price_x96(series: PutSeries) -> int:
    """The pool's price of a series at the maker's dollars per option, rounded **down** from a double."""
    raw = series.usd * _USDC_ONE / OTOKEN_ONE
    return int(math.sqrt(raw if series.otoken.lower() < mainnet.USDC.lower() else 1 / raw) * Q96)
