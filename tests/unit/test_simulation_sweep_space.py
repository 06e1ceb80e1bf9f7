from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.model.errors import ConfigError
from keeper.simulation.sweep_space import Choices, Kind, Range, Space, parse_space

KINDS = {"gates.cooldown_s": Kind.WHOLE, "ladder.core.half_width_sigmas": Kind.DECIMAL, "pool.shape": Kind.WORD}


def kind_of(key: str) -> Kind:
    if key not in KINDS:
        raise ConfigError([f"{key}: unknown setting; is gates.cooldown_s meant?"])
    return KINDS[key]


def parsed(*texts: str) -> Space:
    return parse_space(texts, kind_of)


def test_ranges_and_choices_are_read_in_the_order_of_their_keys():
    found = parsed("ladder.core.half_width_sigmas = 0.5..3", "pool.shape=band| wings", "gates.cooldown_s=600..86400:log")
    assert found.dimensions == (
        Range(key="gates.cooldown_s", low=Decimal(600), high=Decimal(86400), whole=True, log=True),
        Range(key="ladder.core.half_width_sigmas", low=Decimal("0.5"), high=Decimal(3)),
        Choices(key="pool.shape", values=("band", "wings")),
    )
    assert str(found) == "gates.cooldown_s=600..86400:log:int ladder.core.half_width_sigmas=0.5..3 pool.shape=band|wings"


def test_a_decimal_setting_can_be_varied_in_whole_numbers():
    (dimension,) = parsed("ladder.core.half_width_sigmas=1..12:int").dimensions
    assert isinstance(dimension, Range)
    assert dimension.whole
    assert dimension.text(3.0) == "3"


def test_every_problem_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        parsed(
            "gates.cooldwn_s=600..86400",
            "gates.cooldown_s=86400..600",
            "ladder.core.half_width_sigmas=0..3:log",
            "pool.shape=1..2",
            "nonsense",
        )
    problems = caught.value.problems
    assert len(problems) == 5
    for problem, word in zip(problems, ("unknown setting", "empty", "above zero", "takes words", "key=low..high"), strict=True):
        assert word in problem


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("gates.cooldown_s=600.5..700", "whole bounds"),
        ("gates.cooldown_s=600..700:lin", ":log and :int"),
        ("gates.cooldown_s=600..700:log:log", "at most once"),
        ("gates.cooldown_s=600..1e9", "neither a range"),
        ("gates.cooldown_s=nan..inf", "neither a range"),
        ("gates.cooldown_s=600", "neither a range"),
        ("gates.cooldown_s=", "neither a range"),
        ("gates.cooldown_s=600|seven", "whole numbers, not 'seven'"),
        ("gates.cooldown_s=٦٠٠|700", "whole numbers"),
        ("ladder.core.half_width_sigmas=1|two", "decimal numbers, not 'two'"),
        ("pool.shape=band", "neither a range"),
        ("pool.shape=band|band", "twice"),
        ("pool.shape=band|", "empty"),
        ("=1..2", "key=low..high"),
        ("a b=1..2", "key=low..high"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, match):
    with pytest.raises(ConfigError, match=match):
        parsed(text)


def test_a_space_of_nothing_and_a_setting_given_twice_are_refused():
    with pytest.raises(ConfigError, match="nothing is varied"):
        parsed()
    with pytest.raises(ConfigError, match="given twice"):
        parsed("gates.cooldown_s=1..2", "gates.cooldown_s=3..4")


def test_values_are_written_as_settings_are():
    found = parsed("gates.cooldown_s=600..86400", "ladder.core.half_width_sigmas=0.00001..300000", "pool.shape=band|wings")
    given_values = {"gates.cooldown_s": 601, "ladder.core.half_width_sigmas": 0.0000123456789, "pool.shape": "wings"}
    assert found.texts(given_values) == {
        "gates.cooldown_s": "601",
        "ladder.core.half_width_sigmas": "0.0000123457",
        "pool.shape": "wings",
    }
    assert found.texts({"ladder.core.half_width_sigmas": 250_000.0}) == {"ladder.core.half_width_sigmas": "250000"}


@given(st.decimals(-1_000, 1_000, places=9), st.decimals("0.000000001", 1_000, places=9), st.floats(0, 1))
def test_a_value_never_leaves_its_range_by_rounding(low, width, share):
    span = Range(key="x", low=low, high=low + width)
    text = span.text(min(max(float(low) + share * float(width), float(low)), float(low + width)))
    assert span.holds(text)
    assert "e" not in text.lower()


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**6), st.booleans())
def test_a_space_reads_back_from_its_own_text(low, width, log):
    log = log and low > 0
    found = Space(dimensions=(Range(key="gates.cooldown_s", low=Decimal(low), high=Decimal(low + width), whole=True, log=log),))
    assert parsed(*str(found).split()) == found


@pytest.mark.parametrize(("text", "holds"), [("0.5", True), ("3", True), ("3.01", False), ("", False), ("true", False)])
def test_a_range_knows_what_lies_in_it(text, holds):
    (dimension,) = parsed("ladder.core.half_width_sigmas=0.5..3").dimensions
    assert dimension.holds(text) is holds
