"""The twin is mainnet where the keeper looks: addresses, bytecode, tokens, and the contracts at work."""

from __future__ import annotations

import time

import pytest
from eth_account import Account as Signer

from keeper.core.model.errors import ConfigError
from keeper.localchain import mainnet
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import BLOCK_TIME_S, LocalChainError, LocalTx, is_success
from keeper.localchain.pools import ETH_POOLS, USDC_WETH_500, open_pools
from keeper.localchain.twin import BANKER, Twin, running_base

pytestmark = pytest.mark.chain

MANAGER = interface("NonfungiblePositionManager")
ROUTER = interface("SwapRouter02")
QUOTER = interface("QuoterV2")
TOKEN = interface("Token")
FOREVER = 2**40
WHOLE = 2**128 - 1


def read(twin: Twin, to: str, data: str) -> str:
    return twin.chain.rpc.call("eth_call", {"to": to, "input": data}, "latest")


def act(twin: Twin, sender: str, to: str, data: str) -> dict:
    block = twin.chain.mine_all_succeed([LocalTx(sender=sender, to=to, data=data, gas=2_000_000)])
    return dict(block.receipts[0])


@pytest.fixture
def trader(twin: Twin) -> str:
    """A developer account with tokens, approvals, and pools to trade in."""
    open_pools(twin, ETH_POOLS, 4000.0, owner=BANKER)
    address = twin.accounts[3].address
    for token, raw in ((mainnet.USDC, 10**12), (mainnet.WETH, 10**20)):
        twin.fund(address, token, raw)
        for spender in (mainnet.POSITION_MANAGER, mainnet.SWAP_ROUTER_02):
            act(twin, address, token, TOKEN.function("approve").call_data(spender, 2**256 - 1))
    return address


def test_everything_stands_where_mainnet_has_it(twin: Twin) -> None:
    rpc = twin.chain.rpc
    assert rpc.call("eth_chainId") == "0x1"
    for deployment in mainnet.DEPLOYMENTS:
        assert len(rpc.call("eth_getCode", deployment.address, "latest")) > 1000, deployment.artifact
    get_pool = interface("UniswapV3Factory").function("getPool")
    for token0, token1, fee, pool in mainnet.POOLS:
        assert get_pool.decode(read(twin, mainnet.FACTORY, get_pool.call_data(token0, token1, fee))) == (pool,)
        assert get_pool.decode(read(twin, mainnet.FACTORY, get_pool.call_data(token1, token0, fee))) == (pool,)


def test_contracts_know_one_another(twin: Twin) -> None:
    for contract, name in ((MANAGER, mainnet.POSITION_MANAGER), (QUOTER, mainnet.QUOTER_V2), (ROUTER, mainnet.SWAP_ROUTER_02)):
        for getter, expected in (("factory", mainnet.FACTORY), ("WETH9", mainnet.WETH)):
            function = contract.function(getter)
            assert function.decode(read(twin, name, function.call_data())) == (expected,)


@pytest.mark.parametrize(
    ("token", "name", "symbol"), [(mainnet.USDC, "USD Coin", "USDC"), (mainnet.USDT, "Tether USD", "USDT")]
)
def test_dollars_have_six_decimals_and_their_names(twin: Twin, token: str, name: str, symbol: str) -> None:
    values = [
        TOKEN.function(part).decode(read(twin, token, TOKEN.function(part).call_data()))
        for part in ("name", "symbol", "decimals")
    ]
    assert values == [(name,), (symbol,), (6,)]


