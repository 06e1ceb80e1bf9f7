# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title A double of Arbitrum's precompile ArbGasInfo
@notice Ours, written from the interface: it answers the price of a byte that it was told, the other prices as 0.
@dev Not claimed, on purpose: that anything is charged. Transactions of the local chain pay for no data, and no price follows
     a parent chain, compression or congestion.
"""

perL1CalldataByte: public(uint256)


@deploy
def __init__(_perL1CalldataByte: uint256):
    self.perL1CalldataByte = _perL1CalldataByte


@view
@external
def getPricesInWei() -> (uint256, uint256, uint256, uint256, uint256, uint256):
    return 0, self.perL1CalldataByte, 0, 0, 0, 0


@external
def setPrice(_perL1CalldataByte: uint256):
    self.perL1CalldataByte = _perL1CalldataByte
