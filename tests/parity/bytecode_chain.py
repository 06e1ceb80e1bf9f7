"""Real pools of any tier on the twin, and actors that use them many calls a transaction."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, islice
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from keeper.adapters.evm.abi import Contract, revert_reason
from keeper.adapters.evm.rpc import Call
from keeper.core.v3math.pool_snapshot import PoolSnapshot, PositionInfo, PositionKey
from keeper.core.v3math.tick import TickInfo
from keeper.localchain import mainnet
from keeper.localchain.artifacts import creation_code, interface
from keeper.localchain.chain import LocalTx, MinedBlock, is_success
from keeper.localchain.mainnet import DEPLOYMENTS
from keeper.localchain.transplant import storage_writes, write_storage
from keeper.localchain.twin import Twin
from tests.parity.bytecode_operations import Operation, Outcome, State

POOL = interface("UniswapV3Pool")
FACTORY = interface("UniswapV3Factory")
TOKEN = interface("Token")
DIRECTOR = "0x00000000000000000000000000000000ba9cE702"
"""Sends the actors' transactions."""
ACTORS = 3
PURSE = 1 << 220
"""Of each token, for each actor and for each pool that begins in the middle of its life: far more than 128 bits of debt."""
READS_A_REQUEST = 2_000
BATCH_GAS = 2_000_000_000
"""A swap through every word of a pool of spacing 1 takes 30 million."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A fee and a tick spacing that the factory allows."""

    fee_pips: int
    tick_spacing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Calls of one pool by one actor, all in one transaction."""

    pool: str
    actor: str
    operations: tuple[Operation, ...]


@cache
def _actor() -> tuple[Contract, str]:
    source = Path(__file__).with_name("bytecode_actor.vy")
    command = [sys.executable, "-m", "vyper", "-f", "abi,bytecode", str(source)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return Contract("Actor", json.loads(output[0])), output[1]


class Fleet:
    """Pools of every tier, between tokens of their own.

    The factory's owner enables the tiers and then hands the factory over to the first actor: on the protocol's fees the owner
    alone decides.
    """

    def __init__(self, twin: Twin, tiers: Sequence[Tier], pools_a_tier: int) -> None:
        self.chain = twin.chain
        self.chain.rpc.call("evm_setBlockGasLimit", hex(10**12))
        self.chain.impersonate(DIRECTOR)
        self._nonce = self.chain.nonce(DIRECTOR)
        self.interface, code = _actor()
        self.actors = self._deploy([code] * ACTORS)
        self.pairs = tuple(islice(combinations(sorted(self._tokens(pools_a_tier), key=str.lower), 2), pools_a_tier))
        self.pools: Mapping[Tier, tuple[str, ...]] = dict(zip(tiers, self._create(tiers), strict=True))

    def _send(self, to: str | None, datas: Sequence[str], gas: int = 20_000_000) -> MinedBlock:
        return self.chain.mine_all_succeed([LocalTx(sender=DIRECTOR, to=to, data=data, gas=gas) for data in datas])

    def _deploy(self, codes: Sequence[str]) -> tuple[str, ...]:
        from eth_utils.address import to_checksum_address

        return tuple(to_checksum_address(receipt["contractAddress"]) for receipt in self._send(None, codes).receipts)

    def _tokens(self, pairs: int) -> tuple[str, ...]:
        """As few tokens as make so many pairs; every actor has of them."""
        arguments = encode(["string", "string", "uint8", "string"], ["Token", "T", 18, "1"]).hex()
        count = next(n for n in range(2, pairs + 2) if n * (n - 1) >= 2 * pairs)
        tokens = self._deploy([creation_code("Token") + arguments] * count)
        for token in tokens:
            self._send(token, [TOKEN.function("mint").call_data(actor, PURSE) for actor in self.actors])
        return tokens

    def _create(self, tiers: Sequence[Tier]) -> Iterator[tuple[str, ...]]:
        (owner,) = {each.deployer for each in DEPLOYMENTS if each.artifact == "UniswapV3Factory"}
        self.chain.impersonate(owner)
        enable, create, known = (FACTORY.function(name) for name in ("enableFeeAmount", "createPool", "feeAmountTickSpacing"))
        spacings = self.read([(mainnet.FACTORY, known, (tier.fee_pips,)) for tier in tiers])
        datas = [
            enable.call_data(tier.fee_pips, tier.tick_spacing)
            for tier, (spacing,) in zip(tiers, spacings, strict=True)
            if spacing == 0
        ]
        datas.append(FACTORY.function("setOwner").call_data(self.actors[0]))
        self.chain.mine_all_succeed([LocalTx(sender=owner, to=mainnet.FACTORY, data=data) for data in datas])
        for tier in tiers:
            self._send(mainnet.FACTORY, [create.call_data(*pair, tier.fee_pips) for pair in self.pairs])
            found = self.read([(mainnet.FACTORY, FACTORY.function("getPool"), (*pair, tier.fee_pips)) for pair in self.pairs])
            yield tuple(pool for (pool,) in found)

    def continue_from(self, pool: str, snapshot: PoolSnapshot) -> None:
        """Write a pool's state into the contract, and give it tokens for whatever it may owe."""
        write_storage(self.chain, pool, storage_writes(snapshot, self.chain.timestamp_s()))
        for ((token,),) in zip(self.read([(pool, POOL.function(name), ()) for name in ("token0", "token1")]), strict=True):
            self._send(token, [TOKEN.function("mint").call_data(pool, PURSE)])

    def run(self, batches: Sequence[Batch], timestamp_s: int | None = None) -> list[list[Outcome]]:
        """Mine one block of these batches, in order, at a time or 12 s after the last; what came of every operation."""
        act = self.interface.function("act")
        txs = [
            LocalTx(
                sender=DIRECTOR,
                to=batch.actor,
                data=act.call_data(batch.pool, [operation.encode(batch.actor) for operation in batch.operations]),
                gas=BATCH_GAS,
            )
            for batch in batches
        ]
        block = self.chain.mine(txs, timestamp_s=timestamp_s)
        assert all(map(is_success, block.receipts))
        return [list(self._outcomes(batch, receipt)) for batch, receipt in zip(batches, block.receipts, strict=True)]

    def _outcomes(self, batch: Batch, receipt: Mapping[str, Any]) -> Iterator[Outcome]:
        told = self.interface.event("Outcome")
        operations = iter(batch.operations)
        events: list[Mapping[str, Any]] = []
        for log in receipt["logs"]:
            if log["address"].lower() == batch.pool.lower():
                events.append(log)
            elif told.is_in(log):
                yield _outcome(next(operations), told.decode(log), events)
                events = []
        assert next(operations, None) is None

    def read(self, asked: Sequence[tuple[str, Any, tuple[object, ...]]]) -> list[tuple[Any, ...]]:
        """Results of (contract, function, arguments)."""
        calls: list[Call] = [
            ("eth_call", [{"to": to, "input": function.call_data(*arguments)}, "latest"]) for to, function, arguments in asked
        ]
        replies = [
            reply
            for start in range(0, len(calls), READS_A_REQUEST)
            for reply in self.chain.rpc.batch(calls[start : start + READS_A_REQUEST])
        ]
        return [function.decode(reply) for (_, function, _), reply in zip(asked, replies, strict=True)]

    def balances(self, pool: str) -> tuple[int, int]:
        """What a pool holds of both tokens."""
        tokens = self.read([(pool, POOL.function(name), ()) for name in ("token0", "token1")])
        (raw0,), (raw1,) = self.read([(token, TOKEN.function("balanceOf"), (pool,)) for (token,) in tokens])
        return raw0, raw1


