"""Everything a cycle may know of a v3-style venue, at one block, in two HTTP requests.

The first request asks for the newest block; the second reads everything at its hash. Further requests, at the same hash, are
made only in a cycle that meets something new: the first of a process (where the price stands), a position seen for the first
time (where it lies), a price that ran from its map. What surrounds the pool and what others write to the chain comes with them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from keeper.adapters.amm.pool_reads import PoolReads
from keeper.adapters.amm.position_reads import SPARE_INDICES, Place, PositionReads
from keeper.adapters.amm.price_reads import PriceReads, Wanted
from keeper.adapters.amm.surroundings import Due, Surroundings
from keeper.adapters.amm.tick_map import MARGIN_TICKS, REACH_TICKS, ticks_of_word, trimmed, word_read, words_around
from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.block_reads import FeedReads, ReserveReads
from keeper.adapters.evm.fee_history import fee_history_call, gas_of
from keeper.adapters.evm.l1_data import data_wei, prices_read
from keeper.adapters.evm.multicall import Answers, ContractRead, PinnedReader, read_of, values
from keeper.adapters.evm.rpc import AnotherBlock, Call, Rpc
from keeper.core.model.errors import Fault, Transient
from keeper.core.model.ladder import Position
from keeper.core.model.pool import BlockRef, PoolKey, PoolView
from keeper.core.model.record import Observation
from keeper.core.model.token import Token, TokenAmount
from keeper.core.model.view import Gas, Wallet
from keeper.ports.prices import QuoteSource

_TIMESTAMP = contract("Multicall3").function("getCurrentBlockTimestamp")
_BALANCE_OF = contract("ERC20").function("balanceOf")


LOOKS = 3
"""How often one observation is begun anew when the node answers from another block than the one that was named."""


class StaleHead(Transient):
    """The node's newest block is older than one that was seen before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAddresses:
    """Where the venue's contracts stand; EIP-55 addresses."""

    factory: str
    position_manager: str
    multicall: str
    tick_lens: str


