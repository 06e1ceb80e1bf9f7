"""How many HTTP requests the venues of a chain take together, counted by the server that they are asked through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from operator import itemgetter
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.options.desk import OptionDesk
from keeper.adapters.options.opyn import Opyn
from keeper.adapters.options.panoptic import Panoptic
from keeper.adapters.options.panoptic_chunks import Chunk
from keeper.adapters.options.panoptic_token_id import TokenId
from keeper.core.model.option import HedgeWant, NoQuoteReason, ProtectionView
from keeper.localchain import gamma, mainnet, panoptic
from keeper.localchain.artifacts import creation_code, interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.otoken_market import open_otoken_pool
from keeper.localchain.pools import USDC_WETH_500, open_pools
from keeper.localchain.twin import BANKER
from tests.fakes.rpc_server import Forward, Misbehaviour, RpcServer, result_is, tampered
from tests.panoptic_market import ETHER, LIQUIDITY, MARKET, PUT
from tests.panoptic_market import RULES as LIMITS
from tests.ports.gamma_bench import OWNER, PREMIUM_USD, PRICE, RULES, GammaBench, running_gamma_bench
from tests.ports.herge_bench import running_herge_bench
from tests.ports.panoptic_bench import LOOKBACK, SHORT

pytestmark = pytest.mark.chain
DEPTH = 50 * 10**8
LOWER = Chunk(token_type=0, lower=197_000, upper=197_240)
CREATED = contract("GammaFactory").event("OtokenCreated")


@dataclass
class Desk:
    """A desk behind a server that counts."""

    bench: GammaBench
    panoptic: panoptic.LocalPanoptic
    server: RpcServer
    rpc: Rpc

    def opyn(self, **change: Any) -> Opyn:
        return Opyn(replace(RULES, **change), self.rpc)

    def panoptics(self, deployed: str | None = None) -> Panoptic:
        rules = replace(LIMITS, lookback_blocks=LOOKBACK)
        return Panoptic(replace(MARKET, deployed=deployed), rules, self.rpc, holder=OWNER)

    def of(self, *venues: Any) -> OptionDesk:
        return OptionDesk(self.rpc, mainnet.MULTICALL3, venues)

    def want(self) -> HedgeWant:
        return replace(self.bench.want(), strike_from=Decimal(2_500))

    def offers(self, desk: OptionDesk) -> tuple[int, ProtectionView]:
        """Requests, and what they brought."""
        before = len(self.server.bodies)
        found = desk.offers(self.bench.market(), [self.want()], self.bench.block())
        assert not [one for one in found.absent if one.reason is NoQuoteReason.UNREACHABLE], found.absent
        return len(self.server.bodies) - before, found

    def held(self, desk: OptionDesk) -> int:
        before = len(self.server.bodies)
        assert not desk.held(self.bench.market(), OWNER, self.bench.block()).absent
        return len(self.server.bodies) - before

    def new_series(self, strike: float) -> str:
        """One for sale."""
        otoken = self.bench.local.create_series(strike, self.bench.expiry_s)
        open_otoken_pool(self.bench.local, otoken, PREMIUM_USD, DEPTH)
        return otoken

    def new_range(self) -> None:
        """One for sale below the other."""
        leg = replace(SHORT, strike=(LOWER.lower + LOWER.upper) // 2)
        self.panoptic.tell_minted(BANKER, TokenId(pool_id=panoptic.POOL_ID, legs=(leg,)).encode(), 100 * ETHER)
        self.panoptic.set_chunk(LOWER.lower, LOWER.upper, (LIQUIDITY << 128 | 9 * LIQUIDITY, 7, 8, 9))


@pytest.fixture(scope="module")
def stage() -> Iterator[Desk]:
    """A put at Opyn and a range at Panoptic, both for sale, on ether at 4,000 dollars."""
    with running_gamma_bench() as bench:
        open_pools(bench.twin, [USDC_WETH_500], float(PRICE), owner=BANKER)
        local = panoptic.put_panoptic(bench.twin)
        local.tell_minted(BANKER, TokenId(pool_id=panoptic.POOL_ID, legs=(SHORT,)).encode(), 100 * ETHER)
        local.set_chunk(PUT.lower, PUT.upper, (LIQUIDITY << 128 | 9 * LIQUIDITY, 7, 8, 9))
        forward = Forward(bench.twin.rpc_url)
        with RpcServer(forward) as server, closing(Rpc(server.url, attempts=1)) as rpc:
            yield Desk(bench=bench, panoptic=local, server=server, rpc=rpc)
        forward.close()


@pytest.fixture
def desk(stage: Desk) -> Iterator[Desk]:
    with stage.bench.restored():
        yield stage
        stage.server.behave()


def strikes(found: ProtectionView, venue: str = "opyn") -> list[int]:
    quotes = [one for one in found.quotes if one.contract.venue == venue]
    return sorted(round(one.contract.legs[0].strike) for one in quotes)


@pytest.mark.parametrize(
    ("series", "ranges"), [(0, 0), (1, 0), (3, 0), (0, 1), (2, 1)], ids=["nothing", "one", "three", "a range", "both"]
)
def test_a_cycle_takes_two_requests_whatever_is_new(desk: Desk, series: int, ranges: int) -> None:
    both = desk.of(desk.opyn(), desk.panoptics())
    desk.offers(both)
    assert desk.offers(both)[0] == 2
    for number in range(series):
        desk.new_series(3_500.0 - 100 * number)
    for _ in range(ranges):
        desk.new_range()
    requests, found = desk.offers(both)
    assert requests == 2
    assert strikes(found) == sorted([3_600, *(3_500 - 100 * number for number in range(series))])
    assert len(strikes(found, "panoptic")) == 1 + ranges
    assert desk.offers(both) == (2, found)


def test_opyn_alone_takes_one_request_and_another_for_what_is_new(desk: Desk) -> None:
    alone = desk.of(desk.opyn())
    desk.offers(alone)
    assert desk.offers(alone)[0] == 1
    desk.new_series(3_500.0)
    requests, found = desk.offers(alone)
    assert (requests, strikes(found)) == (2, [3_500, 3_600])
    assert desk.offers(alone) == (1, found)


FACTORY = {"otoken_factory": gamma.OTOKEN_FACTORY}
LISTED = FACTORY | {"first_block": 0}


@pytest.mark.parametrize(
    ("known", "pool", "requests"),
    [
        pytest.param(LISTED, panoptic.POOL, 2, id="all of it told"),
        pytest.param(LISTED, None, 3, id="Panoptic's pool to be found"),
        pytest.param(LISTED, "0x00000000000000000000000000000000000000AA", 3, id="another pool told"),
        pytest.param(FACTORY, panoptic.POOL, 4, id="the list to be read"),
        pytest.param({}, None, 5, id="the factory to be found"),
        pytest.param({"first_block": 0}, None, 3, id="the factory to be found, the list told"),
        pytest.param({"otoken_factory": gamma.WHITELIST}, None, 5, id="another factory told"),
    ],
)
def test_a_first_look_takes_what_the_settings_leave_open(
    desk: Desk, known: dict[str, Any], pool: str | None, requests: int
) -> None:
    desk.new_series(3_500.0)
    spent, found = desk.offers(desk.of(desk.opyn(**known), desk.panoptics(pool)))
    assert spent == requests
    assert (strikes(found), len(strikes(found, "panoptic"))) == ([3_500, 3_600], 1)


def test_offers_after_a_look_at_what_is_held_take_two_requests_from_the_start(desk: Desk) -> None:
    both = desk.of(desk.opyn(**FACTORY), desk.panoptics())
    desk.new_series(3_500.0)
    assert [desk.held(both), desk.offers(both)[0]] == [4, 2]
    assert [desk.held(both), desk.offers(both)[0]] == [1, 2]
    desk.new_series(3_400.0)
    assert [desk.held(both), desk.offers(both)[0]] == [2, 2]
    desk.new_series(3_300.0)
    requests, found = desk.offers(both)
    assert (requests, strikes(found)) == (2, [3_300, 3_400, 3_500, 3_600])


def test_a_new_series_that_is_held_is_found(desk: Desk) -> None:
    alone = desk.of(desk.opyn())
    desk.held(alone)
    otoken = desk.new_series(3_500.0)
    desk.bench.local.write(otoken, OWNER, 10**8)
    before = len(desk.server.bodies)
    (position,) = alone.held(desk.bench.market(), OWNER, desk.bench.block()).positions
    assert (position.id, len(desk.server.bodies) - before) == (otoken, 3)


def test_hegic_takes_two_requests_from_the_start() -> None:
    with running_herge_bench() as bench:
        forward = Forward(bench.twin.rpc_url)
        with RpcServer(forward) as server, closing(Rpc(server.url)) as rpc:
            hegic = OptionDesk(rpc, mainnet.MULTICALL3, [replace(bench, rpc=rpc).venue()])
            for count in (2, 4):
                found = hegic.offers(bench.market(), [bench.want()], bench.block())
                assert (len(server.bodies), len(found.quotes)) == (count, 8)
        forward.close()


def logs(change: Any) -> Misbehaviour:
    """The node's logs, changed."""
    return tampered("eth_getLogs", lambda entry: entry | {"result": change(entry["result"])})


