"""What is read of a lending market, in how many requests, and what its answers and logs say."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, Reverted, answers_of
from keeper.adapters.evm.rpc import BadReply, RpcRefused
from keeper.adapters.lending.aave_v3 import RAY, AaveReserves
from keeper.core.model.bar import Liquidations, Reserve
from keeper.core.model.errors import Reorged
from tests.pairs import USDC, USDT, WALLET, WETH

POOL = "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"
LISTING = [
    "((uint256),uint128,uint128,uint128,uint128,uint128,uint40,uint16,address,address,address,address,uint128,uint128,uint128)"
]
LIQUIDATION = contract("AaveV3Pool").event("LiquidationCall")


def address(number: int) -> str:
    return f"0x{number:040x}"


def listing(a_token: int, stable: int, variable: int, strategy: int) -> bytes:
    places = tuple(address(one) for one in (a_token, stable, variable, strategy))
    return encode(LISTING, [((2**255,), RAY, 1, RAY, 2, 3, 1_759_000_000, 4, *places, 5, 6, 7)])


class Chain:
    """Answers by address and function, and counts how often it is asked; what it does not know reverts."""

    def __init__(self) -> None:
        self.says: dict[tuple[str, str], bytes] = {}
        self.asked: list[ContractRead] = []

    def say(self, target: str, function: str, answer: int | bytes) -> None:
        self.says[target, function] = answer if isinstance(answer, bytes) else encode(["uint256"], [answer])

    def list(self, asset: str, first: int, *, stable: int = 0, available: int = 70, debt: int = 30) -> None:
        """A reserve whose contracts have the addresses from ``first`` on."""
        self.say(POOL, f"getReserveData {asset}", listing(first, stable, first + 2, first + 3))
        self.say(asset, f"balanceOf {address(first)}", available)
        self.say(address(first + 2), "totalSupply", debt)
        self.say(address(first + 3), "OPTIMAL_USAGE_RATIO", 8 * RAY // 10)

    def _answer(self, read: ContractRead) -> tuple[bool, bytes]:
        name = read.function.signature.partition("(")[0]
        argument = "0x" + read.data[-20:].hex()
        known = {key: answer for key, answer in self.says.items() if key[0].lower() == read.target.lower()}
        for key, answer in known.items():
            if key[1].lower() in {name.lower(), f"{name} {argument}".lower()}:
                return True, answer
        return False, b""

    def read(self, market: AaveReserves) -> tuple[Answers, int]:
        """Everything that the market wants, and in how many requests it came."""
        answers: dict[ContractRead, tuple[Any, ...] | Reverted] = {}
        requests = 0
        while missing := [read for read in dict.fromkeys(market.reads(answers)) if read not in answers]:
            outcome = "0x" + encode(["(bool,bytes)[]"], [[self._answer(read) for read in missing]]).hex()
            answers |= answers_of(missing, outcome)
            self.asked += missing
            requests += 1
        return answers, requests


@pytest.fixture
def chain() -> Chain:
    return Chain()


def test_reserves_are_told_in_their_order_and_a_warm_cycle_takes_one_request(chain: Chain) -> None:
    chain.list(WETH.address, 0x100, available=10**21, debt=3 * 10**20)
    chain.list(USDC.address, 0x200, available=5, debt=0)
    market = AaveReserves(POOL, [WETH.address, USDC.address])
    expected = (
        Reserve(asset=WETH.address, available=10**21, debt=3 * 10**20, kink_ray=8 * 10**26),
        Reserve(asset=USDC.address, available=5, debt=0, kink_ray=8 * 10**26),
    )
    for requests in (2, 1, 1):
        answers, taken = chain.read(market)
        assert taken == requests
        assert market.reserves(answers) == expected


def test_stable_and_variable_debt_are_one_debt(chain: Chain) -> None:
    chain.list(USDC.address, 0x100, stable=0x101, debt=30)
    chain.say(address(0x101), "totalSupply", 12)
    market = AaveReserves(POOL, [USDC.address])
    assert market.reserves(chain.read(market)[0])[0].debt == 42


def test_nobody_is_asked_for_a_debt_that_a_market_does_not_have(chain: Chain) -> None:
    chain.list(USDC.address, 0x100)
    chain.say(POOL, f"getReserveData {USDC.address}", listing(0x100, 0, 0x102, 0))
    market = AaveReserves(POOL, [USDC.address])
    answers, _ = chain.read(market)
    assert {read.target for read in answers} == {POOL, USDC.address, checksummed(0x102)}
    assert market.reserves(answers) == (Reserve(asset=USDC.address, available=70, debt=30, kink_ray=None),)


def checksummed(number: int) -> str:
    from keeper.adapters.evm import checked

    return checked.address(address(number), "address")


@pytest.mark.parametrize("moved", ["a_token", "variable", "strategy"])
def test_an_address_that_changes_is_followed_in_the_same_cycle(chain: Chain, moved: str) -> None:
    chain.list(USDC.address, 0x100)
    market = AaveReserves(POOL, [USDC.address])
    chain.read(market)
    now = {"a_token": 0x100, "variable": 0x102, "strategy": 0x103} | {moved: 0x900}
    chain.say(POOL, f"getReserveData {USDC.address}", listing(now["a_token"], 0, now["variable"], now["strategy"]))
    chain.say(USDC.address, f"balanceOf {address(0x900)}", 71)
    chain.say(address(0x900), "totalSupply", 31)
    chain.say(address(0x900), "OPTIMAL_USAGE_RATIO", RAY // 2)
    answers, requests = chain.read(market)
    assert requests == 2
    was = {"a_token": 70, "variable": 30, "strategy": 8 * RAY // 10}
    is_now = was | {moved: {"a_token": 71, "variable": 31, "strategy": RAY // 2}[moved]}
    expected = Reserve(asset=USDC.address, available=is_now["a_token"], debt=is_now["variable"], kink_ray=is_now["strategy"])
    assert market.reserves(answers) == (expected,)
    assert chain.read(market)[1] == 1


def test_what_is_not_listed_or_does_not_tell_is_left_out(chain: Chain) -> None:
    chain.list(WETH.address, 0x100)
    chain.say(POOL, f"getReserveData {USDC.address}", listing(0, 0, 0, 0))
    market = AaveReserves(POOL, [USDC.address, USDT.address, WETH.address])
    assert [one.asset for one in market.reserves(chain.read(market)[0])] == [WETH.address]
    chain.list(USDC.address, 0x200)
    assert [one.asset for one in market.reserves(chain.read(market)[0])] == [USDC.address, WETH.address]
    del chain.says[address(0x202), "totalSupply"]
    del chain.says[WETH.address, f"balanceOf {address(0x100)}"]
    assert market.reserves(chain.read(market)[0]) == ()


def test_a_reserve_that_was_dropped_is_forgotten(chain: Chain) -> None:
    chain.list(USDC.address, 0x100)
    market = AaveReserves(POOL, [USDC.address])
    chain.read(market)
    chain.say(POOL, f"getReserveData {USDC.address}", listing(0, 0, 0, 0))
    assert market.reserves(chain.read(market)[0]) == ()
    assert len(market.reads({})) == 1


@pytest.mark.parametrize(
    ("old", "new", "kink"),
    [
        (8 * 10**26, None, 8 * 10**26),
        (None, 9 * 10**26, 9 * 10**26),
        (8 * 10**26, 9 * 10**26, 8 * 10**26),
        (0, 9 * 10**26, 9 * 10**26),
        (10**27, None, 10**27),
        (10**27 + 1, None, None),
        (0, None, None),
        (None, None, None),
    ],
)
def test_the_kink_is_what_the_strategy_of_either_version_tells(
    chain: Chain, old: int | None, new: int | None, kink: int | None
) -> None:
    chain.list(USDC.address, 0x100)
    del chain.says[address(0x103), "OPTIMAL_USAGE_RATIO"]
    for function, told in (("OPTIMAL_USAGE_RATIO", old), (f"getOptimalUsageRatio {USDC.address}", new)):
        if told is not None:
            chain.say(address(0x103), function, told)
    market = AaveReserves(POOL, [USDC.address])
    (reserve,) = market.reserves(chain.read(market)[0])
    assert (reserve.kink_ray, reserve.available, reserve.debt) == (kink, 70, 30)


def log(debt: str = USDC.address, raw: int = 10, **change: Any) -> dict[str, Any]:
    topics = [LIQUIDATION.topic0, *(f"0x{int(one, 16):064x}" for one in (WETH.address, debt, WALLET))]
    data = encode(["uint256", "uint256", "address", "bool"], [raw, 5, WALLET, False])
    fields = {"address": POOL.lower(), "topics": topics, "data": "0x" + data.hex(), "blockNumber": "0x64", "logIndex": "0x1"}
    return fields | change


MARKET = AaveReserves(POOL, [])


def test_liquidations_are_asked_of_the_market_between_two_blocks() -> None:
    topic = "0xe413a321e8681d831f4dbccbca790d2952b56f977908e45be37335533e005286"
    span = {"address": POOL, "topics": [topic], "fromBlock": "0x64", "toBlock": "0xc8"}
    assert MARKET.liquidation_calls(100, 200) == [("eth_getLogs", [span])]


def test_liquidations_are_counted_and_their_debt_summed_by_token() -> None:
    logs = [
        log(USDC.address, 10),
        log(WETH.address, 2**200, logIndex="0x2"),
        log(USDC.address, 7, blockNumber="0x65"),
    ]
    assert MARKET.liquidations([logs], 100) == Liquidations(
        since_block=100, count=3, debt_covered=((USDC.address, 17), (WETH.address, 2**200))
    )


def test_a_quiet_stretch_is_known_to_be_quiet_and_a_refused_one_is_not_known() -> None:
    assert MARKET.liquidations([[]], 100) == Liquidations(since_block=100, count=0, debt_covered=())
    assert MARKET.liquidations([RpcRefused(-32005, "too many")], 100) is None


@pytest.mark.parametrize(
    "outcome",
    [
        None,
        {},
        [None],
        [log(address=USDC.address)],
        [log(topics=[])],
        [log(topics=["0x" + "00" * 32, *log()["topics"][1:]])],
        [log(topics=log()["topics"][:3])],
        [log(data="0x")],
        [log(data=log()["data"] + "00")],
        [log(blockNumber="0x63")],
        [log(blockNumber=None)],
        [log(), log()],
    ],
)
def test_logs_that_cannot_be_are_refused(outcome: Any) -> None:
    with pytest.raises(BadReply):
        MARKET.liquidations([outcome], 100)


def test_a_removed_log_is_a_reorganisation() -> None:
    with pytest.raises(Reorged, match="removed"):
        MARKET.liquidations([[log(removed=True)]], 100)
