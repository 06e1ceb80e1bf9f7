"""Proof before the start that the chain is what the configuration says: one result a fact, each with its remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import contract, revert_reason
from keeper.adapters.evm.rpc import BadReply, Call, Rpc, RpcRefused
from keeper.core.model.errors import KeeperError
from keeper.core.model.pool import PoolKey
from keeper.core.model.token import Token

LOOKS = 3
"""How often a pool's history is read anew when the node answers from a later block than the one that was named."""
MAX_SKEW_S = 60
"""Five blocks of mainnet: past that our clock is wrong, or the node stands still."""

_FACTORY = contract("UniswapV3Factory")
_POOL = contract("UniswapV3Pool")
_ERC20 = contract("ERC20")
_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_NOBODY = "0x" + "0" * 40


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One fact that was checked."""

    name: str
    ok: bool
    found: str
    remedy: str
    """What to do; empty when ok."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitDomain:
    """What a token's permits are signed for (EIP-2612)."""

    token: Token
    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the configuration says about the chain."""

    chain_id: int
    contracts: tuple[tuple[str, str], ...]
    """Name and address of every contract that is called, pools and tokens excepted."""
    factory: str
    position_manager: str
    pools: tuple[PoolKey, ...]
    spenders: tuple[tuple[str, str], ...]
    """Name and address of those that must have no allowance."""
    permits: tuple[PermitDomain, ...]
    twap_window_s: int
    native_reserve_wei: int
    symbols: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Address -> what the token may call itself, where that is not its symbol here."""

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Every token of the pools, once."""
        return tuple(dict.fromkeys(token for key in self.pools for token in (key.token0, key.token1)))


def preflight(rpc: Rpc, expected: Expectation, *, wallet: str | None, now_s: int | None) -> tuple[CheckResult, ...]:
    """Every check, in the order in which a person would mend them; after a dead node or a wrong chain nothing else is asked.

    Args:
        rpc: the node.
        expected: what the configuration says.
        wallet: the account; None leaves its checks out.
        now_s: our clock, unix seconds; None, as on a simulated chain, leaves its check out.
    """
    checks: list[Callable[[], list[CheckResult]]] = [
        lambda: check_code(rpc, expected),
        lambda: check_pools(rpc, expected),
        lambda: check_tokens(rpc, expected),
        lambda: check_history(rpc, expected),
    ]
    if wallet is not None:
        checks.append(lambda: check_wallet(rpc, expected, wallet))
    if now_s is not None:
        checks.append(lambda: [check_clock(rpc, now_s)])
    results: list[CheckResult] = []
    try:
        results.append(check_chain_id(rpc, expected.chain_id))
        for check in checks if results[0].ok else ():
            results += check()
    except KeeperError as error:
        remedy = "start the node, correct its address, or use another one"
        results.append(CheckResult(name="rpc", ok=False, found=str(error), remedy=remedy))
    return tuple(results)


def identity(rpc: Rpc, expected: Expectation) -> tuple[CheckResult, ...]:
    """The checks without which no answer of the node means anything: chain, contracts, pools, tokens.

    Raises:
        Transient: the node did not answer.
    """
    chain = check_chain_id(rpc, expected.chain_id)
    if not chain.ok:
        return (chain,)
    return (chain, *check_code(rpc, expected), *check_pools(rpc, expected), *check_tokens(rpc, expected))


def _result(name: str, *, ok: bool, found: object, remedy: str) -> CheckResult:
    return CheckResult(name=name, ok=ok, found=str(found), remedy="" if ok else remedy)


def _views(
    rpc: Rpc, views: Sequence[tuple[str, Any, tuple[Any, ...]]], at: str | dict[str, str] = "latest"
) -> list[tuple[Any, ...] | str]:
    """Results of view functions (target, function, arguments) at one block; a text where there is none."""
    calls: list[Call] = [("eth_call", [{"to": to, "data": function.call_data(*given)}, at]) for to, function, given in views]
    found: list[tuple[Any, ...] | str] = []
    for (_, function, _), outcome in zip(views, rpc.batch_outcomes(calls), strict=True):
        if isinstance(outcome, RpcRefused):
            found.append(f"reverted: {revert_reason(outcome.data)}")
            continue
        try:
            found.append(function.decode(outcome))
        except BadReply:
            found.append("no such function")
    return found


def check_chain_id(rpc: Rpc, chain_id: int) -> CheckResult:
    """The node is on the configured chain.

    Raises:
        Transient, RpcRefused: the node does not tell.
    """
    found = checked.quantity(rpc.call("eth_chainId"), "eth_chainId")
    remedy = f"the node is on chain {found}: use a node of chain {chain_id}, or the configuration of chain {found}"
    return _result("chain id", ok=found == chain_id, found=found, remedy=remedy)


def check_code(rpc: Rpc, expected: Expectation) -> list[CheckResult]:
    """Something stands at every address."""
    named = [*expected.contracts, *((f"pool {_label(key)}", key.address) for key in expected.pools)]
    named += [(f"token {token.symbol}", token.address) for token in expected.tokens]
    codes = rpc.batch_outcomes([("eth_getCode", [address, "latest"]) for _, address in named])
    results = []
    for (name, address), outcome in zip(named, codes, strict=True):
        size = len(checked.data(checked.answered(outcome, f"code of {name}"), f"code of {name}"))
        remedy = f"nothing stands at {address} on chain {expected.chain_id}: correct the address of {name}"
        results.append(_result(f"code of {name}", ok=size > 0, found=f"{size} bytes", remedy=remedy))
    return results


def _label(key: PoolKey) -> str:
    return f"{key.token0.symbol}/{key.token1.symbol} {key.fee_pips / 10_000:g}%"


def check_pools(rpc: Rpc, expected: Expectation) -> list[CheckResult]:
    """Every pool is the factory's own for its tokens and fee, has the spacing that is configured, a price, and liquidity."""
    results: list[CheckResult] = []
    for key in expected.pools:
        pair = (key.token0.address, key.token1.address)
        owned, token0, token1, spacing, slot0, liquidity = _views(
            rpc,
            [
                (expected.factory, _FACTORY.function("getPool"), (*pair, key.fee_pips)),
                (key.address, _POOL.function("token0"), ()),
                (key.address, _POOL.function("token1"), ()),
                (key.address, _POOL.function("tickSpacing"), ()),
                (key.address, _POOL.function("slot0"), ()),
                (key.address, _POOL.function("liquidity"), ()),
            ],
        )
        results += _pool_results(key, owned=owned, tokens=(token0, token1), spacing=spacing, slot0=slot0, liquidity=liquidity)
    return results