class UniswapV3Source:
    """The market and the wallet, read from one node; not thread-safe.

    Args:
        rpc: the node.
        addresses: the venue's contracts.
        wallet: EIP-55 address of the account.
        pools: every configured pool.
        chain_id: the chain that the node must be on.
        signal_pool: address of the pool whose swaps are the price history.
        twap_window_s: seconds behind the time-weighted price, > 0.
        lookback_s: seconds of price history that the first call reads.
        universe: pools that a sample looks at beside the signal pool.
        reserves: the lending market that a sample looks at.
        feeds: prices on the chain, read in every cycle.
        off_chain: asked once an observation, after the chain.
        gas_info: Arbitrum's ArbGasInfo, which prices the data of transactions; None on a chain of its own.
    """

    def __init__(
        self,
        rpc: Rpc,
        addresses: VenueAddresses,
        *,
        wallet: str,
        pools: Sequence[PoolKey],
        chain_id: int,
        signal_pool: str,
        twap_window_s: int,
        lookback_s: int,
        universe: Sequence[PoolKey] = (),
        reserves: ReserveReads | None = None,
        feeds: FeedReads | None = None,
        off_chain: QuoteSource | None = None,
        gas_info: str | None = None,
    ) -> None:
        self._rpc = rpc
        self._addresses = addresses
        self._wallet = wallet
        self._chain_id = chain_id
        self._signal_pool = signal_pool
        self._pools = tuple(PoolReads(key, twap_window_s) for key in pools)
        self._positions = PositionReads(addresses.position_manager, wallet, pools)
        self._prices = PriceReads(rpc, signal_pool, lookback_s)
        (signal,) = (key for key in pools if key.address == signal_pool)
        self._surroundings = Surroundings(signal, universe, reserves)
        self._feeds = feeds
        self._off_chain = off_chain
        self._data_prices = None if gas_info is None else prices_read(gas_info)
        self._timestamp = read_of(addresses.multicall, _TIMESTAMP)
        tokens = dict.fromkeys(token for key in pools for token in (key.token0, key.token1))
        self._balances: dict[Token, ContractRead] = {
            token: read_of(token.address, _BALANCE_OF, wallet, gas=40_000) for token in tokens
        }
        self._last_head = 0
        self._last_ticks: dict[str, int] = {}
        self._places: dict[int, Place | None] = {}

    def observe(self, *, token_ids: Sequence[int], prices_after_block: int | None, sample_after_s: int | None) -> Observation:
        """As the port says; steady cycles take two HTTP requests to the node.

        Raises:
            Transient: unreachable, inconsistent or malformed answers; ``Reorged`` when the block went away meanwhile.
            Fault: the chain is not the configured one.
        """
        seen = self._looked(token_ids, prices_after_block, sample_after_s)
        if self._off_chain is None:
            return seen
        return replace(seen, quotes=seen.quotes + self._off_chain.quotes(seen.block.timestamp_s))

    def _looked(self, token_ids: Sequence[int], prices_after_block: int | None, sample_after_s: int | None) -> Observation:
        wanted = self._prices.wanted(prices_after_block)
        for _ in range(LOOKS - 1):
            with contextlib.suppress(AnotherBlock):
                return self._look(token_ids, wanted, prices_after_block, sample_after_s)
        return self._look(token_ids, wanted, prices_after_block, sample_after_s)

    def _look(
        self, token_ids: Sequence[int], wanted: Wanted, prices_after_block: int | None, sample_after_s: int | None
    ) -> Observation:
        head = self._head(prices_after_block)
        reader = PinnedReader(self._rpc, self._addresses.multicall, head.hash)
        due = self._surroundings.due(head, sample_after_s)
        calls = self._account_calls(head)
        account = len(calls)
        calls += [] if due is None else self._surroundings.calls(due, head)
        sampled = len(calls)
        calls += self._prices.calls(wanted, head)
        outcomes = reader.ask(self._wanted(reader.answers, token_ids, due), calls)
        while missing := reader.missing(self._wanted(reader.answers, token_ids, due)):
            reader.ask(missing)
        answers = reader.answers
        self._must_be_at(head, answers)
        pools = tuple(self._pool(pool, answers) for pool in self._pools)
        places = self._owned_places(answers)
        state = next(pool.state for pool in pools if pool.state.key.address == self._signal_pool)
        prices, prices_since_s = self._prices.prices(outcomes[sampled:], wanted, head, state)
        observation = Observation(
            chain_id=self._chain_id,
            block=head,
            pools=pools,
            wallet=self._wallet_of(outcomes[0], outcomes[1], answers),
            gas=self._gas(outcomes[2], answers),
            positions=self._held(answers, places, pools),
            prices=prices,
            prices_since_s=prices_since_s,
            sample=None if due is None else self._surroundings.sample(answers, outcomes[account:sampled], due, head, state),
            quotes=() if self._feeds is None else self._feeds.quotes(answers, head),
        )
        self._remember(observation, places)
        return observation

    def _head(self, prices_after_block: int | None) -> BlockRef:
        chain_id, block = self._rpc.batch_outcomes([("eth_chainId", []), ("eth_getBlockByNumber", ["latest", False])])
        found = checked.quantity(checked.answered(chain_id, "eth_chainId"), "eth_chainId")
        if found != self._chain_id:
            raise Fault(f"{self._rpc.name} is on chain {found}, configured is {self._chain_id}")
        head = checked.block(checked.answered(block, "newest block"), "newest block")
        seen = max(self._last_head, prices_after_block or 0)
        if head.number < seen:
            raise StaleHead(f"{self._rpc.name} is at block {head.number}, block {seen} was seen before")
        return head

    def _account_calls(self, head: BlockRef) -> list[Call]:
        pin = {"blockHash": head.hash, "requireCanonical": True}
        return [
            ("eth_getBalance", [self._wallet, pin]),
            ("eth_getTransactionCount", [self._wallet, pin]),
            fee_history_call(head.number),
        ]

    def _wanted(self, answers: Answers, token_ids: Sequence[int], due: Due | None) -> list[ContractRead]:
        """Every read that the cycle needs, as far as the answers so far let it be known."""
        wanted = [self._timestamp, *self._balances.values()]
        for pool in self._pools:
            wanted += pool.reads
            wanted += self._word_reads(pool, answers).values()
        if self._data_prices is not None:
            wanted.append(self._data_prices)
        if due is not None:
            wanted += self._surroundings.reads(answers)
        if self._feeds is not None:
            wanted += self._feeds.reads(answers)
        return wanted + self._position_reads(answers, token_ids)

    def _word_reads(self, pool: PoolReads, answers: Answers) -> dict[int, ContractRead]:
        tick, reach = self._last_ticks.get(pool.key.address), REACH_TICKS + MARGIN_TICKS
        if pool.reads[0] in answers:
            tick, reach = pool.state(answers).tick, REACH_TICKS
        words = () if tick is None else words_around(tick, reach, pool.key.tick_spacing)
        return {word: word_read(self._addresses.tick_lens, pool.key, word) for word in words}

    def _position_reads(self, answers: Answers, token_ids: Sequence[int]) -> list[ContractRead]:
        reads = self._positions
        if reads.count_read in answers:
            owned, count = reads.owned(answers)
            wanted = [reads.count_read, *reads.index_reads(count)]
        else:
            owned = list(dict.fromkeys((*self._places, *token_ids)))
            wanted = [reads.count_read, *reads.index_reads(len(owned) + SPARE_INDICES)]
        for token_id in owned:
            if token_id in self._places:
                place = self._places[token_id]
            elif reads.id_read(token_id) in answers:
                place = reads.place(answers, token_id)
            else:
                wanted.append(reads.id_read(token_id))
                continue
            if place is not None:
                wanted += (reads.id_read(token_id), place.lower, place.upper)
        return wanted

    def _owned_places(self, answers: Answers) -> dict[int, Place | None]:
        owned, _ = self._positions.owned(answers)
        return {
            token_id: self._places[token_id] if token_id in self._places else self._positions.place(answers, token_id)
            for token_id in sorted(owned)
        }

    def _must_be_at(self, head: BlockRef, answers: Answers) -> None:
        # A node that does not know EIP-1898 may answer from whatever block it likes.
        (timestamp_s,) = values(answers, self._timestamp)
        if timestamp_s != head.timestamp_s:
            raise AnotherBlock(f"{self._rpc.name} answered at time {timestamp_s} for block {head.number} of {head.timestamp_s}")

    def _pool(self, pool: PoolReads, answers: Answers) -> PoolView:
        state = pool.state(answers)
        words = [ticks_of_word(answers, read, pool.key, word) for word, read in self._word_reads(pool, answers).items()]
        ticks, lower, upper = trimmed(words, state.tick)
        return PoolView(
            state=state,
            ticks=ticks,
            map_lower=lower,
            map_upper=upper,
            twap_tick=pool.twap_tick(answers),
            twap_window_s=pool.twap_window_s,
        )

    def _held(self, answers: Answers, places: dict[int, Place | None], pools: Sequence[PoolView]) -> tuple[Position, ...]:
        states = {pool.state.key.address: pool.state for pool in pools}
        found = (
            self._positions.position(answers, token_id, place, states[place.key.address])
            for token_id, place in places.items()
            if place is not None
        )
        return tuple(position for position in found if position is not None)

    def _wallet_of(self, native: object, nonce: object, answers: Answers) -> Wallet:
        return Wallet(
            address=self._wallet,
            native_wei=checked.quantity(checked.pinned(native, "eth_getBalance"), "eth_getBalance"),
            balances=tuple(TokenAmount(token=token, raw=values(answers, read)[0]) for token, read in self._balances.items()),
            nonce=checked.quantity(checked.pinned(nonce, "eth_getTransactionCount"), "eth_getTransactionCount"),
        )

    def _gas(self, fees: object, answers: Answers) -> Gas:
        gas = gas_of(fees)
        return gas if self._data_prices is None else replace(gas, data_wei=data_wei(answers, self._data_prices))

    def _remember(self, observation: Observation, places: dict[int, Place | None]) -> None:
        self._last_head = observation.block.number
        self._last_ticks = {pool.state.key.address: pool.state.tick for pool in observation.pools}
        self._places = places
        if observation.sample is not None:
            self._surroundings.remember(observation.sample)
        self._positions.forget_all_but(places)
