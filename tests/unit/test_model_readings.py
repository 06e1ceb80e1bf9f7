"""Readings are made when they are asked for, once, and are a sequence all the same."""

from __future__ import annotations

import pickle

import pytest

from keeper.core.model.view import Readings, SignalReading, find_reading, taken
from tests.builders import reading

NAMES = ("rsi", "macd", "spot")


def _counting() -> tuple[Readings, list[str]]:
    asked: list[str] = []

    def make(name: str) -> SignalReading:
        if name not in NAMES:
            raise KeyError(name)
        asked.append(name)
        return reading(name, float(NAMES.index(name)))

    return Readings(NAMES, make), asked


def test_each_is_made_once_and_only_when_asked_for() -> None:
    readings, asked = _counting()
    assert len(readings) == 3
    assert asked == []
    assert find_reading(readings, "macd") is readings.named("macd") is readings[1]
    assert asked == ["macd"]
    assert [one.name for one in readings] == list(NAMES)
    assert asked == ["macd", "rsi", "spot"]
    assert [one.name for one in readings[1:]] == ["macd", "spot"]


def test_they_equal_any_sequence_of_the_same() -> None:
    readings, _ = _counting()
    made = tuple(readings)
    assert readings == made
    assert made == readings
    assert readings == taken(made)
    assert hash(readings) == hash(made)
    assert repr(readings) == repr(made)
    assert readings != made[1:]


def test_they_travel_as_what_they_are() -> None:
    readings, _ = _counting()
    assert pickle.loads(pickle.dumps(readings)) == readings


def test_an_unknown_one_is_a_key_error() -> None:
    readings, _ = _counting()
    for some in (readings, taken(readings), tuple(readings)):
        with pytest.raises(KeyError, match="breadth"):
            find_reading(some, "breadth")
