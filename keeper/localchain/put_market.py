"""Puts of the local chain for sale at a stated volatility: a market maker keeps a real Uniswap pool of each series at a price.

Made up: who sells, how many, and at which volatility. The series, their pools, purchase, settlement and payout are contracts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from keeper.core.model.option import OptionKind
from keeper.core.quant.black_scholes import option_price
from keeper.core.v3math.units import Q96
from keeper.localchain import mainnet
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.chainlink import LocalFeed
from keeper.localchain.gamma import DAY_S, OTOKEN_ONE, LocalGamma, expiry_after, put_gamma
from keeper.localchain.otoken_market import POOL_FEE_PIPS, open_otoken_pool
from keeper.localchain.selling import YEAR_S, Asked, Ether
from keeper.localchain.twin import BANKER, Twin

POOL_PUTS = 10_000
"""Options in each pool at its first price."""
_STOCK_PUTS = 1_000_000
"""Options that the maker can still put in while a price falls."""
SHIPPED_ROW = ((0.6, 10), (2.0, 21), (4.0, 45))
"""Where the ladder's layers end, in the middle of the tenors that the shipped tiers ask for; see :func:`sell_opyn`."""
_BEFORE_BUYING_S = 7_200
"""A keeper that begins with the market buys a little more than an hour later, and nothing that has less than a day to live."""
_STRIKE_STEP = 25
_LEAST_USD = 0.01
_USDC_ONE = 10**6
_MAX_UINT = 2**256 - 1
_PLENTY = 10**16
_GAS = 1_000_000


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
        self._ether = Ether(usd=usd, at_s=now_s, highest_usd=usd)
        self.series: tuple[PutSeries, ...] = ()

    @property
    def volatility(self) -> float:
        """What is asked now, per year."""
        return self._asked.at(self._ether.usd, self._ether.highest_usd)

    @property
    def terms(self) -> str:
        """See :class:`Seller`."""
        return f"{self._asked}, plus the pool's {POOL_FEE_PIPS / 10_000:g} %"

    @property
    def listed(self) -> Mapping[str, str]:
        """See :class:`keeper.localchain.selling.Seller`: of every series its oToken."""
        return {
            f"put at {one.strike_usd:g} until {datetime.fromtimestamp(one.expiry_s, tz=UTC):%Y-%m-%d %H:%M}": one.otoken
            for one in self.series
        }

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
        if not self._ether.moves_to(usd, now_s):
            return
        self.series = tuple(
            replace(one, usd=self._price(one.strike_usd, one.expiry_s)) if one.expiry_s > now_s else one for one in self.series
        )
        self._move([one for one in self.series if one.expiry_s > now_s])

    def _price(self, strike_usd: float, expiry_s: int) -> float:
        years = (expiry_s - self._ether.at_s) / YEAR_S
        usd = self._ether.usd
        price = option_price(OptionKind.PUT, spot=usd, strike=strike_usd, years=years, volatility=self.volatility)
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


def sell_opyn(row: Sequence[tuple[float, int]], twin: Twin, feed: LocalFeed, asked: Asked, usd: float, now_s: int) -> PutMaker:
    """Put Gamma's double on the twin of mainnet, with a row of series for sale (some 50 blocks).

    Args:
        row: how far each strike lies below the price, in daily standard deviations at the volatility that is asked, and days to
            the 08:00 UTC at which the series expires, one being the first that is a day or more after the keeper buys.
        twin: of mainnet.
        feed: dollars per ether.
        asked: the volatility.
        usd: dollars per ether now.
        now_s: chain time for which the first prices are made.
    """
    maker = PutMaker(put_gamma(twin, feed), asked, usd, now_s)
    first_s = expiry_after(now_s + _BEFORE_BUYING_S, 1)
    for deviations, days in row:
        strike = round(math.exp(-deviations * maker.volatility / math.sqrt(365)) * usd / _STRIKE_STEP) * _STRIKE_STEP
        maker.sell(strike, first_s + (days - 1) * DAY_S)
    return maker


def _sqrt_price_x96(series: PutSeries) -> int:
    """The pool's price of a series at the maker's dollars per option, rounded **down** from a double."""
    raw = series.usd * _USDC_ONE / OTOKEN_ONE
    return int(math.sqrt(raw if series.otoken.lower() < mainnet.USDC.lower() else 1 / raw) * Q96)
