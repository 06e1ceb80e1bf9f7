"""A key that signs and is never shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import to_checksum_address
from eth_utils.hexadecimal import decode_hex
from hexbytes import HexBytes

from keeper.core.model.errors import ConfigError, JournalFault

KEY_DIGITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """An EIP-1559 transaction before its signature."""

    chain_id: int
    nonce: int
    to: str
    """EIP-55 address."""
    value_wei: int
    data: str
    """0x-prefixed."""
    gas_limit: int
    max_fee_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A transaction that may be handed out."""

    tx_hash: str
    raw: str
    """0x-prefixed bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitDomain:
    """How a token that knows EIP-2612 names itself in the domain of its permits."""

    token: str
    """EIP-55 address."""
    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """An allowance that is not signed yet."""

    spender: str
    value: int
    """Raw units."""
    nonce: int
    """Of the owner, as the token counts."""
    deadline_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """An ECDSA signature as contracts take it."""

    v: int
    r: bytes
    s: bytes


_PERMIT_FIELDS = [
    {"name": "owner", "type": "address"},
    {"name": "spender", "type": "address"},
    {"name": "value", "type": "uint256"},
    {"name": "nonce", "type": "uint256"},
    {"name": "deadline", "type": "uint256"},
]


class Signer:
    """Signs for one account; neither its text nor its errors nor a copy show the key.

    Args:
        key: private key, 32 bytes in hex, 0x or not.

    Raises:
        ConfigError: that is not a key.
    """

    __slots__ = ("_account", "address")

    def __init__(self, key: str) -> None:
        digits = key.strip().removeprefix("0x")
        if len(digits) != KEY_DIGITS or not set(digits.lower()) <= set("0123456789abcdef"):
            raise ConfigError(["the private key is not 64 hex digits"])
        try:
            self._account: LocalAccount = Account.from_key(f"0x{digits}")
        except Exception:  # ruff: ignore[blind-except] - whatever the library says may quote the key
            raise ConfigError(["the private key is not one of the curve"]) from None
        self.address: str = self._account.address

    def sign(self, transaction: Transaction) -> Signed:
        """The transaction with its signature, the same bytes every time (RFC 6979)."""
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": transaction.chain_id,
                "nonce": transaction.nonce,
                "to": decode_hex(transaction.to),
                "value": transaction.value_wei,
                "data": decode_hex(transaction.data),
                "gas": transaction.gas_limit,
                "maxFeePerGas": transaction.max_fee_wei,
                "maxPriorityFeePerGas": transaction.tip_wei,
            }
        )
        return Signed(tx_hash="0x" + bytes(signed.hash).hex(), raw="0x" + bytes(signed.raw_transaction).hex())

    def sign_permit(self, domain: PermitDomain, chain_id: int, permit: Permit) -> Signature:
        """Leave to spend this account's tokens, for the token's own ``permit``.

        Ref: EIP-2612, EIP-712.
        """
        message = encode_typed_data(
            domain_data={
                "name": domain.name,
                "version": domain.version,
                "chainId": chain_id,
                "verifyingContract": domain.token,
            },
            message_types={"Permit": _PERMIT_FIELDS},
            message_data={
                "owner": self.address,
                "spender": permit.spender,
                "value": permit.value,
                "nonce": permit.nonce,
                "deadline": permit.deadline_s,
            },
        )
        signed = self._account.sign_message(message)
        return Signature(v=signed.v, r=signed.r.to_bytes(32, "big"), s=signed.s.to_bytes(32, "big"))

    def keystore(self, passphrase: str, *, scrypt_rounds: int) -> dict[str, object]:
        """The key encrypted as a version 3 keystore document.

        Args:
            passphrase: what will open it.
            scrypt_rounds: cost of one guess, a power of two.
        """
        document: dict[str, object] = self._account.encrypt(passphrase, kdf="scrypt", iterations=scrypt_rounds)
        return document

    def __repr__(self) -> str:
        return f"Signer({self.address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer is not copied or stored")


def sender_of(raw: str) -> str:
    """EIP-55 address of whoever signed ``raw``.

    Raises:
        JournalFault: it is not a signed transaction.
    """
    try:
        return str(Account.recover_transaction(raw))
    except Exception as error:  # ruff: ignore[blind-except] - each layer of the decoder has errors of its own
        raise JournalFault(f"a journaled attempt does not hold a signed transaction: {type(error).__name__}") from None


def decode_transaction(raw: str) -> Transaction:
    """What a signed EIP-1559 transaction says.

    Args:
        raw: 0x-prefixed signed bytes, as journaled.

    Raises:
        JournalFault: they are not such a transaction.
    """
    try:
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        return Transaction(
            chain_id=int(fields["chainId"]),
            nonce=int(fields["nonce"]),
            to=to_checksum_address(bytes(fields["to"])),
            value_wei=int(fields["value"]),
            data="0x" + bytes(fields["data"]).hex(),
            gas_limit=int(fields["gas"]),
            max_fee_wei=int(fields["maxFeePerGas"]),
            tip_wei=int(fields["maxPriorityFeePerGas"]),
        )
    except Exception as error:  # ruff: ignore[blind-except] - each layer of the decoder has errors of its own
        raise JournalFault(f"a journaled attempt does not hold a signed transaction: {type(error).__name__}") from None
