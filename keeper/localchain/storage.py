"""Storage words in Solidity's layout."""

from __future__ import annotations

from eth_utils.crypto import keccak

_WORD = 1 << 256


def word(value: int) -> str:
    """A 32-byte word, hex with 0x; negative values as two's complement of 256 bits."""
    return f"0x{value % _WORD:064x}"


def padded_address(address: str) -> bytes:
    """An address as a mapping's key, 32 bytes."""
    return bytes.fromhex(address.removeprefix("0x")).rjust(32, b"\x00")


def padded_int(value: int) -> bytes:
    """An integer, signed or not, as a mapping's key, 32 bytes."""
    return (value % _WORD).to_bytes(32, "big")


def mapping_slot(key: bytes, slot: int) -> int:
    """Slot of ``mapping[key]``, the mapping standing at ``slot``; ``key`` is 32 bytes."""
    return int.from_bytes(keccak(key + padded_int(slot)), "big")


def packed(*fields: tuple[int, int]) -> int:
    """One word from fields of (value, bits), from the low end; negative values as two's complement of their width."""
    total = shift = 0
    for value, bits in fields:
        total |= (value % (1 << bits)) << shift
        shift += bits
    return total


def field(total: int, shift: int, bits: int, *, signed: bool = False) -> int:
    """The field of ``bits`` bits that begins ``shift`` bits from the low end of a packed word."""
    value = total >> shift & ((1 << bits) - 1)
    return value - (1 << bits) if signed and value >> (bits - 1) else value
