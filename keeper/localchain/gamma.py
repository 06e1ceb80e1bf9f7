"""Opyn Gamma's double at mainnet's addresses, and the levers of its writer, its market maker and its owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from keeper.adapters.evm.abi import Function
from keeper.localchain import mainnet
from keeper.localchain.artifacts import creation_code, interface
from keeper.localchain.chain import LocalTx, MinedBlock
from keeper.localchain.chainlink import LocalFeed
from keeper.localchain.placing import place
from keeper.localchain.twin import BANKER, Twin

ADDRESS_BOOK = "0x1E31F2DCBad4dc572004Eae6355fB18F9615cBe4"
CONTROLLER = "0x4ccc2339F87F6c59c6893E1A678c2266cA58dC72"
OTOKEN_FACTORY = "0x7C06792Af1632E77cb27a558Dc0885338F4Bdf8E"
WHITELIST = "0xa5EA18ac6865f315ff5dD9f1a7fb1d41A30a6779"
MARGIN_POOL = "0x5934807cC0654d46755eBd2848840b616256C6Ef"
ORACLE = "0x789cD7AB3742e23Ce0952F6Bc3Eb3A73A0E08833"

DAY_S = 86_400
EXPIRY_HOUR_S = 28_800
"""Seconds after midnight UTC at which every series expires."""
LOCKING_S = 300
DISPUTE_S = 7_200
"""Periods of the double's pricer; the real ones are to be read on the chain."""
STRIKE_ONE = 10**8
OTOKEN_ONE = 10**8
_USDC_STABLE = 10**8
_OPEN_VAULT, _MINT_SHORT, _DEPOSIT_COLLATERAL = 0, 1, 5
_NOBODY = "0x0000000000000000000000000000000000000000"
_GAS = 4_000_000
_PLACES = (
    ("GammaController", CONTROLLER, "CONTROLLER"),
    ("GammaFactory", OTOKEN_FACTORY, "OTOKEN_FACTORY"),
    ("GammaWhitelist", WHITELIST, "WHITELIST"),
    ("GammaMarginPool", MARGIN_POOL, "MARGIN_POOL"),
    ("GammaOracle", ORACLE, "ORACLE"),
)
_WITHOUT_ARGUMENTS = frozenset({"GammaOracle"})
_PRODUCTS = (
    (mainnet.WETH, mainnet.USDC, mainnet.USDC, True),
    (mainnet.WETH, mainnet.USDC, mainnet.WETH, False),
)


