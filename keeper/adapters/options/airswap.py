"""Orders of AirSwap's SwapERC20: read from what a market maker wrote, checked, and filled.

The protocol's fee is the signer's: on top of what is sold, in the token sold, taken from the signer. The buyer pays the order's
price and nothing else. An order is filled whole or not at all, by the one wallet that it names.

Ref: ``SwapERC20.sol`` of @airswap/swap-erc20 5.0.1: ``swap``, ``check``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, Reverted, read_of
from keeper.adapters.evm.rpc import BadReply

_SWAP = contract("SwapERC20").function("swap")
_CHECK = contract("SwapERC20").function("check")
_CHECK_GAS = 90_000
_OURS = frozenset({"SenderAllowanceLow", "SenderBalanceLow"})
"""Complaints about the buyer, who allows and funds only when the order is filled."""
_UINT256 = 1 << 256
_MOST_FILE_BYTES = 16_384


class OrderUnreadable(ValueError):
    """What should be an order is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOrder:
    """One order: the signer gives ``signer_amount`` of one token for ``sender_amount`` of another, to the wallet named."""

    nonce: int
    expiry_s: int
    signer_wallet: str
    signer_token: str
    signer_amount: int
    sender_wallet: str
    sender_token: str
    sender_amount: int
    v: int
    r: bytes
    s: bytes

    @classmethod
    def from_json(cls, document: object, *, chain_id: int, swap_contract: str) -> SignedOrder:
        """An order as market makers hand it over: AirSwap's field names, numbers as decimal text or as numbers.

        Args:
            document: the JSON.
            chain_id: on which it must be.
            swap_contract: which contract it must be for.

        Raises:
            OrderUnreadable: a field is missing or is not what it should be, or it is for another chain or contract.
        """
        if not isinstance(document, dict):
            raise OrderUnreadable("not a JSON object")
        if _number(document, "chainId") != chain_id:
            raise OrderUnreadable(f"for chain {document['chainId']}, not {chain_id}")
        if _address(document, "swapContract") != swap_contract:
            raise OrderUnreadable(f"for contract {document['swapContract']}, not {swap_contract}")
        return cls(
            nonce=_number(document, "nonce"),
            expiry_s=_number(document, "expiry"),
            signer_wallet=_address(document, "signerWallet"),
            signer_token=_address(document, "signerToken"),
            signer_amount=_number(document, "signerAmount"),
            sender_wallet=_address(document, "senderWallet"),
            sender_token=_address(document, "senderToken"),
            sender_amount=_number(document, "senderAmount"),
            v=_byte(document, "v"),
            r=_word(document, "r"),
            s=_word(document, "s"),
        )

    def to_texts(self) -> tuple[str, ...]:
        """The order as texts, in the order of its fields."""
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(value.hex() if isinstance(value, bytes) else str(value) for value in values)

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> SignedOrder:
        """What :meth:`to_texts` wrote.

        Raises:
            ValueError: it is not.
        """
        nonce, expiry, wallet, token, amount, sender, paid_in, price, v, r, s = texts
        return cls(
            nonce=int(nonce),
            expiry_s=int(expiry),
            signer_wallet=wallet,
            signer_token=token,
            signer_amount=int(amount),
            sender_wallet=sender,
            sender_token=paid_in,
            sender_amount=int(price),
            v=int(v),
            r=bytes.fromhex(r),
            s=bytes.fromhex(s),
        )

    def _arguments(self) -> tuple[Any, ...]:
        return (
            self.nonce,
            self.expiry_s,
            self.signer_wallet,
            self.signer_token,
            self.signer_amount,
            self.sender_token,
            self.sender_amount,
            self.v,
            self.r,
            self.s,
        )

    def swap_data(self, recipient: str) -> str:
        """Call data that fills it, sent by the wallet that it names."""
        return _SWAP.call_data(recipient, *self._arguments())

    def check_read(self, swap_contract: str) -> ContractRead:
        """The contract's own check of it."""
        return read_of(swap_contract, _CHECK, self.sender_wallet, *self._arguments(), may_fail=True, gas=_CHECK_GAS)

    def complaints(self, swap_contract: str, answers: Answers) -> tuple[str, ...]:
        """Why it could not be filled by a buyer with the money and the allowance; empty when it could.

        The contract's check covers signature (with the protocol's present fee in it), nonce, expiry, and the signer's balance
        and allowance for amount and fee.
        """
        found = answers[self.check_read(swap_contract)]
        if isinstance(found, Reverted):
            return (f"check: {found.reason}",)
        names = (word.rstrip(b"\0").decode("ascii", errors="replace") for word in found[0])
        return tuple(name for name in names if name not in _OURS)


class OrderBook(Protocol):
    """Where signed orders come from."""

    def orders(self) -> tuple[Sequence[SignedOrder], Sequence[str]]:
        """All orders there are now, and for people what was found that is no order."""
        ...


@dataclass(frozen=True, slots=True)
class GivenOrders:
    """Orders of the configuration itself."""

    given: tuple[SignedOrder, ...] = ()

    def orders(self) -> tuple[Sequence[SignedOrder], Sequence[str]]:
        """They."""
        return self.given, ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFolder:
    """Orders in a folder, a JSON file each; looked through at every reading, so that new ones need no restart."""

    path: Path
    chain_id: int
    swap_contract: str

    def orders(self) -> tuple[Sequence[SignedOrder], Sequence[str]]:
        """The orders of all ``*.json`` there, by name; a file that holds none is told and passed over."""
        found: list[SignedOrder] = []
        faults: list[str] = []
        try:
            files = sorted(self.path.glob("*.json"))
        except OSError as error:
            return (), (f"the folder of orders cannot be read: {error.strerror}",)
        for file in files:
            try:
                found.append(self._order(file))
            except (OSError, ValueError, RecursionError) as error:
                faults.append(f"{file.name}: {error if isinstance(error, OrderUnreadable) else type(error).__name__}")
        return found, faults

    def _order(self, file: Path) -> SignedOrder:
        with file.open("rb") as opened:
            content = opened.read(_MOST_FILE_BYTES + 1)
        if len(content) > _MOST_FILE_BYTES:
            raise OrderUnreadable(f"more than {_MOST_FILE_BYTES} bytes")
        return SignedOrder.from_json(json.loads(content), chain_id=self.chain_id, swap_contract=self.swap_contract)


def _number(document: Mapping[str, Any], name: str) -> int:
    value = document.get(name)
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    if type(value) is not int or not 0 <= value < _UINT256:
        raise OrderUnreadable(f"{name} is no number")
    return value


def _byte(document: Mapping[str, Any], name: str) -> int:
    value = _number(document, name)
    if value > 255:
        raise OrderUnreadable(f"{name} is no byte")
    return value


def _address(document: Mapping[str, Any], name: str) -> str:
    try:
        return checked.address(document.get(name), name)
    except BadReply as error:
        raise OrderUnreadable(str(error)) from None


def _word(document: Mapping[str, Any], name: str) -> bytes:
    try:
        return bytes.fromhex(checked.hash32(document.get(name), name)[2:])
    except BadReply as error:
        raise OrderUnreadable(str(error)) from None