def _pool_results(
    key: PoolKey, *, owned: object, tokens: tuple[object, object], spacing: object, slot0: object, liquidity: object
) -> Iterator[CheckResult]:
    name = f"pool {_label(key)}"
    real = _only(owned)
    remedy = f"the factory's pool is {real}: correct the pool's address"
    if real == _NOBODY:
        remedy = f"the factory has no pool of {key.token0.symbol}, {key.token1.symbol} and fee {key.fee_pips}: correct these"
    yield _result(f"{name}: the factory's", ok=real == key.address, found=real, remedy=remedy)
    order = (_only(tokens[0]), _only(tokens[1]))
    remedy = f"the pool's token0 is {order[0]} and token1 is {order[1]}: configure them in this order"
    ok = order == (key.token0.address, key.token1.address)
    yield _result(f"{name}: token order", ok=ok, found=f"{order[0]}, {order[1]}", remedy=remedy)
    remedy = f"set the pool's tick spacing to {_only(spacing)}"
    yield _result(f"{name}: tick spacing", ok=_only(spacing) == key.tick_spacing, found=_only(spacing), remedy=remedy)
    tick = slot0[1] if isinstance(slot0, tuple) and slot0[0] else None
    remedy = "the pool has no price yet: it must be initialised before liquidity can be placed"
    yield _result(f"{name}: price", ok=tick is not None, found="none" if tick is None else f"tick {tick}", remedy=remedy)
    depth = _only(liquidity)
    remedy = "nobody provides liquidity at the price: its price can be moved for nothing; use another pool"
    yield _result(f"{name}: liquidity", ok=isinstance(depth, int) and depth > 0, found=depth, remedy=remedy)


def _only(found: object) -> object:
    return found[0] if isinstance(found, tuple) else found


def check_tokens(rpc: Rpc, expected: Expectation) -> list[CheckResult]:
    """Decimals and symbol as configured, and the domain of permits where they are used."""
    results: list[CheckResult] = []
    for token in expected.tokens:
        decimals, symbol = _views(
            rpc, [(token.address, _ERC20.function("decimals"), ()), (token.address, _ERC20.function("symbol"), ())]
        )
        name = f"token {token.symbol}"
        remedy = f"set the decimals of {token.symbol} to what the token says, or correct its address"
        results.append(_result(f"{name}: decimals", ok=_only(decimals) == token.decimals, found=_only(decimals), remedy=remedy))
        remedy = f"{token.address} calls itself {_only(symbol)}: correct the token's address or symbol"
        known = expected.symbols.get(token.address) or (token.symbol,)
        results.append(_result(f"{name}: symbol", ok=_only(symbol) in known, found=_only(symbol), remedy=remedy))
    return results + [_permit_result(rpc, expected.chain_id, permit) for permit in expected.permits]


def domain_separator(permit: PermitDomain, chain_id: int) -> bytes:
    """The domain that permits of this token are signed for. Ref: EIP-712; EIP-2612."""
    parts = [keccak(text=_DOMAIN), keccak(text=permit.name), keccak(text=permit.version), chain_id, permit.token.address]
    return keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], parts))


def _permit_result(rpc: Rpc, chain_id: int, permit: PermitDomain) -> CheckResult:
    found = _only(_views(rpc, [(permit.token.address, _ERC20.function("DOMAIN_SEPARATOR"), ())])[0])
    remedy = f"correct the permit's name and version of {permit.token.symbol}, or leave permits out for it"
    text = "0x" + found.hex() if isinstance(found, bytes) else found
    ok = found == domain_separator(permit, chain_id)
    return _result(f"token {permit.token.symbol}: permit domain", ok=ok, found=text, remedy=remedy)