def test_a_permit_signed_for_mainnets_usdc_is_taken(twin: Twin) -> None:
    owner, spender = twin.accounts[2], twin.accounts[4].address
    signed = Signer.sign_typed_data(
        owner.key,
        {"name": "USD Coin", "version": "2", "chainId": 1, "verifyingContract": mainnet.USDC},
        {
            "Permit": [
                {"name": n, "type": t}
                for n, t in (
                    ("owner", "address"),
                    ("spender", "address"),
                    ("value", "uint256"),
                    ("nonce", "uint256"),
                    ("deadline", "uint256"),
                )
            ]
        },
        {"owner": owner.address, "spender": spender, "value": 12345, "nonce": 0, "deadline": FOREVER},
    )
    word = (signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
    permit = TOKEN.function("permit").call_data(owner.address, spender, 12345, FOREVER, signed.v, *word)
    act(twin, spender, mainnet.USDC, permit)
    allowance = TOKEN.function("allowance")
    assert allowance.decode(read(twin, mainnet.USDC, allowance.call_data(owner.address, spender))) == (12345,)
    (again,) = twin.chain.mine([LocalTx(sender=spender, to=mainnet.USDC, data=permit)]).receipts
    assert not is_success(again)


def test_funding_adds_exactly_and_weth_can_be_unwrapped(twin: Twin) -> None:
    address = twin.accounts[5].address
    for token in (mainnet.USDC, mainnet.USDT, mainnet.WETH):
        twin.fund(address, token, 1000)
        twin.fund(address, token, 1)
        assert twin.balance_raw(address, token) == 1001
    act(twin, address, mainnet.WETH, interface("WETH9").function("withdraw").call_data(1001))
    assert twin.balance_raw(address, mainnet.WETH) == 0
    held = int(twin.chain.rpc.call("eth_getBalance", address, "latest"), 16)
    twin.fund_native(address, 77)
    assert int(twin.chain.rpc.call("eth_getBalance", address, "latest"), 16) == held + 77


def test_a_token_that_the_twin_does_not_have_is_refused(twin: Twin) -> None:
    with pytest.raises(ConfigError, match="not a token of the twin"):
        twin.fund(twin.accounts[0].address, mainnet.FACTORY, 1)


@pytest.mark.parametrize("amount_in", [1, 10**6, 250_000 * 10**6])
def test_the_quoter_tells_the_swap_to_the_wei(twin: Twin, trader: str, amount_in: int) -> None:
    quote = QUOTER.function("quoteExactInputSingle")
    data = quote.call_data((mainnet.USDC, mainnet.WETH, amount_in, 500, 0))
    quoted, price_after, _, _ = quote.decode(read(twin, mainnet.QUOTER_V2, data))
    before = twin.balance_raw(trader, mainnet.WETH)
    swap = ROUTER.function("exactInputSingle").call_data((mainnet.USDC, mainnet.WETH, 500, trader, amount_in, 0, 0))
    act(twin, trader, mainnet.SWAP_ROUTER_02, swap)
    assert twin.balance_raw(trader, mainnet.WETH) - before == quoted
    slot0 = interface("UniswapV3Pool").function("slot0")
    assert slot0.decode(read(twin, mainnet.USDC_WETH_500, slot0.call_data()))[0] == price_after


def test_a_position_lives_and_dies(twin: Twin, trader: str) -> None:
    tick = USDC_WETH_500.on_spacing(USDC_WETH_500.tick(4000.0))
    mint = MANAGER.function("mint").call_data(
        (mainnet.USDC, mainnet.WETH, 500, tick - 600, tick + 600, 10**11, 25 * 10**18, 0, 0, trader, FOREVER)
    )
    receipt = act(twin, trader, mainnet.POSITION_MANAGER, mint)
    added = MANAGER.event("IncreaseLiquidity")
    (log,) = [added.decode(log) for log in receipt["logs"] if added.is_in(log)]
    assert log["liquidity"] > 0
    swap = ROUTER.function("exactInputSingle").call_data((mainnet.USDC, mainnet.WETH, 500, trader, 10**9, 0, 0))
    act(twin, trader, mainnet.SWAP_ROUTER_02, swap)
    before = twin.balance_raw(trader, mainnet.USDC)
    decrease = MANAGER.function("decreaseLiquidity").call_data((log["tokenId"], log["liquidity"], 0, 0, FOREVER))
    act(twin, trader, mainnet.POSITION_MANAGER, decrease)
    collect = MANAGER.function("collect").call_data((log["tokenId"], trader, WHOLE, WHOLE))
    act(twin, trader, mainnet.POSITION_MANAGER, collect)
    assert twin.balance_raw(trader, mainnet.USDC) > before + log["amount0"] - 10**9
    act(twin, trader, mainnet.POSITION_MANAGER, MANAGER.function("burn").call_data(log["tokenId"]))


@pytest.mark.usefixtures("trader")
def test_a_pool_has_an_hour_of_history_from_the_start(twin: Twin) -> None:
    observe = interface("UniswapV3Pool").function("observe")
    for pool in ETH_POOLS:
        cumulatives, _ = observe.decode(read(twin, pool.address, observe.call_data([1800, 0])))
        assert (cumulatives[1] - cumulatives[0]) // 1800 == pool.tick(4000.0)


def test_blocks_are_twelve_seconds_apart_and_obey_a_time_that_is_named(twin: Twin) -> None:
    first = twin.chain.mine()
    assert twin.chain.mine().timestamp_s == first.timestamp_s + BLOCK_TIME_S
    named = twin.chain.mine(timestamp_s=first.timestamp_s + 1000, base_fee_wei=123)
    assert (named.timestamp_s, named.base_fee_wei) == (first.timestamp_s + 1000, 123)
    assert twin.chain.mine().timestamp_s == first.timestamp_s + 1000 + BLOCK_TIME_S


def test_ours_come_first_in_a_block_whatever_tip_others_pay(twin: Twin) -> None:
    other, ours = twin.accounts[6].address, twin.accounts[7].address
    twin.chain.set_automine(False)
    waiting = {"from": other, "to": ours, "gas": "0x5208", "maxFeePerGas": hex(10**12), "maxPriorityFeePerGas": hex(10**11)}
    twin.chain.rpc.send("eth_sendTransaction", waiting)
    block = twin.chain.mine([LocalTx(sender=ours, to=other), LocalTx(sender=ours, to=other)])
    assert [receipt["from"] for receipt in block.receipts] == [ours.lower(), ours.lower(), other.lower()]


@pytest.mark.usefixtures("trader")
def test_a_revert_during_set_up_is_a_fault(twin: Twin) -> None:
    with pytest.raises(LocalChainError, match="reverted"):
        twin.initialize(mainnet.USDC_WETH_500, USDC_WETH_500.sqrt_price_x96(4000.0))


def test_a_first_price_is_taken(twin: Twin) -> None:
    twin.initialize(mainnet.WETH_USDT_500, 2**96)
    slot0 = interface("UniswapV3Pool").function("slot0")
    assert slot0.decode(read(twin, mainnet.WETH_USDT_500, slot0.call_data()))[:2] == (2**96, 0)


def test_a_test_leaves_no_trace(twin: Twin) -> None:
    assert twin.chain.automine
    assert twin.balance_raw(twin.accounts[5].address, mainnet.USDC) == 0


def test_old_blocks_and_a_reorg_stay_within_reach(twin: Twin) -> None:
    """What the keeper's own tests need of the node: state by block hash some blocks back, and blocks replaced."""
    rpc = twin.chain.rpc
    address = twin.accounts[5].address
    old = twin.chain.mine()
    for _ in range(20):
        twin.chain.mine()
    # A state written by hand counts as part of the latest block, so the block before it must be an older one.
    twin.fund_native(address, 10**18)
    then = rpc.call("eth_getBalance", address, {"blockHash": old.hash})
    assert int(rpc.call("eth_getBalance", address, "latest"), 16) - int(then, 16) == 10**18
    sent = twin.chain.mine([LocalTx(sender=address, to=BANKER, value_wei=1)])
    twin.chain.mine()
    rpc.call("anvil_reorg", 2, [])
    assert rpc.call("eth_getTransactionReceipt", sent.receipts[0]["transactionHash"]) is None
    assert rpc.call("eth_getBlockByNumber", hex(sent.number), False)["hash"] != sent.hash


def test_the_twin_is_built_within_a_second() -> None:
    best = 60.0
    for _ in range(3):
        begin = time.perf_counter()
        with running_base(AnvilOptions()):
            best = min(best, time.perf_counter() - begin)
        if best < 1.0:
            return
    pytest.fail(f"the best of three took {best:.2f} s")
