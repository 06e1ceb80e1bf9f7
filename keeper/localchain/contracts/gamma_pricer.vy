# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Double of Opyn Gamma's ChainlinkPricer
@notice For a local chain only. Kept: anybody may set an expiry price by naming the first Chainlink round at or after the expiry, and
        no other round is taken; rounds without a time are passed over backwards; the live price in 8 decimals.
        Not claimed: the bot that some deployed pricers alone obey, feeds of other than 8 decimals, more than 64 empty rounds.
"""

interface Aggregator:
    def getRoundData(_round: uint80) -> (uint80, int256, uint256, uint256, uint80): view
    def latestRoundData() -> (uint80, int256, uint256, uint256, uint80): view

interface Oracle:
    def setExpiryPrice(_asset: address, _expiry: uint256, _price: uint256): nonpayable

asset: public(immutable(address))
aggregator: public(immutable(address))
oracle: public(immutable(address))


@deploy
def __init__(_asset: address, _aggregator: address, _oracle: address):
    asset = _asset
    aggregator = _aggregator
    oracle = _oracle


@view
@internal
def _round(_id: uint80) -> (int256, uint256):
    id: uint80 = 0
    answer: int256 = 0
    started: uint256 = 0
    updated: uint256 = 0
    answered: uint80 = 0
    id, answer, started, updated, answered = staticcall Aggregator(aggregator).getRoundData(_id)
    return answer, updated


@external
def setExpiryPriceInOracle(_expiry: uint256, _round_id: uint80):
    answer: int256 = 0
    updated: uint256 = 0
    answer, updated = self._round(_round_id)
    assert _expiry <= updated, "ChainLinkPricer: invalid roundId"
    before: int256 = 0
    previous: uint80 = _round_id
    for _: uint256 in range(64):
        previous -= 1
        before, updated = self._round(previous)
        if updated != 0:
            break
    assert updated != 0 and updated <= _expiry, "ChainLinkPricer: invalid roundId"
    extcall Oracle(oracle).setExpiryPrice(asset, _expiry, convert(answer, uint256))


@view
@external
def getPrice() -> uint256:
    id: uint80 = 0
    answer: int256 = 0
    started: uint256 = 0
    updated: uint256 = 0
    answered: uint80 = 0
    id, answer, started, updated, answered = staticcall Aggregator(aggregator).latestRoundData()
    assert answer > 0, "ChainLinkPricer: price is lower than 0"
    return convert(answer, uint256)
