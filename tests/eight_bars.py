"""Eight bars of a made-up day, which the printed numbers of several formulas are of."""

from __future__ import annotations

import itertools
import math

from keeper.core.quant.volatility import Bar

OPENS = (2000, 2010, 1985, 2040, 2035, 1990, 2005, 2060)
HIGHS = (2025, 2018, 2050, 2062, 2041, 2015, 2071, 2080)
LOWS = (1990, 1970, 1980, 2021, 1975, 1968, 2001, 2035)
CLOSES = (2011, 1984, 2042, 2033, 1992, 2003, 2062, 2048)
RETURNS = [math.log(b / a) for a, b in itertools.pairwise(CLOSES)]
BARS = [
    Bar(open=math.log(o), high=math.log(h), low=math.log(low), close=math.log(c))
    for o, h, low, c in zip(OPENS, HIGHS, LOWS, CLOSES, strict=True)
]
