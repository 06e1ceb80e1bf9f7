"""Aave's market of the sandbox, with loans in it."""

from __future__ import annotations

from keeper.localchain import mainnet
from keeper.localchain.aave import deploy_lending
from keeper.localchain.chainlink import USDC_USD, LocalFeed, put_feed
from keeper.localchain.twin import BANKER, Twin

_SUPPLIED = ((mainnet.USDC, 50_000_000 * 10**6), (mainnet.WETH, 20_000 * 10**18))
_BORROWED = ((mainnet.USDC, 35_000_000 * 10**6), (mainnet.WETH, 12_000 * 10**18))
"""The lending market's book, raw units: 70 % and 60 % of what is lent out."""


def lend(twin: Twin, feed: LocalFeed) -> None:
    """Put Aave's market where the shipped configuration of mainnet looks for it, with some loans (about 30 blocks).

    Args:
        twin: of mainnet.
        feed: dollars per ether.
    """
    lending = deploy_lending(twin, {mainnet.WETH: feed, mainnet.USDC: put_feed(twin, USDC_USD, 1.0)})
    for token, raw in _SUPPLIED:
        twin.fund(BANKER, token, raw)
        lending.supply(BANKER, token, raw)
    for token, raw in _BORROWED:
        lending.borrow(BANKER, token, raw)
