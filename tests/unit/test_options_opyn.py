"""Opyn's calls word by word, its units and roundings, and orders as files."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from eth_abi.abi import decode
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.evm.abi import contract
from keeper.adapters.options.airswap import OrderFolder, OrderUnreadable, SignedOrder
from keeper.adapters.options.opyn_interface import Series, lot_raw, payout_raw, push_call, redeem_call
from keeper.adapters.options.opyn_pool import pool_address
from keeper.core.model.option import Exercise, OptionKind
from keeper.core.model.token import Token
from keeper.localchain import mainnet

WETH = Token(address=mainnet.WETH, symbol="WETH", decimals=18)
USDC = Token(address=mainnet.USDC, symbol="USDC", decimals=6)
OTOKEN = "0x1111111111111111111111111111111111111111"
OWNER = "0x2222222222222222222222222222222222222222"
SIGNER = "0x3333333333333333333333333333333333333333"
SWAP_ERC20 = "0xD82E10B9A4107939e55fCCa9B53A9ede6CF2fC46"
ZERO = "0x" + "00" * 20
PUT = Series(otoken=OTOKEN, strike_e8=2000 * 10**8, expiry_s=1_760_515_200, is_put=True)
CALL = replace(PUT, is_put=False)
ORDER = SignedOrder(
    nonce=7,
    expiry_s=1_760_000_000,
    signer_wallet=SIGNER,
    signer_token=OTOKEN,
    signer_amount=3 * 10**8,
    sender_wallet=OWNER,
    sender_token=mainnet.USDC,
    sender_amount=250 * 10**6,
    v=27,
    r=b"\x01" * 32,
    s=b"\x02" * 32,
)
DOCUMENT = {
    "chainId": 1,
    "swapContract": SWAP_ERC20,
    "nonce": "7",
    "expiry": "1760000000",
    "signerWallet": SIGNER,
    "signerToken": OTOKEN,
    "signerAmount": "300000000",
    "senderWallet": OWNER,
    "senderToken": mainnet.USDC,
    "senderAmount": "250000000",
    "v": "27",
    "r": "0x" + "01" * 32,
    "s": "0x" + "02" * 32,
}


@pytest.mark.parametrize(
    ("name", "function", "selector"),
    [
        ("GammaController", "operate", "b617f0c6"),
        ("GammaController", "getPayout", "565eea19"),
        ("GammaOtoken", "getOtokenDetails", "af0968fc"),
        ("GammaFactory", "getOtokensLength", "46e63dc4"),
        ("GammaFactory", "otokens", "de0120de"),
        ("GammaOracle", "getExpiryPrice", "01957f81"),
        ("GammaPricer", "setExpiryPriceInOracle", "b2b63d9f"),
        ("SwapERC20", "swap", "98956069"),
        ("SwapRouter02", "exactOutputSingle", "5023b4df"),
    ],
)
def test_selectors_are_those_of_the_facts(name: str, function: str, selector: str) -> None:
    assert contract(name).function(function).selector.hex() == selector


def test_a_redemption_is_one_action_with_the_otoken_as_its_asset() -> None:
    call = redeem_call(SIGNER, OTOKEN, OWNER, 123)
    assert (call.to, call.value_wei, call.allowances) == (SIGNER, 0, ())
    tuples = "(uint8,address,address,address,uint256,uint256,uint256,bytes)[]"
    ((action,),) = decode([tuples], bytes.fromhex(call.data[10:]))
    assert action == (8, ZERO, OWNER, OTOKEN, 0, 123, 0, b"")


def test_a_push_names_expiry_and_round() -> None:
    call = push_call(SIGNER, PUT.expiry_s, (1 << 64) + 5)
    assert decode(["uint256", "uint80"], bytes.fromhex(call.data[10:])) == (PUT.expiry_s, (1 << 64) + 5)


def test_an_order_is_filled_in_the_contracts_own_order_of_arguments() -> None:
    data = ORDER.swap_data(OWNER)
    assert data[:10] == "0x98956069"
    types = [
        "address",
        "uint256",
        "uint256",
        "address",
        "address",
        "uint256",
        "address",
        "uint256",
        "uint8",
        "bytes32",
        "bytes32",
    ]
    assert decode(types, bytes.fromhex(data[10:])) == (
        OWNER,
        7,
        1_760_000_000,
        SIGNER,
        OTOKEN,
        3 * 10**8,
        mainnet.USDC.lower(),
        250 * 10**6,
        27,
        b"\x01" * 32,
        b"\x02" * 32,
    )
    check = ORDER.check_read(SWAP_ERC20)
    assert decode(types, check.data[4:])[0] == OWNER
    assert check.data[4 + 32 :] == bytes.fromhex(data[10 + 64 :])


def test_the_payout_known_from_the_venues_own_contracts() -> None:
    """3.1 puts at 2,000 when ether ends at 1,500 paid 1,550 dollars: facts/chain.md section 3."""
    assert payout_raw(PUT, 310_000_000, base_e8=1500 * 10**8, quote_e8=10**8, decimals=6) == 1_550 * 10**6


@pytest.mark.parametrize(
    ("series", "amount", "base_e8", "decimals", "paid"),
    [
        (PUT, 10**8, 2000 * 10**8, 6, 0),
        (PUT, 10**8, 199_999_999_999, 6, 0),  # a hundred-millionth of a dollar is less than a unit of USDC
        (PUT, 10**8, 199_999_999_900, 6, 1),
        (PUT, 10**8 - 1, 199_999_999_900, 6, 0),
        (PUT, 1, 10**8, 6, 19),  # 1,999 dollars: the rate is whole, the amount is cut
        (CALL, 10**8, 2000 * 10**8, 18, 0),
        (CALL, 10**8, 3000 * 10**8, 18, 333_333_333_333_333_333),
        (CALL, 3 * 10**8, 3000 * 10**8, 18, 999_999_999_999_999_999),  # cut before it is multiplied
    ],
)
def test_payouts_are_cut_twice(series: Series, amount: int, base_e8: int, decimals: int, paid: int) -> None:
    assert payout_raw(series, amount, base_e8=base_e8, quote_e8=10**8, decimals=decimals) == paid


@given(st.integers(1, 10**13), st.integers(1, 10**14), st.integers(0, 10**12))
def test_a_put_never_pays_more_than_its_exact_payoff_and_a_unit_less_an_option_at_most(
    strike: int, price: int, amount: int
) -> None:
    series = replace(PUT, strike_e8=strike)
    paid = payout_raw(series, amount, base_e8=price, quote_e8=10**8, decimals=6)
    exact = series.contract(1, WETH, USDC).payoff(Decimal(price) / 10**8) * amount / 10**2
    assert 0 <= exact - paid < 1 + Decimal(amount) / 10**8


def test_a_series_is_a_european_option_on_one_ether_an_otoken() -> None:
    put, call = PUT.contract(1, WETH, USDC), CALL.contract(1, WETH, USDC)
    assert put.legs[0].strike == 2000
    assert (put.settle_asset, call.settle_asset) == (USDC, WETH)
    assert put.exercise is Exercise.AUTO
    assert (put.legs[0].kind, call.legs[0].kind) == (OptionKind.PUT, OptionKind.CALL)
    assert put.lot_raw == lot_raw(WETH) == 10**10
    assert put.lots(10**18 + 1) == 10**18 + 10**10
    with pytest.raises(ValueError, match="6 decimals"):
        lot_raw(USDC)


def test_a_pools_address_is_uniswaps_own() -> None:
    for token0, token1, fee, address in mainnet.POOLS:
        assert pool_address(mainnet.FACTORY, token1, token0, fee) == address


def read(document: object) -> SignedOrder:
    return SignedOrder.from_json(document, chain_id=1, swap_contract=SWAP_ERC20)


def test_an_order_is_read_as_a_market_maker_writes_it() -> None:
    assert read(DOCUMENT) == ORDER
    assert read({**DOCUMENT, "nonce": 7, "v": 27, "signerWallet": SIGNER.lower()}) == ORDER
    assert SignedOrder.from_texts(ORDER.to_texts()) == ORDER


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chainId": 42161}, "chain 42161"),
        ({"swapContract": OTOKEN}, "for contract"),
        ({"nonce": "-1"}, "nonce"),
        ({"nonce": True}, "nonce"),
        ({"nonce": 1.0}, "nonce"),
        ({"senderAmount": str(1 << 256)}, "senderAmount"),
        ({"senderAmount": "1e6"}, "senderAmount"),
        ({"v": 256}, "v is no byte"),
        ({"r": "0x01"}, "r: a 32-byte hash"),
        ({"signerToken": "0x12"}, "signerToken: an address"),
        ({"senderWallet": None}, "senderWallet: an address"),
    ],
)
def test_what_is_no_order_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(OrderUnreadable, match=words):
        read({**DOCUMENT, **change})


def test_every_field_is_needed() -> None:
    for name in DOCUMENT:
        with pytest.raises(OrderUnreadable, match=name):
            read({key: value for key, value in DOCUMENT.items() if key != name})
    with pytest.raises(OrderUnreadable, match="JSON object"):
        read([])


def test_a_folder_is_looked_through_at_every_reading_and_its_bad_files_are_told(tmp_path: Path) -> None:
    folder = OrderFolder(path=tmp_path, chain_id=1, swap_contract=SWAP_ERC20)
    assert folder.orders() == ([], [])
    (tmp_path / "b.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "a.json").write_text(json.dumps({**DOCUMENT, "nonce": "1" * 5_000}))
    (tmp_path / "c.json").write_text("{")
    (tmp_path / "d.json").write_text("[" * 10_000)
    (tmp_path / "e.json").write_text(" " * 20_000)
    (tmp_path / "f.txt").write_text("no")
    (tmp_path / "g.json").mkdir()
    orders, faults = folder.orders()
    assert orders == [ORDER]
    assert [fault.partition(":")[0] for fault in faults] == ["a.json", "c.json", "d.json", "e.json", "g.json"]
    assert OrderFolder(path=tmp_path / "none", chain_id=1, swap_contract=SWAP_ERC20).orders()[0] == []