def expiry_after(now_s: int, days: int) -> int:
    """The first 08:00 UTC at least ``days`` days after ``now_s``, Unix seconds."""
    return -(-(now_s + days * DAY_S - EXPIRY_HOUR_S) // DAY_S) * DAY_S + EXPIRY_HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalGamma:
    """The double, driven by the accounts that may; what only it knows is said."""

    twin: Twin
    feed: LocalFeed
    """Dollars per ether: what its pricer reads."""
    pricer: str
    locking_s: int = LOCKING_S
    dispute_s: int = DISPUTE_S
    bot: str = BANKER
    """Who sets prices at expiry."""

    def create_series(self, strike_usd: float, expiry_s: int, *, is_put: bool = True) -> str:
        """Create a series of ether against USDC (one block); the oToken's address.

        Args:
            strike_usd: rounded to the nearest 1e-8.
            expiry_s: at 08:00 UTC, in the future.
            is_put: a put is collateralised in USDC, a call in WETH.
        """
        collateral = mainnet.USDC if is_put else mainnet.WETH
        terms = mainnet.WETH, mainnet.USDC, collateral, round(strike_usd * STRIKE_ONE), expiry_s, is_put
        factory = interface("GammaFactory")
        block = self._own(OTOKEN_FACTORY, factory.function("createOtoken").call_data(*terms))
        created = factory.event("OtokenCreated")
        (log,) = [log for log in block.receipts[0]["logs"] if created.is_in(log)]
        return str(created.decode(log)["tokenAddress"])

    def write(self, otoken: str, holder: str, amount_e8: int, *, covered: bool = True) -> None:
        """Let the banker write new oTokens from a vault of their own (about two blocks).

        Args:
            otoken: of which series.
            holder: who gets them.
            amount_e8: how many, 1e-8 of an option.
            covered: whether there is collateral for the highest payoff; only the double hands out others.
        """
        controller = interface("GammaController")
        if not covered:
            self._own(CONTROLLER, controller.function("write").call_data(otoken, holder, amount_e8))
            return
        collateral, most = self._highest_payoff(otoken, amount_e8)
        self.twin.fund(BANKER, collateral, most)
        vault = 1 + int(self._read(CONTROLLER, controller.function("getAccountVaultCounter"), BANKER)[0])
        actions = [
            (_OPEN_VAULT, BANKER, BANKER, _NOBODY, vault, 0, 0, b""),
            (_DEPOSIT_COLLATERAL, BANKER, BANKER, collateral, vault, most, 0, b""),
            (_MINT_SHORT, BANKER, holder, otoken, vault, amount_e8, 0, b""),
        ]
        approve = interface("Token").function("approve").call_data(MARGIN_POOL, most)
        operate = controller.function("operate").call_data(actions)
        self.twin.chain.mine_all_succeed(
            [
                LocalTx(sender=BANKER, to=collateral, data=approve, gas=200_000),
                LocalTx(sender=BANKER, to=CONTROLLER, data=operate, gas=_GAS),
            ]
        )

    def _highest_payoff(self, otoken: str, amount_e8: int) -> tuple[str, int]:
        details = interface("GammaOtoken").function("getOtokenDetails")
        collateral, _, _, strike_e8, _, is_put = self._read(otoken, details)
        if is_put:
            return collateral, -(-strike_e8 * amount_e8 * 10**6 // (STRIKE_ONE * OTOKEN_ONE))
        return collateral, amount_e8 * 10**10

    def go_to(self, timestamp_s: int) -> None:
        """Mine one block at that time."""
        self.twin.chain.mine(timestamp_s=timestamp_s)

    def push_price(self, expiry_s: int, round_id: int) -> None:
        """Set an expiry's price from a Chainlink round (one block), as the venue's bot does.

        Raises:
            LocalChainError: it is not the first round after the expiry, or the locking period is not over.
        """
        push = interface("GammaPricer").function("setExpiryPriceInOracle")
        self._send(self.bot, self.pricer, push.call_data(expiry_s, round_id))

    def latest_round(self) -> int:
        """The feed's newest round, as its proxy numbers it."""
        return int(self._read(self.feed.address, interface("EACAggregatorProxy").function("latestRoundData"))[0])

    def settle(self, expiry_s: int, usd: float) -> None:
        """Let an expiry pass with a price: set after the locking period, final after the dispute period (about four blocks)."""
        self.go_to(expiry_s)
        self.feed.set_answer(usd)
        round_id = self.latest_round()
        self.go_to(max(expiry_s + self.locking_s, self.twin.chain.timestamp_s()) + 1)
        self.push_price(expiry_s, round_id)
        self.go_to(self.twin.chain.timestamp_s() + self.dispute_s + 1)

    def pause(self, *, fully: bool, paused: bool = True) -> None:
        """Let whoever may do so pause or resume the system (one block): fully, or all but redeeming."""
        controller = interface("GammaController")
        who, what = ("fullPauser", "setSystemFullyPaused") if fully else ("partialPauser", "setSystemPartiallyPaused")
        pauser = str(self._read(CONTROLLER, controller.function(who))[0])
        self.twin.chain.impersonate(pauser)
        self._send(pauser, CONTROLLER, controller.function(what).call_data(paused))

    def blacklist(self, otoken: str) -> None:
        """Strike a series off the whitelist (one block)."""
        self._own(WHITELIST, interface("GammaWhitelist").function("blacklistOtoken").call_data(otoken))

    def name(self, key: str, address: str) -> None:
        """Let the address book name another module under a key such as ``CONTROLLER`` (one block)."""
        named = interface("GammaAddressBook").function("setAddress").call_data(keccak(text=key), address)
        self._own(ADDRESS_BOOK, named)

    def drain(self, token: str, keep_raw: int) -> None:
        """Leave the margin pool with so much of a token (one block): collateral that is gone."""
        held = self.twin.balance_raw(MARGIN_POOL, token)
        chain = self.twin.chain
        chain.impersonate(MARGIN_POOL)
        transfer = interface("Token").function("transfer").call_data(BANKER, held - keep_raw)
        chain.mine_all_succeed([LocalTx(sender=MARGIN_POOL, to=token, data=transfer, gas=200_000)])

    def _own(self, to: str, data: str) -> MinedBlock:
        return self._send(BANKER, to, data)

    def _send(self, sender: str, to: str, data: str) -> MinedBlock:
        return self.twin.chain.mine_all_succeed([LocalTx(sender=sender, to=to, data=data, gas=_GAS)])

    def _read(self, to: str, function: Function, *arguments: object) -> tuple[Any, ...]:
        return self.twin.chain.read(to, function, *arguments)


def put_gamma(twin: Twin, feed: LocalFeed, *, locking_s: int = LOCKING_S, dispute_s: int = DISPUTE_S) -> LocalGamma:
    """Put the double where mainnet has the venue (about 20 blocks).

    Args:
        twin: where.
        feed: dollars per ether.
        locking_s: after an expiry, before its price may be set, seconds.
        dispute_s: after its price was set, before it is final, seconds.
    """
    place(twin.chain, ADDRESS_BOOK, creation_code("GammaAddressBook"), owner=BANKER)
    for name, address, _ in _PLACES:
        arguments = "" if name in _WITHOUT_ARGUMENTS else encode(("address",), (ADDRESS_BOOK,)).hex()
        place(twin.chain, address, creation_code(name) + arguments, owner=BANKER)
    pricer_code = creation_code("GammaPricer") + encode(("address",) * 3, (mainnet.WETH, feed.address, ORACLE)).hex()
    pricer, implementation = _deployed(twin, pricer_code, creation_code("GammaOtoken"))
    book, oracle, whitelist = (interface(f"Gamma{name}") for name in ("AddressBook", "Oracle", "Whitelist"))
    entries = (("OTOKEN_IMPL", implementation), *((key, address) for _, address, key in _PLACES))
    calls: list[tuple[str, Function, tuple[object, ...]]] = [
        (ADDRESS_BOOK, book.function("setAddress"), (keccak(text=key), address)) for key, address in entries
    ]
    calls += [
        (ORACLE, oracle.function("setAssetPricer"), (mainnet.WETH, pricer)),
        (ORACLE, oracle.function("setLockingPeriod"), (pricer, locking_s)),
        (ORACLE, oracle.function("setDisputePeriod"), (pricer, dispute_s)),
        (ORACLE, oracle.function("setStablePrice"), (mainnet.USDC, _USDC_STABLE)),
    ]
    calls += [(WHITELIST, whitelist.function("whitelistProduct"), product) for product in _PRODUCTS]
    twin.chain.mine_all_succeed(
        [LocalTx(sender=BANKER, to=to, data=function.call_data(*arguments), gas=300_000) for to, function, arguments in calls]
    )
    return LocalGamma(twin=twin, feed=feed, pricer=pricer, locking_s=locking_s, dispute_s=dispute_s)


def _deployed(twin: Twin, *codes: str) -> list[Any]:
    block = twin.chain.mine_all_succeed([LocalTx(sender=BANKER, to=None, data=code) for code in codes])
    return [to_checksum_address(receipt["contractAddress"]) for receipt in block.receipts]
