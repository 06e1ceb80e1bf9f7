"""Integers that others published: the contracts' own test suites, and positions of other projects to the wei."""

from __future__ import annotations

from math import isqrt

import pytest

from keeper.core.v3math.fee_growth import fees_owed
from keeper.core.v3math.full_math import div_rounding_up
from keeper.core.v3math.liquidity_amounts import get_amounts_for_liquidity, max_liquidity_for_amounts
from keeper.core.v3math.reverts import ArithmeticRevertError
from keeper.core.v3math.sqrt_price_math import (
    get_amount0_delta,
    get_amount1_delta,
    get_next_sqrt_price_from_input,
    get_next_sqrt_price_from_output,
)
from keeper.core.v3math.swap_math import compute_swap_step
from keeper.core.v3math.tick import tick_spacing_to_max_liquidity_per_tick
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio
from keeper.core.v3math.units import MAX_SQRT_RATIO, MAX_TICK, MIN_SQRT_RATIO, MIN_TICK, Q96


def encode_price_sqrt(reserve1: int, reserve0: int) -> int:
    return isqrt((reserve1 << 192) // reserve0)


@pytest.mark.parametrize(
    ("tick", "ratio"),
    [
        (MIN_TICK, 4_295_128_739),
        (MIN_TICK + 1, 4_295_343_490),
        (-1, 79_224_201_403_219_477_170_569_942_574),
        (0, Q96),
        (1, 79_232_123_823_359_799_118_286_999_568),
        (60, 79_466_191_966_197_645_195_421_774_833),
        (MAX_TICK - 1, 1_461_373_636_630_004_318_706_518_188_784_493_106_690_254_656_249),
        (MAX_TICK, 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_342),
    ],
)
def test_ratios_at_ticks(tick: int, ratio: int) -> None:
    """Ref: v3-core ``TickMath.spec.ts``; whitepaper's bounds."""
    assert get_sqrt_ratio_at_tick(tick) == ratio


@pytest.mark.parametrize(
    ("ratio", "tick"),
    [
        (MIN_SQRT_RATIO, MIN_TICK),
        (4_295_343_490, MIN_TICK + 1),
        (79_466_191_966_197_645_195_421_774_833 - 1, 59),
        (79_466_191_966_197_645_195_421_774_833, 60),
        (1_461_373_636_630_004_318_706_518_188_784_493_106_690_254_656_249, MAX_TICK - 1),
        (MAX_SQRT_RATIO - 1, MAX_TICK - 1),
    ],
)
def test_ticks_at_ratios(ratio: int, tick: int) -> None:
    """Ref: v3-core ``TickMath.spec.ts``."""
    assert get_tick_at_sqrt_ratio(ratio) == tick


def test_2000_dollars_an_ether_lie_at_tick_200311() -> None:
    """USDC has 6 decimals and WETH 18, so 2,000 USDC buy 10**18 wei at a raw price of 10**18 / (2,000 * 10**6)."""
    assert get_tick_at_sqrt_ratio(encode_price_sqrt(10**18, 2_000 * 10**6)) == 200_311


@pytest.mark.parametrize(
    ("spacing", "most"),
    [
        (10, 1_917_569_901_783_203_986_719_870_431_555_990),
        (60, 11_505_743_598_341_114_571_880_798_222_544_994),
        (200, 38_350_317_471_085_141_830_651_933_667_504_588),
    ],
)
def test_most_liquidity_of_a_tick(spacing: int, most: int) -> None:
    """Ref: v3-core ``Tick.spec.ts``."""
    assert tick_spacing_to_max_liquidity_per_tick(spacing) == most


def test_amounts_of_a_published_back_test_to_the_wei() -> None:
    """Ref: smolquants/kodiak-simulations-2023-07, back-test rows of a USDC/WETH position."""
    amounts = get_amounts_for_liquidity(
        2_302_457_180_693_885_351_454_651_093_163_492,
        get_sqrt_ratio_at_tick(204_090),
        get_sqrt_ratio_at_tick(207_010),
        488_387_186_770_279_948,
    )
    assert amounts == (1_180_390_798_224, 1_001_367_710_503_069_322_285)


def test_fees_of_a_published_back_test_to_the_wei() -> None:
    """Ref: smolquants/kodiak-simulations-2023-07, full-range row."""
    liquidity = 50_354_748_103_535_419
    growth0_x128 = 4_727_744_195_091_118_907_136_119_318_964
    growth1_x128 = 2_042_654_302_665_938_784_356_921_928_276_952_665_822
    assert fees_owed(liquidity=liquidity, inside_x128=growth0_x128, inside_last_x128=0) == 699_608_299
    assert fees_owed(liquidity=liquidity, inside_x128=growth1_x128, inside_last_x128=0) == 302_270_563_720_523_667


ONE = Q96


@pytest.mark.parametrize(
    ("zero_for_one", "amount", "price"),
    [
        (False, 10**17, 87_150_978_765_690_771_352_898_345_369),
        (True, 10**17, 72_025_602_285_694_852_357_767_227_579),
    ],
)
def test_price_after_an_input(zero_for_one: bool, amount: int, price: int) -> None:
    """Ref: v3-core ``SqrtPriceMath.spec.ts``."""
    assert get_next_sqrt_price_from_input(ONE, 10**18, amount, zero_for_one=zero_for_one) == price


@pytest.mark.parametrize(
    ("zero_for_one", "amount", "price"),
    [
        (False, 10**17, 88_031_291_682_515_930_659_493_278_152),
        (True, 10**17, 71_305_346_262_837_903_834_189_555_302),
    ],
)
def test_price_after_an_output(zero_for_one: bool, amount: int, price: int) -> None:
    """Ref: v3-core ``SqrtPriceMath.spec.ts``."""
    assert get_next_sqrt_price_from_output(ONE, 10**18, amount, zero_for_one=zero_for_one) == price


def test_price_after_an_input_that_overflows_the_product() -> None:
    """Ref: v3-core ``SqrtPriceMath.spec.ts``: inputs beyond 96 bits, and one that pushes the price to 1."""
    assert get_next_sqrt_price_from_input(ONE, 10**19, 1 << 100, zero_for_one=True) == 624_999_999_995_069_620
    assert get_next_sqrt_price_from_input(ONE, 1, (1 << 256) - 1 >> 1, zero_for_one=True) == 1


def test_an_input_that_overflows_the_product_is_rounded_as_coarsely_as_the_contract_does() -> None:
    """Ref: v3-core ``SqrtPriceMath.sol``, the last line of getNextSqrtPriceFromAmount0RoundingUp when it adds."""
    price, liquidity, amount = 3 << 158, 1 << 127, 1 << 97
    numerator = liquidity << 96
    coarse = div_rounding_up(numerator, numerator // price + amount)
    fine = div_rounding_up(numerator * price, numerator + amount * price)
    assert coarse != fine
    assert get_next_sqrt_price_from_input(price, liquidity, amount, zero_for_one=True) == coarse


def test_an_output_of_the_whole_reserve_is_refused() -> None:
    """Ref: v3-core ``SqrtPriceMath.spec.ts``, "puzzling echidna test"."""
    with pytest.raises(ArithmeticRevertError):
        get_next_sqrt_price_from_output(20_282_409_603_651_670_423_947_251_286_016, 1_024, 4, zero_for_one=False)


def test_amounts_between_1_and_1_21() -> None:
    """Ref: v3-core ``SqrtPriceMath.spec.ts``."""
    upper = encode_price_sqrt(121, 100)
    assert get_amount0_delta(ONE, upper, 10**18, round_up=True) == 90_909_090_909_090_910
    assert get_amount0_delta(ONE, upper, 10**18, round_up=False) == 90_909_090_909_090_909
    assert get_amount1_delta(ONE, upper, 10**18, round_up=True) == 100_000_000_000_000_000
    assert get_amount1_delta(ONE, upper, 10**18, round_up=False) == 99_999_999_999_999_999


def test_a_swap_that_once_puzzled_the_contracts_authors() -> None:
    """Ref: v3-core ``SqrtPriceMath.spec.ts``, "swap computation"."""
    price, liquidity = (
        1_025_574_284_609_383_690_408_304_870_162_715_216_695_788_925_244,
        50_015_962_439_936_049_619_261_659_728_067_971_248,
    )
    after = get_next_sqrt_price_from_input(price, liquidity, 406, zero_for_one=True)
    assert after == 1_025_574_284_609_383_582_644_711_336_373_707_553_698_163_132_913
    assert get_amount0_delta(after, price, liquidity, round_up=True) == 406


LOW = 20_282_409_603_651_670_423_947_251_286_016


@pytest.mark.parametrize(
    ("current", "target", "liquidity", "remaining", "fee_pips", "step"),
    [
        pytest.param(
            ONE,
            encode_price_sqrt(101, 100),
            2 * 10**18,
            10**18,
            600,
            (encode_price_sqrt(101, 100), 9_975_124_224_178_055, 9_925_619_580_021_728, 5_988_667_735_148),
            id="exact input capped at the target",
        ),
        pytest.param(
            ONE,
            encode_price_sqrt(101, 100),
            2 * 10**18,
            -(10**18),
            600,
            (encode_price_sqrt(101, 100), 9_975_124_224_178_055, 9_925_619_580_021_728, 5_988_667_735_148),
            id="exact output capped at the target",
        ),
        pytest.param(
            ONE,
            encode_price_sqrt(1_000, 100),
            2 * 10**18,
            10**18,
            600,
            (Q96 * 14_997 // 10_000, 999_400_000_000_000_000, 666_399_946_655_997_866, 600_000_000_000_000),
            id="exact input fully spent",
        ),
        pytest.param(
            ONE,
            encode_price_sqrt(10_000, 100),
            2 * 10**18,
            -(10**18),
            600,
            (2 * Q96, 2_000_000_000_000_000_000, 1_000_000_000_000_000_000, 1_200_720_432_259_356),
            id="exact output fully received",
        ),
        pytest.param(
            417_332_158_212_080_721_273_783_715_441_582,
            1_452_870_262_520_218_020_823_638_996,
            159_344_665_391_607_089_467_575_320_103,
            -1,
            1,
            (417_332_158_212_080_721_273_783_715_441_581, 1, 1, 1),
            id="output capped at what was asked for",
        ),
        pytest.param(
            2,
            1,
            1,
            3_915_081_100_057_732_413_702_495_386_755_767,
            1,
            (1, 39_614_081_257_132_168_796_771_975_168, 0, 39_614_120_871_253_040_049_813),
            id="target price of one",
        ),
        pytest.param(
            2_413,
            79_887_613_182_836_312,
            1_985_041_575_832_132_834_610_021_537_970,
            10,
            1_872,
            (2_413, 0, 0, 10),
            id="the whole input becomes fee",
        ),
        pytest.param(LOW, LOW * 11 // 10, 1_024, -4, 3_000, (LOW * 11 // 10, 26_215, 0, 79), id="too little token0"),
        pytest.param(LOW, LOW * 9 // 10, 1_024, -263_000, 3_000, (LOW * 9 // 10, 1, 26_214, 1), id="too little token1"),
    ],
)
def test_swap_steps(
    current: int, target: int, liquidity: int, remaining: int, fee_pips: int, step: tuple[int, int, int, int]
) -> None:
    """Ref: v3-core ``SwapMath.spec.ts``."""
    assert compute_swap_step(current, target, liquidity, remaining, fee_pips) == step


@pytest.mark.parametrize(
    ("price", "liquidity"),
    [
        pytest.param(encode_price_sqrt(1, 1), 2_148, id="inside"),
        pytest.param(encode_price_sqrt(99, 110), 1_048, id="below"),
        pytest.param(encode_price_sqrt(111, 100), 2_097, id="above"),
        pytest.param(encode_price_sqrt(100, 110), 1_048, id="on the lower bound"),
        pytest.param(encode_price_sqrt(110, 100), 2_097, id="on the upper bound"),
    ],
)
def test_liquidity_of_100_and_200(price: int, liquidity: int) -> None:
    """Ref: v3-periphery ``LiquidityAmounts.spec.ts``."""
    lower, upper = encode_price_sqrt(100, 110), encode_price_sqrt(110, 100)
    assert max_liquidity_for_amounts(price, lower, upper, 100, 200) == liquidity


@pytest.mark.parametrize(
    ("price", "liquidity", "amounts"),
    [
        pytest.param(encode_price_sqrt(1, 1), 2_148, (99, 99), id="inside"),
        pytest.param(encode_price_sqrt(99, 110), 1_048, (99, 0), id="below"),
        pytest.param(encode_price_sqrt(111, 100), 2_097, (0, 199), id="above"),
        pytest.param(encode_price_sqrt(100, 110), 1_048, (99, 0), id="on the lower bound"),
        pytest.param(encode_price_sqrt(110, 100), 2_097, (0, 199), id="on the upper bound"),
    ],
)
def test_amounts_of_liquidity(price: int, liquidity: int, amounts: tuple[int, int]) -> None:
    """Ref: v3-periphery ``LiquidityAmounts.spec.ts``."""
    lower, upper = encode_price_sqrt(100, 110), encode_price_sqrt(110, 100)
    assert get_amounts_for_liquidity(price, lower, upper, liquidity) == amounts
