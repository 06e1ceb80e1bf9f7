"""The same readings made from the whole windows every time: by pandas, and by TA-Lib with numpy.

The rivals are spared much: prices and volumes stand in arrays of doubles already, models come fitted, the basket's weights are
known, and nothing is graded. Past values that a signal is held against are theirs to make. What both tell is compared with the
keeper's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import talib
from scipy.signal import lfilter

from keeper.core.model.bar import DAY_S, HOUR_S, MINUTE_S, MarketHistory
from keeper.core.model.policy import Policy
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.signals import names
from keeper.core.signals.candle import Candle, Lens
from keeper.core.signals.realised import flat_window_s

Array = npt.NDArray[np.float64]
Found = dict[str, float]
PAST = 690
"""Hours of the past that every signal is known of: a month less its first day."""
_OMEGA, _ALPHA, _BETA = 1e-6, 0.08, 0.9
_DAY_HOURS = 24
_FIELDS = ("open", "high", "low", "close", "volume", "bought", "jit_share")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What was known at some moment, as arrays; all logarithms as in a candle."""

    minutes: dict[str, Array]
    hours: dict[str, Array]
    minutes_s: Array
    hours_s: Array
    """Where they begin."""
    marks_s: Array
    marks: Array
    """Logarithms."""
    samples_s: Array
    growth: Array
    """Of the signal pool: a row a sample, a column a token."""
    others: Array
    """Logarithm of every universe pool's price: a row a sample."""
    lending: Array
    """Available over debt: a row a sample."""
    stride: int
    half_life_minutes: float
    flat_hours: int
    fee: float

    @property
    def end_s(self) -> float:
        """Where the newest minute ends."""
        return float(self.minutes_s[-1]) + MINUTE_S


def columns(policy: Policy, known: MarketHistory, *, mark: str) -> Columns:
    """The arrays of a history."""
    lens = Lens(policy)
    minutes, hours = ([lens.candle(bar) for bar in bars] for bars in (known.minutes, known.hours))
    marks = [quote for quote in known.quotes if quote.name == mark and quote.value]
    return Columns(
        minutes=_fields(minutes),
        hours=_fields(hours),
        minutes_s=np.array([one.start_s for one in minutes], dtype=float),
        hours_s=np.array([one.start_s for one in hours], dtype=float),
        marks_s=np.array([quote.as_of_s for quote in marks], dtype=float),
        marks=np.log([quote.value or 1.0 for quote in marks]),
        samples_s=np.array([one.timestamp_s for one in known.samples], dtype=float),
        growth=np.array([(one.fee_growth_global0_x128, one.fee_growth_global1_x128) for one in known.samples], dtype=float),
        others=np.array([[2 * math.log(pool.sqrt_price_x96) for pool in one.pools] for one in known.samples]),
        lending=np.array([[reserve.available / reserve.debt for reserve in one.reserves] for one in known.samples]),
        stride=policy.signals.sample_interval_s // MINUTE_S,
        half_life_minutes=policy.signals.ewma_half_life_s / MINUTE_S,
        flat_hours=flat_window_s(policy) // HOUR_S,
        fee=policy.pool(policy.signal_pool).fee_pips / 1e6,
    )


def _fields(candles: Sequence[Candle]) -> dict[str, Array]:
    return {name: np.array([getattr(one, name) for one in candles], dtype=float) for name in _FIELDS}


def _a_year(rate: float, interval_s: float) -> float:
    return math.sqrt(rate * SECONDS_A_YEAR / interval_s)


