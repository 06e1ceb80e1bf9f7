"""The price feed of a market that runs: a new round at half a percent or after an hour, as mainnet's feed of ether has them."""

from __future__ import annotations

from keeper.localchain.chainlink import LocalFeed

DEVIATION = 0.005
HEARTBEAT_S = 3_600


class Reporter:
    """Keeps a feed at a price.

    Args:
        feed: of that price; its first answer has been given.
        value: that answer.
        at_s: chain time of it.
    """

    def __init__(self, feed: LocalFeed, value: float, at_s: int) -> None:
        self._feed = feed
        self._value = value
        self._at_s = at_s

    def follow(self, value: float, now_s: int) -> None:
        """Begin a new round when it is due (one block).

        Args:
            value: the price now, > 0.
            now_s: chain time of the newest block.
        """
        if abs(value / self._value - 1) < DEVIATION and now_s - self._at_s < HEARTBEAT_S:
            return
        self._feed.set_answer(value)
        self._value, self._at_s = value, now_s
