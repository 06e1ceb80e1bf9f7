"""What Panoptic's contracts say when they refuse, in words. Ref: ``Errors.sol``."""

from __future__ import annotations

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import revert_reason
from keeper.adapters.evm.rpc import BadReply, RpcRefused

WORDS = {
    "cdef092d": "the account would not have enough collateral",
    "2bd1a05a": "an option is named twice",
    "3a8795c2": "too much of the liquidity in its range would be bought",
    "99e877ce": "the list of the account's options is not the one that the venue has",
    "93db0263": "the venue knows no such option",
    "73582ea0": "nothing of its range is for sale",
    "c56d518e": "its range has not so much for sale",
    "71c3730b": "too little of a token is deposited",
    "00bd51c8": "the account does not hold the option",
    "543a6e10": "the size is too large",
    "618ea40c": "the price is outside of the limits",
    "cbe5b9a6": "it would move the price too far",
    "88cce429": "the pool's price is too far from the venue's averages",
    "0ed7e777": "the account would have too many legs",
    "cfa4bfa2": "the option is of another pool",
    "c56d46d3": "the deposit is too large",
    "20adf2ea": "so much cannot be withdrawn",
}
"""Selector of a custom error -> what it means for the one who called."""


def words_of(data: object) -> str:
    """Revert data (hex or None) for people: known errors in words, others as :func:`revert_reason` tells them."""
    try:
        selector = checked.data(data, "revert data")[:4].hex()
    except BadReply:
        return revert_reason(data)
    return WORDS.get(selector) or revert_reason(data)


def refusal(outcome: RpcRefused) -> str:
    """Why a trial call was refused, for people; the node's own words when it gives no revert data."""
    return words_of(outcome.data) if outcome.data else outcome.message