def by_pandas(known: Columns) -> Found:
    """Everything with series, rolling and exponentially weighted windows."""
    closes = pd.Series(np.concatenate((known.minutes["open"][:1], known.minutes["close"])))
    returns = closes.diff(known.stride).dropna()
    squares = returns**2 / known.stride
    weighted = squares.ewm(halflife=known.half_life_minutes).mean()
    starts = pd.Series(known.minutes_s[known.stride - 1 :], index=squares.index)
    found = {names.VOLATILITY_EWMA: _a_year(weighted.iloc[-1], MINUTE_S)}
    hour_s = known.end_s // HOUR_S * HOUR_S
    for name, hours in ((names.VOLATILITY_1D, 24), (names.VOLATILITY_7D, 168), (names.VOLATILITY_30D, 720)):
        inside = squares[starts >= hour_s - hours * HOUR_S]
        found[name] = _a_year(inside.mean(), MINUTE_S)
    bipower = (returns.abs() * returns.abs().shift(known.stride)).rolling(_DAY_HOURS * 60).sum()
    jumps = bipower / squares.rolling(_DAY_HOURS * 60).sum()
    fast = (closes.diff() ** 2).rolling(known.flat_hours * 60).mean().iloc[-1]
    _daily = squares.groupby((starts // DAY_S).to_numpy()).sum().rolling(7).mean()
    bars = pd.DataFrame({name: known.hours[name] for name in ("open", "high", "low", "close", "volume")})
    flat = bars.tail(known.flat_hours)
    found |= _ranges(*(flat[name] for name in ("open", "high", "low", "close")))
    change = bars["close"].diff()
    gain = change.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    loss = (-change).clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    strength = 100 * gain / (gain + loss)
    found[names.RSI] = strength.iloc[-1]
    line = bars["close"].ewm(span=12, adjust=False).mean() - bars["close"].ewm(span=26, adjust=False).mean()
    histogram = line - line.ewm(span=9, adjust=False).mean()
    found["histogram"] = histogram.iloc[-1]
    multiplier = ((2 * bars["close"] - bars["low"] - bars["high"]) / (bars["high"] - bars["low"])).fillna(0)
    accumulation = (multiplier * bars["volume"]).rolling(_DAY_HOURS).sum() / bars["volume"].rolling(_DAY_HOURS).sum()
    found[names.ACCUMULATION] = accumulation.iloc[-1]
    pasts = [one.iloc[59::60].to_numpy() for one in (weighted, jumps)]
    pasts += [one.to_numpy() for one in (strength, histogram, accumulation)]
    flows = _flows(known, _marks_by_pandas, lambda minutes: pd.Series(minutes).rolling(_DAY_HOURS * 60).sum().to_numpy())
    around = _surroundings(known, lambda table: pd.DataFrame(table).ewm(halflife=672).mean().to_numpy())
    pasts += [*flows.values(), *around.values()]
    past = pd.DataFrame({place: one[-PAST:] for place, one in enumerate(pasts)})
    centre = past.median()
    found["z"] = float(((past.iloc[-1] - centre) / ((past - centre).abs().median() * 1.4826)).clip(-3, 3).sum())
    found |= {name: float(one[-1]) for name, one in (flows | around).items()}
    return found | {"growth": _growth(known), "fast": fast, "garch": _filtered(bars["close"].diff().to_numpy()[1:])}


def by_talib(known: Columns) -> Found:
    """Indicators from TA-Lib, the rest in numpy."""
    closes = np.concatenate((known.minutes["open"][:1], known.minutes["close"]))
    returns = closes[known.stride :] - closes[: -known.stride]
    squares = returns**2 / known.stride
    kept = 0.5 ** (1 / known.half_life_minutes)
    weighted = lfilter([1 - kept], [1.0, -kept], squares)
    found = {names.VOLATILITY_EWMA: _a_year(weighted[-1], MINUTE_S)}
    starts = known.minutes_s[known.stride - 1 :]
    hour_s = known.end_s // HOUR_S * HOUR_S
    for name, hours in ((names.VOLATILITY_1D, 24), (names.VOLATILITY_7D, 168), (names.VOLATILITY_30D, 720)):
        first = np.searchsorted(starts, hour_s - hours * HOUR_S)
        found[name] = _a_year(squares[first:].mean(), MINUTE_S)
    size = np.abs(returns)
    jumps = _rolled(size[known.stride :] * size[: -known.stride]) / _rolled(squares[known.stride :])
    fast = (np.diff(closes[-known.flat_hours * 60 :]) ** 2).mean()
    _daily = np.add.reduceat(squares, np.flatnonzero(np.diff(starts // DAY_S, prepend=-1)))[-30:].reshape(-1, 10).mean(axis=1)
    hours_of = known.hours
    found |= _ranges(*(hours_of[name][-known.flat_hours :] for name in ("open", "high", "low", "close")))
    strength = talib.RSI(hours_of["close"], 14)
    histogram = talib.MACD(hours_of["close"], 12, 26, 9)[2]
    line = talib.AD(hours_of["high"], hours_of["low"], hours_of["close"], hours_of["volume"])
    accumulation = (line[_DAY_HOURS:] - line[:-_DAY_HOURS]) / _rolled(hours_of["volume"], _DAY_HOURS)[1:]
    found |= {names.RSI: strength[-1], "histogram": histogram[-1], names.ACCUMULATION: accumulation[-1]}
    flows = _flows(known, _marks_by_search, _rolled)
    share = 1 - 0.5 ** (1 / 672)
    around = _surroundings(known, lambda table: lfilter([share], [1.0, share - 1], table, axis=0))
    pasts = [weighted[59::60], jumps[59::60], strength, histogram, accumulation, *flows.values(), *around.values()]
    past = np.stack([one[-PAST:] for one in pasts], axis=1)
    centre = np.median(past, axis=0)
    spread = np.median(np.abs(past - centre), axis=0) * 1.4826
    found["z"] = float(np.clip((past[-1] - centre) / spread, -3, 3).sum())
    found |= {name: float(one[-1]) for name, one in (flows | around).items()}
    return found | {"growth": _growth(known), "fast": fast, "garch": _filtered(np.diff(hours_of["close"]))}


def _rolled(values: Array, width: int = _DAY_HOURS * 60) -> Array:
    """Sums of so many values that follow on one another."""
    sums = np.cumsum(np.concatenate(([0.0], values)))
    return sums[width:] - sums[:-width]


def _ranges(opened: Array, high: Array, low: Array, close: Array) -> Found:
    """Parkinson, Garman-Klass, Rogers-Satchell; arrays or series alike."""
    reach, move = high - low, close - opened
    terms = {
        names.VOLATILITY_PARKINSON: reach**2 / (4 * math.log(2)),
        names.VOLATILITY_GK: 0.5 * reach**2 - (2 * math.log(2) - 1) * move**2,
        names.VOLATILITY_RS: (high - close) * (high - opened) + (low - close) * (low - opened),
    }
    return {name: _a_year(float(term.mean()), HOUR_S) for name, term in terms.items()}


def _filtered(returns: Array) -> float:
    return float(lfilter([1.0], [1.0, -_BETA], _OMEGA + _ALPHA * returns**2)[-1])


def _marks_by_pandas(known: Columns, starts_s: Array) -> Array:
    left = pd.DataFrame({"at": starts_s})
    right = pd.DataFrame({"at": known.marks_s, "mark": known.marks})
    return pd.merge_asof(left, right, on="at", tolerance=120.0)["mark"].to_numpy()


def _marks_by_search(known: Columns, starts_s: Array) -> Array:
    place = np.searchsorted(known.marks_s, starts_s, side="right") - 1
    return np.where(starts_s - known.marks_s[place] <= 120, known.marks[place], np.nan)


def _flows(known: Columns, marks_of: Callable[[Columns, Array], Array], rolled: Callable[[Array], Array]) -> dict[str, Array]:
    """Flow of the last day at every whole hour, split by the marks."""
    end = int(np.searchsorted(known.minutes_s, known.end_s // HOUR_S * HOUR_S))
    bought, volume, opened, jit = (known.minutes[name][:end] for name in ("bought", "volume", "open", "jit_share"))
    gap = marks_of(known, known.minutes_s[:end]) - opened
    is_arbitrage = (np.abs(gap) > known.fee) & (gap * bought > 0)
    parts = (
        np.where(is_arbitrage, 0.0, bought),
        np.where(is_arbitrage, np.minimum(np.abs(bought), volume), 0.0),
        jit * volume,
        volume,
        np.where(np.isnan(gap), 0.0, volume),
    )
    others, arbitrage, passing, whole, judged = (rolled(part)[::-60][::-1] for part in parts)
    return {
        names.TAKER_FLOW: others / whole,
        names.ARBITRAGE_SHARE: arbitrage / judged,
        names.JIT_SHARE: passing / whole,
    }


def _growth(known: Columns) -> float:
    """What fee growth says over three tenors."""
    before = [np.searchsorted(known.samples_s, known.end_s - days * DAY_S, side="right") - 1 for days in (1, 7, 30)]
    return float((known.growth[-1] - known.growth[np.maximum(before, 0)]).sum())


def _surroundings(known: Columns, averaged: Callable[[Array], Array]) -> dict[str, Array]:
    """Breadth, effective rates and lending at every hour."""
    moves = np.diff(known.others, axis=0)
    rates = np.cumsum(moves - moves.mean(axis=1, keepdims=True), axis=0)
    day = DAY_S // int(known.samples_s[1] - known.samples_s[0])
    changes = known.others[day:] - known.others[:-day]
    tightest = known.lending.min(axis=1)
    hourly = slice(None, None, -(day // _DAY_HOURS))
    found = {
        names.QUICK_RATIO: tightest,
        names.QUICK_RATIO_CHANGE: tightest[day:] - tightest[:-day],
        "up_less_down": np.sign(changes).sum(axis=1),
        "rates": (rates - averaged(rates))[:, :2].sum(axis=1),
    }
    return {name: one[hourly][::-1] for name, one in found.items()}
