"""Reserves and liquidations of an Aave v3 market. Ref: ``Pool.sol``, ``DataTypes.sol`` ReserveData."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, Reverted, read_of
from keeper.adapters.evm.rpc import BadReply, Call, RpcRefused
from keeper.core.model.bar import Liquidations, Reserve
from keeper.core.model.errors import Reorged

RAY = 10**27

_POOL = contract("AaveV3Pool")
_RESERVE_DATA = _POOL.function("getReserveData")
_LIQUIDATION = _POOL.event("LiquidationCall")
_BALANCE_OF = contract("ERC20").function("balanceOf")
_TOTAL_SUPPLY = contract("AaveV3VariableDebtToken").function("totalSupply")
_KINK = contract("AaveV3Kink").function("OPTIMAL_USAGE_RATIO")
"""Of a strategy that serves one reserve: versions 3.0."""
_KINK_OF = contract("AaveV3Kink").function("getOptimalUsageRatio")
"""Of a strategy that serves all: versions from 3.1 on."""
_NOBODY = "0x0000000000000000000000000000000000000000"
_LISTING_GAS = 60_000
_BALANCE_GAS = 40_000
_DEBT_GAS = 60_000
_A_TOKEN = 8
"""Place of the first address in ReserveData; the others follow it in every version 3."""


class _Addresses(NamedTuple):
    """Where a reserve keeps what, in ReserveData's order."""

    a_token: str
    stable_debt: str
    """Nobody since stable debt was given up."""
    variable_debt: str
    strategy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The addresses of a reserve with the reads that follow from them."""

    addresses: _Addresses
    available: ContractRead
    debts: tuple[ContractRead, ...]
    kinks: tuple[ContractRead, ...]

    @property
    def reads(self) -> tuple[ContractRead, ...]:
        return self.available, *self.debts, *self.kinks


def _place_of(asset: str, found: _Addresses) -> _Place:
    debts = [debt for debt in (found.stable_debt, found.variable_debt) if debt != _NOBODY]
    kinks = (read_of(found.strategy, _KINK, may_fail=True), read_of(found.strategy, _KINK_OF, asset, may_fail=True))
    return _Place(
        addresses=found,
        available=read_of(asset, _BALANCE_OF, found.a_token, may_fail=True, gas=_BALANCE_GAS),
        debts=tuple(read_of(debt, _TOTAL_SUPPLY, may_fail=True, gas=_DEBT_GAS) for debt in debts),
        kinks=() if found.strategy == _NOBODY else kinks,
    )


class AaveReserves:
    """Some reserves of one market, and the market's liquidations.

    Where a reserve keeps its tokens is read at every block, and what was known before is asked in the same request: a second
    one is needed the first time and when an address has changed.

    Args:
        pool: EIP-55 address of the market's Pool.
        assets: EIP-55 addresses of the tokens to look at.
    """

    def __init__(self, pool: str, assets: Sequence[str]) -> None:
        self._pool = pool
        self._listings = {asset: read_of(pool, _RESERVE_DATA, asset, may_fail=True, gas=_LISTING_GAS) for asset in assets}
        self._known: dict[str, _Place] = {}

    def reads(self, answers: Answers) -> Sequence[ContractRead]:
        """Every read that is wanted, as far as it can be known."""
        wanted = list(self._listings.values())
        for asset, listing in self._listings.items():
            place = self._place(answers, asset) if listing in answers else self._known.get(asset)
            if place is not None:
                wanted += place.reads
        return wanted

    def _place(self, answers: Answers, asset: str) -> _Place | None:
        """Where the answers say that the reserve is, remembered for the next cycle; None when the market does not have it."""
        answer = answers[self._listings[asset]]
        found = None if isinstance(answer, Reverted) else _Addresses(*answer[0][_A_TOKEN : _A_TOKEN + len(_Addresses._fields)])
        if found is None or found.a_token == _NOBODY:
            self._known.pop(asset, None)
            return None
        known = self._known.get(asset)
        if known is None or known.addresses != found:
            self._known[asset] = known = _place_of(asset, found)
        return known

    def reserves(self, answers: Answers) -> tuple[Reserve, ...]:
        """The reserves in the order given; one that is not listed, or does not tell what it holds and is owed, is left out.

        Args:
            answers: to all of :meth:`reads`.
        """
        places = ((asset, self._place(answers, asset)) for asset in self._listings)
        found = (_reserve(asset, place, answers) for asset, place in places if place is not None)
        return tuple(reserve for reserve in found if reserve is not None)

    def liquidation_calls(self, first_block: int, last_block: int) -> list[Call]:
        """The request for the liquidations of these blocks, both included."""
        span = {"fromBlock": hex(first_block), "toBlock": hex(last_block)}
        return [("eth_getLogs", [{"address": self._pool, "topics": [_LIQUIDATION.topic0], **span}])]

    def liquidations(self, outcomes: Sequence[Any | RpcRefused], first_block: int) -> Liquidations | None:
        """What was liquidated since ``first_block`` in the whole market; None when the node refused to tell.

        Args:
            outcomes: of :meth:`liquidation_calls`.
            first_block: as given there.

        Raises:
            Reorged: a log was removed from the chain.
            BadReply: a log is malformed, of another contract or event, of an earlier block, or told twice.
        """
        if any(isinstance(outcome, RpcRefused) for outcome in outcomes):
            return None
        covered: Counter[str] = Counter()
        seen: set[tuple[int, int]] = set()
        for log in _logs_of(outcomes):
            place = self._place_in_chain(log)
            if place[0] < first_block or place in seen:
                raise BadReply(f"log {place[1]} of block {place[0]}: told twice, or before block {first_block}")
            seen.add(place)
            values = _LIQUIDATION.decode(log)
            covered[values["debtAsset"]] += values["debtToCover"]
        return Liquidations(since_block=first_block, count=len(seen), debt_covered=tuple(sorted(covered.items())))

    def _place_in_chain(self, log: Mapping[str, Any]) -> tuple[int, int]:
        if checked.address(log.get("address"), "address of a log") != self._pool:
            raise BadReply(f"a log of {log.get('address')} for the Pool {self._pool}")
        if log.get("removed"):
            raise Reorged("a liquidation was removed")
        return (
            checked.quantity(log.get("blockNumber"), "block of a log"),
            checked.quantity(log.get("logIndex"), "index of a log"),
        )


def _logs_of(outcomes: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    for outcome in outcomes:
        for log in checked.sequence(outcome, "eth_getLogs"):
            yield checked.mapping(log, "log")


def _reserve(asset: str, place: _Place, answers: Answers) -> Reserve | None:
    told = [answers[read] for read in (place.available, *place.debts)]
    amounts = [answer[0] for answer in told if not isinstance(answer, Reverted)]
    if len(amounts) < len(told):
        return None
    return Reserve(asset=asset, available=amounts[0], debt=sum(amounts[1:]), kink_ray=_kink(place, answers))


def _kink(place: _Place, answers: Answers) -> int | None:
    told = (answers[read] for read in place.kinks)
    kinks = (answer[0] for answer in told if not isinstance(answer, Reverted))
    return next((kink for kink in kinks if 0 < kink <= RAY), None)
