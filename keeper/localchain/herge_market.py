"""Hegic's puts of the local chain at a stated volatility: its admin keeps the lines that their premiums follow at a price.

Made up: the admin who does so, and how much is sold. The strategies, the treasury, purchase, exercise and payout are contracts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from keeper.core.model.option import OptionKind
from keeper.core.quant.black_scholes import option_price
from keeper.localchain.chainlink import LocalFeed
from keeper.localchain.herge import DAY_S, PUTS, LocalHerge, PutStrategy, put_herge
from keeper.localchain.selling import YEAR_S, Asked, Ether
from keeper.localchain.twin import Twin

TREASURY_RAW = 250_000 * 10**6
LIMIT_RAW = 20_000 * 10**6
"""Most that the premiums of one strategy may reserve: sixteen times the real one's, for a ladder of our size."""
_SCALE_ONE = 10_000
_LEAST_RAW = 10_000
"""A cent: what costs nothing is not for sale."""


def priced(puts: Sequence[PutStrategy], usd: float, volatility: float) -> tuple[PutStrategy, ...]:
    """Strategies whose line goes through Black-Scholes' price at their shortest and at their longest period.

    Args:
        puts: which.
        usd: dollars per ether, > 0.
        volatility: per year, > 0.
    """
    return tuple(replace(put, prices=_line(put, usd, volatility)) for put in puts)


def _line(put: PutStrategy, usd: float, volatility: float) -> tuple[tuple[int, int], tuple[int, int]]:
    first, last = put.days
    return (first, _raw(put, first, usd, volatility)), (last, _raw(put, last, usd, volatility))


def _raw(put: PutStrategy, days: int, usd: float, volatility: float) -> int:
    strike, years = usd * put.scale / _SCALE_ONE, days * DAY_S / YEAR_S
    price = option_price(OptionKind.PUT, spot=usd, strike=strike, years=years, volatility=volatility)
    return max(round(price * 10**6), _LEAST_RAW)


class HergeAdmin:
    """Keeps the premiums of every put at Black-Scholes' price; see :class:`keeper.localchain.selling.Seller`.

    Args:
        herge: whose puts.
        asked: the volatility.
        usd: dollars per ether now, at which they were priced.
        now_s: chain time of those prices.
    """

    def __init__(self, herge: LocalHerge, asked: Asked, usd: float, now_s: int) -> None:
        self._herge = herge
        self._asked = asked
        self._ether = Ether(usd=usd, at_s=now_s, highest_usd=usd)

    @property
    def terms(self) -> str:
        """See :class:`keeper.localchain.selling.Seller`."""
        return f"{self._asked}; of each strategy for {LIMIT_RAW // 10**6:,} USDC.e at most"

    @property
    def listed(self) -> Mapping[str, str]:
        """See :class:`keeper.localchain.selling.Seller`: every strategy."""
        return {put.name: put.address for put in PUTS}

    def follow(self, usd: float, now_s: int) -> None:
        """See :class:`keeper.localchain.selling.Seller`."""
        if self._ether.moves_to(usd, now_s):
            self._herge.set_prices(priced(PUTS, usd, self._asked.at(usd, self._ether.highest_usd)))


def sell_herge(twin: Twin, feed: LocalFeed, asked: Asked, usd: float, now_s: int) -> HergeAdmin:
    """Put Hegic's double on the twin of Arbitrum, with every put for sale (some 55 blocks).

    Args:
        twin: of Arbitrum.
        feed: dollars per ether, at the shipped address.
        asked: the volatility.
        usd: dollars per ether now.
        now_s: chain time for which the first prices are made.
    """
    puts = priced(PUTS, usd, asked.at(usd, usd))
    return HergeAdmin(
        put_herge(twin, usd, treasury_raw=TREASURY_RAW, puts=puts, feed=feed, limit_raw=LIMIT_RAW), asked, usd, now_s
    )
