"""The double of Hegic Herge at its own addresses on the Arbitrum twin, with levers for what its admins and its market can do.

What the double keeps of the real one and what it does not claim is told by its contracts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from eth_abi.abi import encode

from keeper.localchain import arbitrum
from keeper.localchain.artifacts import creation_code, interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.chainlink import LocalFeed, put_feed
from keeper.localchain.placing import place
from keeper.localchain.twin import BANKER, Twin

TREASURY = "0xec096ea6eB9aa5ea689b0CF00882366E92377371"
POSITIONS = "0x5Fe380D68fEe022d8acd42dc4D36FbfB249a76d5"
COVER_POOL = "0xd47Ef934e301E0ee3b1cE0e3EEbCb64De8b231BE"
PAYOFF_POOL = "0x00000000000000000000000000000000Ba9Ce701"
"""Whose dollars the cover pool pays out; impersonated, never signs."""
ETHER_DECIMALS = 18
DAY_S = 86_400
MAX_LOCKUP_S = 90 * DAY_S
LIMIT_RAW = 1_250 * 10**6
"""Most that the premiums of one strategy may reserve."""
_GAS = 3_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PutStrategy:
    """One put strategy as the double is made."""

    name: str
    address: str
    scale: int
    """Strike in 1e-4 of the spot price at the purchase."""
    days: tuple[int, int]
    """Shortest and longest period."""
    prices: tuple[tuple[int, int], tuple[int, int]]
    """Two points (days, raw dollars of one ether) of the line that its premium follows."""


def _puts(percent: int, addresses: Sequence[str], prices: Sequence[int]) -> tuple[PutStrategy, ...]:
    """Tiers of one scale; prices at 7, 14, 30 and 45 days, in raw dollars of one ether. The last line goes on to 90 days."""
    days = (7, 14, 30, 45)
    points = tuple(zip(days, prices, strict=True))
    lines = ((points[0], points[1]), (points[1], points[2]), (points[2], points[3]), (points[2], points[3]))
    tiers = ((7, 14), (14, 30), (30, 60), (60, 90))
    return tuple(
        PutStrategy(name=f"put_{percent}_{tier}", address=address, scale=100 * percent, days=tiers[tier - 1], prices=line)
        for tier, (address, line) in enumerate(zip(addresses, lines, strict=False), start=1)
    )


PUTS = (
    *_puts(
        100,
        (
            "0xaA0DfBFb8dA7f45BB41c0fB68B71FAEB959B22aa",
            "0x2739A4C003080A5B3Ade22b92c3321EDa2Da3A9e",
            "0xf711D0BC60F37cA28845BA623ccd9C635E5073A1",
            "0x015FAA9aF7599e6cea597EBC7e7e04A149a3E992",
        ),
        (51_000_000, 66_671_554, 101_000_000, 131_000_000),
    ),
    *_puts(
        90,
        (
            "0x6B7e5906F53d8bB365f4A6fA776Fd0f0caf57881",
            "0x3e2a0fE32Cc000d87D9e5D6ed8b3D64e9c74C752",
            "0x33a4B4403B8C6349371CbDf539138D78ec0Aab66",
            "0x3031EA515c2274024D93A8D3BfA91ce920E1192E",
        ),
        (11_700_000, 24_100_000, 52_900_000, 80_500_000),
    ),
    *_puts(
        80,
        (
            "0x77C8d12d9E2D21f6eE02E8ccA332fDe4BE5C2465",
            "0xb58ccd922B57422d0497904B7D9fccB922b8aaDf",
            "0xdF30cdb7abb3Ca707b82359A349D3b0C94d4a421",
            "0x7FD5E8B2Ef25A105bf6B1c45f62d8925Eaa068Bc",
        ),
        (4_000_000, 8_300_000, 22_600_000, 41_500_000),
    ),
    *_puts(
        70,
        (
            "0x35EF16F3c329a54050Ca120145340dfC2b4F9541",
            "0x48EcF46Aa51992a064aB172439ABFE182F39b478",
            "0xF55F6d98e2F48F8D46757D5A6e225bf0ADC9651C",
            "0x5BBe6C4A66D4a48442dc0837a0eA859a11D7766C",
        ),
        (2_000_000, 3_500_000, 10_200_000, 20_700_000),
    ),
)
"""The ether puts, whose premiums go through what the published coefficients give at 7, 14, 30 and 45 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalHerge:
    """The double on a twin; every lever is one block."""

    twin: Twin
    feed: LocalFeed
    """The strategies' price, of which only the last answer counts."""
    admin: str = BANKER
    """Whom the treasury and the strategies obey."""

    def set_premium(self, put: PutStrategy, *, times: int, over: int = 1) -> None:
        """Let the admin of a strategy multiply its prices by ``times / over``, each rounded down, of what it was made with."""
        (first, low), (last, high) = put.prices
        self.set_prices([replace(put, prices=((first, low * times // over), (last, high * times // over)))])

    def set_prices(self, puts: Sequence[PutStrategy]) -> None:
        """Let the admin of every one of them set the line that its premium follows."""
        set_line = interface("HergePricer").function("setLine")
        txs = []
        for put in puts:
            (first, low), (last, high) = put.prices
            data = set_line.call_data(first * DAY_S, last * DAY_S, low, high)
            txs.append(LocalTx(sender=BANKER, to=self._address(put.address, "pricer"), data=data))
        self.twin.chain.mine_all_succeed(txs)

    def set_pricer(self, put: PutStrategy, pricer: str) -> None:
        """Let the admin of a strategy take another contract for its prices."""
        self._send(put.address, interface("HergePut").function("setPricer").call_data(pricer))

    def set_limit(self, put: PutStrategy, raw: int) -> None:
        """Let the admin say how much a strategy's premiums may reserve; 0 sells nothing more."""
        self._send(put.address, interface("HergePut").function("setLimit").call_data(raw))

    def reopen(self, put: PutStrategy) -> None:
        """Let the admin leave :data:`LIMIT_RAW` for what a strategy may still reserve."""
        (locked,) = self.twin.chain.read(TREASURY, interface("HergeTreasury").function("lockedByStrategy"), put.address)
        self.set_limit(put, locked + LIMIT_RAW)

    def ask_other_prices(self, put: PutStrategy, *, times: int, over: int = 1) -> None:
        """Let the admin of a strategy take a price list of ours (two blocks).

        At the strategy's shortest and longest period it asks ``times / over`` of what is asked now, rounded down.
        """
        price = interface("HergePut").function("calculateNegativepnlAndPositivepnl")
        periods = [days * DAY_S for days in put.days]
        asked = [self.twin.chain.read(put.address, price, 10**ETHER_DECIMALS, period_s, [])[1] for period_s in periods]
        self.set_pricer(put, _deploy_pricer(self.twin, periods, [premium * times // over for premium in asked]))

    def withdraw(self, raw: int) -> None:
        """Let the admin take dollars out of the treasury.

        Raises:
            LocalChainError: they are reserved.
        """
        self._send(TREASURY, interface("HergeTreasury").function("withdraw").call_data(BANKER, raw))

    def set_cover(self, raw: int) -> None:
        """Let the cover pool be worth so many dollars and have them to pay out."""
        held = self.twin.balance_raw(PAYOFF_POOL, arbitrum.USDC_E)
        if raw > held:
            self.twin.fund(PAYOFF_POOL, arbitrum.USDC_E, raw - held)
        self._send(COVER_POOL, interface("HergeCover").function("setCover").call_data(raw))

    def empty_cover(self) -> None:
        """Let whoever holds the cover pool's dollars have none (one block)."""
        (holder,) = self.twin.chain.read(COVER_POOL, interface("HergeCover").function("payoffPool"))
        self.twin.chain.impersonate(holder)
        away = interface("Token").function("transfer").call_data(BANKER, self.twin.balance_raw(holder, arbitrum.USDC_E))
        self.twin.chain.mine_all_succeed([LocalTx(sender=holder, to=arbitrum.USDC_E, data=away)])

    def _send(self, to: str, data: str) -> None:
        self.twin.chain.mine_all_succeed([LocalTx(sender=self.admin, to=to, data=data)])

    def _address(self, of: str, getter: str) -> str:
        return str(self.twin.chain.read(of, interface("HergePut").function(getter))[0])


def put_herge(
    twin: Twin,
    price: float,
    *,
    treasury_raw: int,
    puts: Sequence[PutStrategy] = PUTS,
    feed: LocalFeed | None = None,
    limit_raw: int = LIMIT_RAW,
) -> LocalHerge:
    """Put the double on the Arbitrum twin, its feed included (some 5 blocks and 3 a strategy).

    Args:
        twin: of :data:`keeper.localchain.arbitrum.ARBITRUM`; nothing of Herge stands on it yet.
        price: the feed's first answer, USD of one ether.
        treasury_raw: dollars that the treasury begins with; the cover pool has none.
        puts: which strategies, all connected.
        feed: of that price, where it stands already.
        limit_raw: most that the premiums of one strategy may reserve.

    Raises:
        ArtifactNotFound: Chainlink's contracts are not installed.
    """
    feed = feed or put_feed(twin, arbitrum.ETH_USD, price)
    chain = twin.chain
    usdc = arbitrum.USDC_E
    arguments = encode(("address", "address", "uint256", "address", "uint256"), (usdc, POSITIONS, MAX_LOCKUP_S, COVER_POOL, 0))
    place(chain, TREASURY, creation_code("HergeTreasury") + arguments.hex(), owner=BANKER)
    place(chain, POSITIONS, creation_code("HergePositions") + encode(("address",), (TREASURY,)).hex(), owner=BANKER)
    arguments = encode(("address", "address", "address"), (usdc, PAYOFF_POOL, TREASURY))
    place(chain, COVER_POOL, creation_code("HergeCover") + arguments.hex(), owner=BANKER)
    chain.impersonate(PAYOFF_POOL)
    approve = interface("Token").function("approve").call_data(COVER_POOL, 2**256 - 1)
    chain.mine_all_succeed([LocalTx(sender=PAYOFF_POOL, to=usdc, data=approve)])
    for put in puts:
        _place_put(twin, put, limit_raw)
    connect = interface("HergeTreasury").function("connectStrategy")
    chain.mine_all_succeed([LocalTx(sender=BANKER, to=TREASURY, data=connect.call_data(put.address)) for put in puts])
    twin.fund(TREASURY, usdc, treasury_raw)
    return LocalHerge(twin=twin, feed=feed)


def _place_put(twin: Twin, put: PutStrategy, limit_raw: int) -> None:
    (first, low), (last, high) = put.prices
    pricer = _deploy_pricer(twin, (first * DAY_S, last * DAY_S), (low, high))
    arguments = encode(
        ("address", "address", "uint256", "uint8", "uint16", "uint48", "uint48"),
        (arbitrum.ETH_USD, pricer, limit_raw, ETHER_DECIMALS, put.scale, put.days[0] * DAY_S, put.days[1] * DAY_S),
    )
    place(twin.chain, put.address, creation_code("HergePut") + arguments.hex(), owner=BANKER)


def _deploy_pricer(twin: Twin, periods_s: Sequence[int], prices: Sequence[int]) -> str:
    line = encode(("uint256",) * 5, (10**ETHER_DECIMALS, *periods_s, *prices)).hex()
    code = creation_code("HergePricer") + line
    block = twin.chain.mine_all_succeed([LocalTx(sender=BANKER, to=None, data=code, gas=_GAS)])
    return str(block.receipts[0]["contractAddress"])