def check_wallet(rpc: Rpc, expected: Expectation, wallet: str) -> list[CheckResult]:
    """Native currency for gas, something to place or placed already, and no allowance left standing."""
    outcome = rpc.batch_outcomes([("eth_getBalance", [wallet, "latest"])])[0]
    native = checked.quantity(checked.answered(outcome, "balance"), "balance")
    remedy = f"send native currency to {wallet}: the reserve for gas is {expected.native_reserve_wei} wei"
    enough = native >= expected.native_reserve_wei
    results = [_result("wallet: native currency", ok=enough, found=f"{native} wei", remedy=remedy)]
    count = contract("NonfungiblePositionManager").function("balanceOf")
    balances = [(token.address, _ERC20.function("balanceOf"), (wallet,)) for token in expected.tokens]
    positions, *held = (_only(one) for one in _views(rpc, [(expected.position_manager, count, (wallet,)), *balances]))
    found = ", ".join(f"{raw} {token.symbol} raw" for token, raw in zip(expected.tokens, held, strict=True))
    remedy = f"send tokens of the pair to {wallet}"
    funded = native > expected.native_reserve_wei or any(isinstance(one, int) and one > 0 for one in (positions, *held))
    results.append(_result("wallet: funds", ok=funded, found=f"{found}, {positions} positions", remedy=remedy))
    for token in expected.tokens:
        views = [(token.address, _ERC20.function("allowance"), (wallet, spender)) for _, spender in expected.spenders]
        for (name, spender), answer in zip(expected.spenders, _views(rpc, views), strict=True):
            remedy = f"set the allowance of {spender} for {token.symbol} to 0: none may stand between plans"
            label = f"allowance: {token.symbol} to {name}"
            results.append(_result(label, ok=_only(answer) == 0, found=_only(answer), remedy=remedy))
    return results


def check_history(rpc: Rpc, expected: Expectation) -> list[CheckResult]:
    """Every pool remembers prices for at least the window of the time-weighted price.

    What counts is the oldest observation that the pool still holds. Ref: ``Oracle.sol`` getSurroundingObservations.
    """
    return [_history_result(key, _oldest(rpc, key), expected.twap_window_s) for key in expected.pools]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    """What a pool remembers of its prices."""

    age_s: int
    """Of the oldest observation."""
    cardinality: int
    cardinality_next: int


def _oldest(rpc: Rpc, key: PoolKey) -> _Memory | None:
    """The memory of a pool, all of it as of one block; None when it has no price.

    Raises:
        BadReply: the node goes on answering from another block than the one that is named.
    """
    for _ in range(LOOKS):
        newest = checked.block(rpc.call("eth_getBlockByNumber", "latest", False), "newest block")
        pin = {"blockHash": newest.hash}
        (slot0,) = _views(rpc, [(key.address, _POOL.function("slot0"), ())], pin)
        if not isinstance(slot0, tuple) or not slot0[3]:
            return None
        index, cardinality, cardinality_next = slot0[2:5]
        observe = _POOL.function("observations")
        after, first = _views(rpc, [(key.address, observe, (place,)) for place in ((index + 1) % cardinality, 0)], pin)
        oldest = after if isinstance(after, tuple) and after[3] else first
        age_s = newest.timestamp_s - oldest[0] if isinstance(oldest, tuple) else 0
        # Some nodes answer from a later block while blocks arrive: the slot after the newest is then the one just written.
        if age_s >= 0:
            return _Memory(age_s=age_s, cardinality=cardinality, cardinality_next=cardinality_next)
    raise BadReply(f"{rpc.name} answers from later blocks than the one that is named")


def _history_result(key: PoolKey, memory: _Memory | None, window_s: int) -> CheckResult:
    name = f"pool {_label(key)}: history"
    if memory is None:
        return _result(name, ok=False, found="none", remedy="initialise the pool")
    told = f"{memory.age_s} s of the {window_s} s window, {memory.cardinality} observations"
    remedy = _history_remedy(key, window_s, memory.cardinality_next)
    return _result(name, ok=memory.age_s >= window_s, found=told, remedy=remedy)


def _history_remedy(key: PoolKey, window_s: int, cardinality_next: int) -> str:
    # One observation a block at most: a slot for each 12 seconds of the window is enough on any chain of slower blocks.
    wanted = -(-window_s // 12) + 1
    if cardinality_next >= wanted:
        return f"wait until the pool's {cardinality_next} observations span {window_s} s, or shorten the window"
    return f"call increaseObservationCardinalityNext({wanted}) on {key.address} and wait {window_s} s, or shorten the window"


def check_clock(rpc: Rpc, now_s: int) -> CheckResult:
    """Our clock and the newest block agree."""
    newest = checked.block(rpc.call("eth_getBlockByNumber", "latest", False), "newest block")
    skew_s = now_s - newest.timestamp_s
    remedy = "set the clock (NTP), or use a node that is in step with its chain"
    return _result("clock", ok=abs(skew_s) <= MAX_SKEW_S, found=f"newest block is {skew_s} s old", remedy=remedy)