def _outcome(operation: Operation, told: Mapping[str, Any], logs: Sequence[Mapping[str, Any]]) -> Outcome:
    state = State(**{name: told[name] for name in State._fields})
    if not told["done"]:
        assert not logs
        reason = revert_reason(told["answer"])
        return Outcome(refusal="" if reason == "no reason" else reason, amounts=(), event={}, flow=(0, 0), state=state)
    amounts = POOL.function(operation.function).decode(told["answer"])
    (log,) = logs
    event = {name: value for name, value in POOL.event(operation.event).decode(log).items() if isinstance(value, int)}
    return Outcome(refusal=None, amounts=amounts, event=event, flow=operation.flow(amounts), state=state)


def read_ticks(fleet: Fleet, pool: str, ticks: Sequence[int]) -> dict[int, TickInfo]:
    """The ticks among these that the contract calls initialised."""
    found = fleet.read([(pool, POOL.function("ticks"), (tick,)) for tick in ticks])
    return {
        tick: TickInfo(
            liquidity_gross=gross, liquidity_net=net, fee_growth_outside0_x128=outside0, fee_growth_outside1_x128=outside1
        )
        for tick, (gross, net, outside0, outside1, _, _, _, initialized) in zip(ticks, found, strict=True)
        if initialized
    }


def read_words(fleet: Fleet, pool: str, places: Sequence[int]) -> dict[int, int]:
    """The words of the bitmap among these that are not empty."""
    found = fleet.read([(pool, POOL.function("tickBitmap"), (place,)) for place in places])
    return {place: bits for place, (bits,) in zip(places, found, strict=True) if bits}


def read_positions(fleet: Fleet, pool: str, keys: Sequence[PositionKey]) -> dict[PositionKey, PositionInfo]:
    from eth_abi.packed import encode_packed
    from eth_utils.crypto import keccak

    ids = [keccak(encode_packed(["address", "int24", "int24"], list(key))) for key in keys]
    found = fleet.read([(pool, POOL.function("positions"), (each,)) for each in ids])
    return {
        key: PositionInfo(
            liquidity=liquidity,
            fee_growth_inside0_last_x128=inside0,
            fee_growth_inside1_last_x128=inside1,
            tokens_owed0=owed0,
            tokens_owed1=owed1,
        )
        for key, (liquidity, inside0, inside1, owed0, owed1) in zip(keys, found, strict=True)
    }
