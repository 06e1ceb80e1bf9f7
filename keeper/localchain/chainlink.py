"""Chainlink's own aggregator proxy at mainnet's addresses, over an aggregator that answers what it is told."""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi.abi import encode

from keeper.localchain.artifacts import creation_code, interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.placing import place
from keeper.localchain.twin import BANKER, Twin

ETH_USD = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"
USDC_USD = "0x8fFfFfd4AfB6115b954Bd326cbe7B4BA576818f6"
PRICE_DECIMALS = 8
_NO_ACCESS_CONTROL = "0x0000000000000000000000000000000000000000"
_GAS = 3_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFeed:
    """A proxy with its aggregator on the twin."""

    twin: Twin
    address: str
    """Of the proxy."""
    aggregator: str
    decimals: int

    def set_answer(self, value: float, *, updated_at_s: int | None = None) -> None:
        """Begin a new round (one block).

        Args:
            value: in the feed's unit, rounded to the nearest step of its decimals; any sign.
            updated_at_s: time that the round claims, Unix seconds; that of its block when not given.
        """
        raw = round(value * 10**self.decimals)
        mock = interface("MockV3Aggregator")
        if updated_at_s is None:
            data = mock.function("updateAnswer").call_data(raw)
        else:
            data = mock.function("updateRoundData").call_data(self._round() + 1, raw, updated_at_s, updated_at_s)
        self.twin.chain.mine_all_succeed([LocalTx(sender=BANKER, to=self.aggregator, data=data)])

    def _round(self) -> int:
        latest = interface("MockV3Aggregator").function("latestRound")
        reply = self.twin.chain.rpc.call("eth_call", {"to": self.aggregator, "input": latest.call_data()}, "latest")
        return int(reply, 16)


def put_feed(twin: Twin, address: str, value: float, *, decimals: int = PRICE_DECIMALS) -> LocalFeed:
    """Put a feed at ``address`` with a first answer (two blocks).

    Args:
        twin: where.
        address: of the proxy; nothing stands there yet.
        value: first answer, in the feed's unit.
        decimals: of its answers.

    Raises:
        ArtifactNotFound: Chainlink's contracts are not installed.
    """
    code = creation_code("MockV3Aggregator") + encode(("uint8", "int256"), (decimals, round(value * 10**decimals))).hex()
    block = twin.chain.mine_all_succeed([LocalTx(sender=BANKER, to=None, data=code, gas=_GAS)])
    aggregator = str(block.receipts[0]["contractAddress"])
    proxy = creation_code("EACAggregatorProxy") + encode(("address", "address"), (aggregator, _NO_ACCESS_CONTROL)).hex()
    place(twin.chain, address, proxy, owner=BANKER)
    return LocalFeed(twin=twin, address=address, aggregator=aggregator, decimals=decimals)


def put_sequencer(twin: Twin, address: str, up_since_s: int) -> None:
    """Put the feed of a sequencer that works at ``address`` (three blocks).

    Args:
        twin: where.
        address: of the proxy; nothing stands there yet.
        up_since_s: since when it works, Unix seconds.

    Raises:
        ArtifactNotFound: Chainlink's contracts are not installed.
    """
    put_feed(twin, address, 0.0, decimals=0).set_answer(0.0, updated_at_s=up_since_s)
