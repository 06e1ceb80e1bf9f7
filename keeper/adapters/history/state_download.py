"""A whole pool from a node, every number of one block. Ref: ``UniswapV3Pool.sol``, ``TickBitmap.sol``."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.blocks import first_block_since, header_call, headers
from keeper.adapters.evm.checked import ReadRefused
from keeper.adapters.evm.multicall import ContractRead, PinnedReader, read_of, values
from keeper.adapters.evm.rpc import BadReply, Rpc, RpcRefused
from keeper.adapters.history.states import WholePool
from keeper.core.model.errors import Reorged
from keeper.core.model.pool import BlockRef
from keeper.core.v3math.oracle import Observation, OracleSnapshot
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.tick import TickInfo
from keeper.core.v3math.units import MAX_TICK, MIN_TICK

_POOL = contract("UniswapV3Pool")
_NUMBERS = (
    "fee",
    "tickSpacing",
    "slot0",
    "liquidity",
    "feeGrowthGlobal0X128",
    "feeGrowthGlobal1X128",
    "protocolFees",
)
_WORD = _POOL.function("tickBitmap")
_TICK = _POOL.function("ticks")
_OBSERVATION = _POOL.function("observations")
_WORD_TICKS = 256
_TICK_GAS = 15_000
"""Four cold slots, and the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedState:
    """A whole pool, and what a person should know of how it came."""

    state: WholePool
    notes: tuple[str, ...]


def fetch_state(rpc: Rpc, multicall: str, pool: str, *, since_s: int, confirmations: int) -> FetchedState:
    """The pool as events from ``since_s`` on find it; where the node keeps no state so old, that of its newest final block.

    Args:
        rpc: the node.
        multicall: address of Multicall3.
        pool: address.
        since_s: Unix time.
        confirmations: depth at which a block counts as final where the node knows no ``finalized``.

    Raises:
        Transient: the node failed, the block was replaced meanwhile, or what it says contradicts itself.
    """
    final = _final(rpc, confirmations)
    first = first_block_since(rpc, since_s, final)
    wanted = final if first is None or first.number == 0 else headers(rpc, [first.number - 1])[first.number - 1]
    notes = list[str]()
    if wanted.number != final.number:
        try:
            return FetchedState(state=whole_pool(rpc, multicall, pool, wanted), notes=())
        except (ReadRefused, Reorged) as error:
            notes.append(
                f"the node tells no state of block {wanted.number} ({error}): that of block {final.number} is stored instead,"
                " and tapes can begin no earlier; a node that keeps old states (an archive) has it"
            )
    return FetchedState(state=whole_pool(rpc, multicall, pool, final), notes=tuple(notes))


def _final(rpc: Rpc, confirmations: int) -> BlockRef:
    newest, final = rpc.batch_outcomes([header_call("latest"), header_call("finalized")])
    head = checked.block(checked.answered(newest, "newest block"), "newest block")
    if isinstance(final, RpcRefused) or final is None:
        number = max(head.number - confirmations, 0)
        return headers(rpc, [number])[number]
    return checked.block(final, "finalised block")


def whole_pool(rpc: Rpc, multicall: str, pool: str, block: BlockRef) -> WholePool:
    """The whole pool at that block, by its hash.

    Raises:
        Transient: the node failed, the block was replaced meanwhile, or what it says contradicts itself.
    """
    reader = PinnedReader(rpc, multicall, block.hash)
    reads = {name: read_of(pool, _POOL.function(name)) for name in _NUMBERS}
    reader.ask(reads.values())
    found = {name: values(reader.answers, read) for name, read in reads.items()}
    (spacing,) = found["tickSpacing"]
    if not 0 < spacing < 16_384:
        raise BadReply(f"pool {pool} has a tick spacing of {spacing}")
    sqrt_price_x96, tick, index, cardinality, places, fee_protocol, _ = found["slot0"]
    if not sqrt_price_x96:
        raise BadReply(f"pool {pool} has no price at block {block.number}")
    protocol_fees0, protocol_fees1 = found["protocolFees"]
    try:
        snapshot = PoolSnapshot(
            fee_pips=found["fee"][0],
            tick_spacing=spacing,
            sqrt_price_x96=sqrt_price_x96,
            tick=tick,
            liquidity=found["liquidity"][0],
            fee_growth_global0_x128=found["feeGrowthGlobal0X128"][0],
            fee_growth_global1_x128=found["feeGrowthGlobal1X128"][0],
            fee_protocol=fee_protocol,
            protocol_fees0=protocol_fees0,
            protocol_fees1=protocol_fees1,
            ticks=_ticks(reader, pool, spacing),
            observations=OracleSnapshot(index=index, cardinality=cardinality, observations=_observations(reader, pool, places)),
        )
    except ValueError as error:
        raise BadReply(f"what pool {pool} tells of block {block.number} contradicts itself: {error}") from None
    return WholePool(
        block=block.number,
        timestamp_s=block.timestamp_s,
        block_hash=block.hash,
        source=f"eth_call of {rpc.name}",
        pool=snapshot,
    )


def _observations(reader: PinnedReader, pool: str, places: int) -> tuple[Observation, ...]:
    """Every place of the ring."""
    reads = [read_of(pool, _OBSERVATION, place) for place in range(places)]
    reader.ask(reads)
    return tuple(Observation(*values(reader.answers, read)) for read in reads)


def _ticks(reader: PinnedReader, pool: str, spacing: int) -> dict[int, TickInfo]:
    """Every initialised tick: the whole bitmap first, then the ticks that it names."""
    words = {
        word: read_of(pool, _WORD, word)
        for word in range(MIN_TICK // spacing // _WORD_TICKS, MAX_TICK // spacing // _WORD_TICKS + 1)
    }
    reader.ask(words.values())
    reads: dict[int, ContractRead] = {}
    for word, read in words.items():
        (bits,) = values(reader.answers, read)
        for bit in range(_WORD_TICKS):
            if bits >> bit & 1:
                tick = (word * _WORD_TICKS + bit) * spacing
                reads[tick] = read_of(pool, _TICK, tick, gas=_TICK_GAS)
    reader.ask(reads.values())
    ticks: dict[int, TickInfo] = {}
    for tick, read in reads.items():
        gross, net, outside0_x128, outside1_x128, *_, initialized = values(reader.answers, read)
        if not initialized or gross < abs(net):
            raise BadReply(f"tick {tick} of pool {pool} is in the bitmap and has no liquidity")
        ticks[tick] = TickInfo(
            liquidity_gross=gross,
            liquidity_net=net,
            fee_growth_outside0_x128=outside0_x128,
            fee_growth_outside1_x128=outside1_x128,
        )
    return ticks
