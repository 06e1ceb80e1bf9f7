"""What is asked of Panoptic's contracts and of the pool below them, and what their answers say.

Amounts of both tokens come packed in one word: token 0 in its low half, token 1 in its high one, each of them signed where the
word is. Ref: ``LeftRight.sol``, ``PositionBalance.sol``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, Reverted, answers_of, encode_aggregate3, read_of
from keeper.adapters.evm.rpc import BadReply, Call
from keeper.adapters.options.panoptic_chunks import Chunk
from keeper.adapters.options.panoptic_cost import Depth, Growth
from keeper.adapters.options.panoptic_errors import WORDS
from keeper.adapters.options.panoptic_terms import PanopticMarket
from keeper.core.model.errors import Transient
from keeper.core.v3math.fee_growth import get_fee_growth_inside

POOL = contract("PanopticPool")
TRACKER = contract("PanopticCollateral")
_FACTORY = contract("PanopticFactory")
_ENGINE = contract("PanopticRiskEngine")
_UNISWAP = contract("UniswapV3Pool")
_DECIMALS = contract("ERC20").function("decimals")
_CLOCK = contract("Multicall3").function("getCurrentBlockTimestamp")
_HALF = 1 << 128
_NOBODY = "0x" + "00" * 20
_RATIO_ONE = 10_000_000
"""Collateral ratios of the risk engine are in parts of so many."""
_STATE_GAS = 40_000
_CHUNK_GAS = 120_000
_POSITION_GAS = 300_000


def told(answers: Answers, read: ContractRead) -> tuple[Any, ...]:
    """The answer to a read that may fail.

    Raises:
        BadReply: it did.
    """
    answer = answers[read]
    if isinstance(answer, Reverted):
        reason = WORDS.get(answer.reason.removeprefix("error 0x"), answer.reason)
        raise BadReply(f"{read.function.signature} at {read.target}: {reason}")
    return answer


def halves(word: int) -> tuple[int, int]:
    """Both amounts of an unsigned packed word, token 0 first."""
    return word % _HALF, word // _HALF


def signed_halves(word: int) -> tuple[int, int]:
    """Both amounts of a signed packed word, token 0 first: each half is a two's complement of its own."""
    low, high = halves(word % (1 << 256))
    return _signed(low), _signed(high)


def _signed(half: int) -> int:
    return half - _HALF if half >> 127 else half


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Panoptic's pool, as it was deployed."""

    pool: str
    pool_id: int
    trackers: tuple[str, str]
    """Vaults of token 0 and token 1."""
    decimals: tuple[int, int]
    """Of token 0 and token 1, as they say themselves."""


class HomeReads:
    """Which pool is Panoptic's over the Uniswap pool."""

    def __init__(self, market: PanopticMarket) -> None:
        self._decimals = [read_of(market.token(token).address, _DECIMALS, may_fail=True) for token in (0, 1)]
        get_pool = _FACTORY.function("getPanopticPool")
        self.lookup = read_of(
            market.factory, get_pool, market.uniswap.address, market.risk_engine, may_fail=True, gas=_STATE_GAS
        )

    def pool_of(self, answers: Answers) -> str | None:
        """Its address; None when none was deployed.

        Raises:
            BadReply: the factory does not answer.
        """
        pool = str(told(answers, self.lookup)[0])
        return None if pool == _NOBODY else pool

    def terms(self, pool: str) -> list[ContractRead]:
        """What never changes about it and its tokens."""
        names = "poolId", "collateralToken0", "collateralToken1"
        return [*(read_of(pool, POOL.function(name), may_fail=True) for name in names), *self._decimals]

    def home_of(self, pool: str, answers: Answers) -> Home:
        """From the answers to :meth:`terms`.

        Raises:
            BadReply: the pool or a token does not answer.
        """
        pool_id, tracker0, tracker1, *decimals = (told(answers, read)[0] for read in self.terms(pool))
        return Home(pool=pool, pool_id=pool_id, trackers=(tracker0, tracker1), decimals=(decimals[0], decimals[1]))