def refused(entry: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": entry["id"], "error": {"code": -32005, "message": "block range is too large"}}


def renamed(found: list[Any]) -> list[Any]:
    """Another oToken than was created."""
    return [one | {"data": "0x" + mainnet.USDC[2:].lower().rjust(64, "0") + one["data"][66:]} for one in found]


def at_strike(dollars: int) -> Misbehaviour:
    """The third word is another."""
    word = f"{dollars * 10**8:064x}"
    return logs(lambda found: [one | {"data": one["data"][: 2 + 128] + word + one["data"][2 + 192 :]} for one in found])


def of_ether_alone(found: list[Any]) -> list[Any]:
    """Of another pair: ether against ether."""
    return [one | {"topics": [*one["topics"][:2], one["topics"][1], *one["topics"][3:]]} for one in found]


@pytest.mark.parametrize(
    ("misbehaviour", "requests"),
    [
        pytest.param(tampered("eth_getLogs", refused), 4, id="refused"),
        pytest.param(tampered("eth_getLogs", result_is("nonsense")), 4, id="nonsense"),
        pytest.param(tampered("eth_getLogs", result_is(None)), 4, id="null"),
        pytest.param(logs(lambda _: []), 4, id="none"),
        pytest.param(logs(itemgetter(slice(-1))), 4, id="newest left out"),
        pytest.param(logs(itemgetter(slice(1, None))), 2, id="an old one left out"),
        pytest.param(logs(lambda found: found * 9), 4, id="more than there are"),
        pytest.param(logs(lambda found: [one | {"removed": True} for one in found]), 4, id="removed"),
        pytest.param(logs(lambda found: [one | {"address": mainnet.USDC} for one in found]), 4, id="of another contract"),
        pytest.param(logs(itemgetter(slice(None, None, -1))), 2, id="in another order"),
        pytest.param(logs(renamed), 4, id="of another oToken"),
        pytest.param(at_strike(3_450), 2, id="at another strike"),
        pytest.param(at_strike(9_000), 3, id="at a strike that is not wanted"),
        pytest.param(logs(of_ether_alone), 3, id="of another pair"),
    ],
)
def test_whatever_logs_tell_the_same_series_are_found(desk: Desk, misbehaviour: Misbehaviour, requests: int) -> None:
    alone = desk.of(desk.opyn())
    desk.offers(alone)
    desk.new_series(3_500.0)
    desk.new_series(3_400.0)
    desk.server.misbehave(misbehaviour)
    spent, found = desk.offers(alone)
    assert strikes(found) == [3_400, 3_500, 3_600]
    assert spent == requests
    assert desk.offers(alone) == (1, found)
    assert found == desk.offers(desk.of(desk.opyn()))[1]


def test_a_series_that_was_announced_and_struck_off_is_not_offered(desk: Desk) -> None:
    alone = desk.of(desk.opyn())
    desk.offers(alone)
    desk.bench.local.blacklist(desk.new_series(3_500.0))
    requests, found = desk.offers(alone)
    assert (requests, strikes(found)) == (2, [3_600])


def test_a_series_of_another_pair_is_none(desk: Desk) -> None:
    alone = desk.of(desk.opyn())
    desk.offers(alone)
    product = mainnet.WETH, mainnet.USDT, mainnet.USDT
    listing = interface("GammaWhitelist").function("whitelistProduct").call_data(*product, True)
    create = interface("GammaFactory").function("createOtoken")
    create = create.call_data(*product, 3_500 * 10**8, desk.bench.expiry_s, True)
    chain = desk.bench.twin.chain
    for to, data in ((gamma.WHITELIST, listing), (gamma.OTOKEN_FACTORY, create)):
        chain.mine_all_succeed([LocalTx(sender=BANKER, to=to, data=data, gas=2_000_000)])
    desk.new_series(3_400.0)
    requests, found = desk.offers(alone)
    assert (requests, strikes(found)) == (2, [3_400, 3_600])


def test_a_list_that_was_changed_and_is_as_long_is_noticed_by_its_logs(desk: Desk) -> None:
    alone = desk.of(desk.opyn())
    chain = desk.bench.twin.chain.rpc
    snapshot = chain.call("evm_snapshot")
    desk.new_series(3_500.0)
    assert strikes(desk.offers(alone)[1]) == [3_500, 3_600]
    assert chain.call("evm_revert", snapshot)
    desk.new_series(3_400.0)
    requests, found = desk.offers(alone)
    assert (requests, strikes(found)) == (2, [3_400, 3_600])
    assert desk.offers(alone) == (1, found)


def test_without_logs_a_list_that_is_shorter_is_read_anew(desk: Desk) -> None:
    alone = desk.of(desk.opyn())
    chain = desk.bench.twin.chain.rpc
    snapshot = chain.call("evm_snapshot")
    desk.new_series(3_500.0)
    desk.offers(alone)
    assert chain.call("evm_revert", snapshot)
    desk.server.misbehave(tampered("eth_getLogs", refused))
    requests, found = desk.offers(alone)
    assert (requests, strikes(found)) == (3, [3_600])


def test_another_factory_is_read_from_its_start(desk: Desk) -> None:
    alone = desk.of(desk.opyn())
    desk.new_series(3_500.0)
    desk.offers(alone)
    code = creation_code("GammaFactory") + gamma.ADDRESS_BOOK[2:].rjust(64, "0")
    made = desk.bench.twin.chain.mine_all_succeed([LocalTx(sender=BANKER, to=None, data=code)])
    desk.bench.local.name("OTOKEN_FACTORY", made.receipts[0]["contractAddress"])
    requests, found = desk.offers(alone)
    assert (requests, strikes(found)) == (2, [])


def test_no_index_past_the_end_is_asked_for(desk: Desk) -> None:
    """In Solidity 0.6 it takes all gas of the call with it."""
    entry = contract("GammaFactory").function("otokens")
    alone = desk.of(desk.opyn(**LISTED))
    snapshot = desk.bench.twin.chain.rpc.call("evm_snapshot")
    for strike in (3_500.0, 3_400.0):
        desk.new_series(strike)
    asked = len(desk.server.bodies)
    desk.offers(alone)
    assert desk.bench.twin.chain.rpc.call("evm_revert", snapshot)
    shorter = len(desk.server.bodies)
    assert strikes(desk.offers(alone)[1]) == [3_600]

    def indexes(since: int, to: int | None = None) -> set[int]:
        found = set()
        for body in desk.server.bodies[since:to]:
            found.update(int(part[:64], 16) for part in body.decode().split(entry.selector.hex())[1:])
        return found

    assert indexes(asked, shorter) == {0, 1, 2}
    assert indexes(shorter) == {0}


def test_the_double_logs_as_the_interface_says(desk: Desk) -> None:
    block = desk.bench.block().number + 1
    otoken = desk.bench.local.create_series(3_500.0, desk.bench.expiry_s)
    (log,) = desk.rpc.call("eth_getLogs", {"address": gamma.OTOKEN_FACTORY, "fromBlock": hex(block), "toBlock": hex(block)})
    assert CREATED.decode(log) == {
        "tokenAddress": otoken,
        "creator": to_checksum_address(BANKER),
        "underlying": mainnet.WETH,
        "strike": mainnet.USDC,
        "collateral": mainnet.USDC,
        "strikePrice": 3_500 * 10**8,
        "expiry": desk.bench.expiry_s,
        "isPut": True,
    }
    assert CREATED.signature == "OtokenCreated(address,address,address,address,address,uint256,uint256,bool)"
    assert [name for name, _ in CREATED.indexed] == ["underlying", "strike", "collateral"]