class GrowthReads:
    """Fee growth of the pool and inside ranges, at whatever block they are asked at."""

    def __init__(self, market: PanopticMarket, chunks: Sequence[Chunk]) -> None:
        pool = market.uniswap.address
        self._slot = read_of(pool, _UNISWAP.function("slot0"), may_fail=True)
        names = ("feeGrowthGlobal0X128", "feeGrowthGlobal1X128")
        self._global = [read_of(pool, _UNISWAP.function(name), may_fail=True) for name in names]
        ends = dict.fromkeys(end for chunk in chunks for end in (chunk.lower, chunk.upper))
        self._ticks = {end: read_of(pool, _UNISWAP.function("ticks"), end, may_fail=True, gas=20_000) for end in ends}
        self._clock = read_of(market.multicall, _CLOCK, may_fail=True)
        self._multicall = market.multicall

    @property
    def all(self) -> list[ContractRead]:
        """Every one."""
        return [self._slot, *self._global, *self._ticks.values(), self._clock]

    def call_at(self, number: int) -> Call:
        """All of them at a block's number, in one request of their own."""
        return "eth_call", [{"to": self._multicall, "data": "0x" + encode_aggregate3(self.all).hex()}, hex(number)]

    def answered(self, outcome: object) -> Answers | None:
        """What :meth:`call_at` brought; None when the node does not have that block's state."""
        try:
            return answers_of(self.all, outcome)
        except Transient:
            return None

    def price(self, answers: Answers) -> tuple[int, int]:
        """Sqrt price (2**-96) and tick of the pool.

        Raises:
            BadReply: it does not answer, or has no price.
        """
        sqrt_price, tick, *_ = told(answers, self._slot)
        if sqrt_price == 0:
            raise BadReply("the pool has no price")
        return sqrt_price, tick

    def growth(self, chunk: Chunk, answers: Answers) -> Growth:
        """Of the pool and inside one of the ranges.

        Raises:
            BadReply: the pool does not answer.
        """
        tick = self.price(answers)[1]
        lower, upper = (told(answers, self._ticks[end]) for end in (chunk.lower, chunk.upper))
        everywhere = told(answers, self._global[0])[0], told(answers, self._global[1])[0]
        inside = [
            get_fee_growth_inside(
                tick_lower=chunk.lower,
                tick_upper=chunk.upper,
                tick_current=tick,
                global_x128=everywhere[token],
                outside_lower_x128=lower[2 + token],
                outside_upper_x128=upper[2 + token],
            )
            for token in (0, 1)
        ]
        known = lower[7] and upper[7]
        return Growth(
            at_s=told(answers, self._clock)[0], everywhere=everywhere, inside=(inside[0], inside[1]) if known else None
        )


class ChunkReads:
    """What is for sale in a range."""

    def __init__(self, home: Home, chunk: Chunk) -> None:
        function = POOL.function("getChunkData")
        self.data = read_of(home.pool, function, chunk.lower, chunk.upper, may_fail=True, gas=_CHUNK_GAS)
        self._token_type = chunk.token_type

    def depth(self, answers: Answers) -> Depth:
        """How much of it is there and how much is bought.

        Raises:
            BadReply: the pool does not answer.
        """
        net, removed = halves(told(answers, self.data)[self._token_type])
        return Depth(net=net, removed=removed)


class EngineReads:
    """What the pool and its risk engine ask and allow."""

    def __init__(self, market: PanopticMarket, pool: str) -> None:
        self._safe_mode = read_of(pool, POOL.function("isSafeMode"), may_fail=True, gas=_CHUNK_GAS)
        names = ("NOTIONAL_FEE", "PREMIUM_FEE", "BUYER_COLLATERAL_RATIO")
        self._parameters = [read_of(market.risk_engine, _ENGINE.function(name), may_fail=True) for name in names]

    @property
    def all(self) -> list[ContractRead]:
        """Every one."""
        return [self._safe_mode, *self._parameters]

    def safe_mode(self, answers: Answers) -> int:
        """0 when all is well, above 2 when nothing may be bought.

        Raises:
            BadReply: the pool does not answer.
        """
        return int(told(answers, self._safe_mode)[0])

    def notional_fee_bps(self, answers: Answers) -> int | None:
        """Of a purchase; None when the engine does not tell, as with the next two."""
        return self._parameter(answers, 0)

    def premium_fee_bps(self, answers: Answers) -> int | None:
        """Of streamed cost."""
        return self._parameter(answers, 1)

    def collateral_bps(self, answers: Answers) -> int | None:
        """Of the notional that a buyer must hold, rounded **up**."""
        ratio = self._parameter(answers, 2)
        return None if ratio is None else -(-ratio * 10_000 // _RATIO_ONE)

    def _parameter(self, answers: Answers, place: int) -> int | None:
        answer = answers[self._parameters[place]]
        return None if isinstance(answer, Reverted) else int(answer[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldData:
    """What the pool says of an account's options, in the order that they were asked in; amounts by token."""

    owed: tuple[int, int]
    """Streamed by all of them and not paid yet."""
    required: tuple[int, int]
    """Collateral that they need."""
    sizes: tuple[int, ...]
    premia: tuple[tuple[int, int], ...]
    """Of each: below 0 is owed by the account."""


class AccountReads:
    """What an account has deposited, and what its options need."""

    def __init__(self, home: Home, owner: str, ids: Sequence[int]) -> None:
        self._assets = [
            read_of(tracker, TRACKER.function("assetsOf"), owner, may_fail=True, gas=_CHUNK_GAS) for tracker in home.trackers
        ]
        self._withdrawable = [
            read_of(tracker, TRACKER.function("maxWithdraw"), owner, may_fail=True, gas=_CHUNK_GAS) for tracker in home.trackers
        ]
        function = POOL.function("getFullPositionsData")
        gas = _POSITION_GAS * max(len(ids), 1)
        self._held = read_of(home.pool, function, owner, True, list(ids), may_fail=True, gas=gas) if ids else None
        self._count = len(ids)

    @property
    def all(self) -> list[ContractRead]:
        """Every one."""
        return [*self._assets, *self._withdrawable, *([self._held] if self._held else [])]

    def assets(self, answers: Answers) -> tuple[int, int]:
        """Deposited in both vaults.

        Raises:
            BadReply: one does not answer.
        """
        return told(answers, self._assets[0])[0], told(answers, self._assets[1])[0]

    def withdrawable(self, answers: Answers) -> tuple[int, int]:
        """What could be taken out now, while no option is open.

        Raises:
            BadReply: a vault does not answer.
        """
        return told(answers, self._withdrawable[0])[0], told(answers, self._withdrawable[1])[0]

    def held(self, answers: Answers) -> HeldData:
        """Of all its options.

        Raises:
            BadReply: the pool does not answer, or of another number of them.
        """
        if self._held is None:
            return HeldData(owed=(0, 0), required=(0, 0), sizes=(), premia=())
        _, long_premium, balances, required, premia = told(answers, self._held)
        if not len(balances) == len(required) == len(premia) == self._count:
            raise BadReply(f"{self._count} options were asked for, {len(balances)} were told of")
        needs = [halves(word) for word in required]
        return HeldData(
            owed=halves(long_premium),
            required=(sum(need[0] for need in needs), sum(need[1] for need in needs)),
            sizes=tuple(halves(word)[0] for word in balances),
            premia=tuple(signed_halves(word) for word in premia),
        )


def legs_read(pool: str, owner: str) -> ContractRead:
    """How many legs an account's options have in all."""
    return read_of(pool, POOL.function("numberOfLegs"), owner, may_fail=True, gas=_STATE_GAS)


def trial(pool: str, owner: str, data: str, block_hash: str) -> Call:
    """What would become of a call by ``owner``."""
    pin = {"blockHash": block_hash, "requireCanonical": True}
    return "eth_call", [{"from": owner, "to": pool, "data": data}, pin]
