"""The part of a backtest's page that tells of protection: payoff over price, and every option that was bought."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

import numpy as np

from keeper.app.cli import words
from keeper.app.report.backtest_model import BacktestPage
from keeper.app.report.backtest_numbers import tokens
from keeper.app.report.backtest_payoff import Payoff, break_evens, payoff
from keeper.app.report.backtest_thin import MOST_POINTS, Floats
from keeper.core.model.hedge import Against
from keeper.simulation.protection import OptionRow, Protection

MOST_ROWS = 1_000
"""Options that are listed; the newest."""
_WIDE, _HIGH = 1_200, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 14, 48, 40
_LABEL_WIDE = 60
"""Room that a label takes, so that none lies on another."""
_CURVES = ("ladder alone", "options alone", "both together", "both, options at today's model value")
_COLUMNS = (
    "bought, UTC",
    "tier",
    "kind",
    "strike",
    "expiry, UTC",
    "size",
    "premium",
    "volatility, %",
    "paid out",
    "state",
)


def section(page: BacktestPage) -> str:
    """The whole part; nothing where no options could be bought."""
    protection = page.keeper.protection
    if protection is None:
        return ""
    return (
        '\n<section id="protection">\n<h2>Protection</h2>\n'
        f"<p>{escape(told(page, protection))}</p>\n{_figure(page, protection)}\n{_table(page, protection)}\n</section>"
    )


def link(page: BacktestPage) -> str:
    """To it, where it is."""
    return "" if page.keeper.protection is None else '<a href="#protection">Protection</a> '


def told(page: BacktestPage, protection: Protection) -> str:
    """What was spent and what came of it, and that the rest is an estimate."""
    run, quote = page.keeper, page.quote
    bought, held = len(protection.options), run.rows.options_held[-1] if run.rows.options_held else 0
    spent, paid = (words.money(abs(tokens(run, units)), quote) for units in (run.parts.premiums, run.parts.payoffs))
    return (
        f"{bought:,} {_options(bought)} bought for {spent}; {paid} paid out. At the end {held:,} {_options(held)} held, worth "
        f"{words.money(run.options_model, quote)} by the model at the reference volatility without the venue's markup and "
        f"spread, and {words.money(run.options_intrinsic, quote)} if all ended at the last price. That value is an estimate: "
        "it is in no part of the attribution and in no value above, and stands in lines of its own."
    )


def strikes(page: BacktestPage) -> list[tuple[str, float, int, int, float]]:
    """Kind, strike, from and until when, and base tokens, of options alike: from the first purchase to the expiry."""
    protection, rows = page.keeper.protection, page.keeper.rows
    if protection is None or not rows.time_s:
        return []
    alike: dict[tuple[str, float, int], list[OptionRow]] = {}
    for one in protection.options:
        alike.setdefault((one.kind.value, one.strike, one.expiry_s), []).append(one)
    return [
        (kind, strike, bought[0].bought_s, min(expiry_s, rows.time_s[-1]), sum(one.size for one in bought))
        for (kind, strike, expiry_s), bought in alike.items()
    ][-MOST_POINTS:]


def _options(count: int) -> str:
    return "option was" if count == 1 else "options were"


def _table(page: BacktestPage, protection: Protection) -> str:
    rows = protection.options
    if not rows:
        return "<p>No option was bought.</p>"
    cut = f"<p>The newest {MOST_ROWS:,} are listed; --json tells all.</p>" if len(rows) > MOST_ROWS else ""
    head = "".join(f'<th scope="col"{_kind(name)}>{escape(name)}</th>' for name in _COLUMNS)
    body = "".join(_row(one) for one in rows[-MOST_ROWS:])
    spent, paid = sum(one.premium for one in rows), sum(one.paid for one in rows)
    return (
        f'{cut}<div class="scroll tall" tabindex="0" role="region" aria-label="Options bought"><table class="options"><thead>'
        f"<tr>{head}</tr></thead><tbody>{body}</tbody><tfoot><tr>"
        f'<th scope="row" colspan="6">all, {escape(page.quote)}</th><td>{spent:,.2f}</td><td></td><td>{paid:,.2f}</td><td></td>'
        "</tr></tfoot></table></div>"
    )


def _kind(column: str) -> str:
    return ' class="text"' if column in {"tier", "kind", "state"} else ""


def _row(one: OptionRow) -> str:
    implied = "-" if one.implied_volatility is None else f"{100 * one.implied_volatility:,.1f}"
    cells = (
        ("text", one.tier),
        ("text", one.kind.value),
        ("", f"{one.strike:,.2f}"),
        ("", words.utc(one.expiry_s)[:16]),
        ("", f"{one.size:,.3f}"),
        ("", f"{one.premium:,.2f}"),
        ("", implied),
        ("", f"{one.paid:,.2f}"),
        ("text", one.state.value),
    )
    told_cells = "".join(
        f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>" for kind, text in cells
    )
    moment = words.utc(one.bought_s)[:16]
    return f'<tr><th scope="row"><a href="#price" data-at="{one.bought_s}">{moment}</a></th>{told_cells}</tr>'


def _figure(page: BacktestPage, protection: Protection) -> str:
    found = payoff(page, protection)
    curves = (found.ladder, found.options, found.together, found.now)
    legend = "".join(f'<span><i class="curve{at}"></i>{name}</span>' for at, name in enumerate(_CURVES))
    unit = f"{page.quote}, over the price in {page.quote} per {page.policy.base.symbol}"
    return (
        f'<figure class="payoff"><figcaption><h3>Payoff at the end of the run <small>{escape(unit)}</small></h3></figcaption>'
        f'<div class="legend" role="group" aria-label="Curves">{legend}</div>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="Payoff over price">{_drawing(found, curves)}</div>'
        f'<p class="told">{escape(_sentence(found))}</p></figure>'
    )


def _sentence(found: Payoff) -> str:
    measure = "having held what it began with" if found.against is Against.HOLDING else "the money that it began with"
    ends = "; ".join(
        f"{name} {_crossings(values, found)}" for name, values in (("ladder alone", found.ladder), ("both", found.together))
    )
    return (
        f"Gain over {measure}, if the price went at once from {found.price:,.2f} to another and every held option ended there; "
        "the dotted curve leaves the options the life that they have. Ladder alone is ladder and wallet without what options "
        f"cost and paid. Vertical lines are strikes, dots break-evens: {ends}."
    )


def _crossings(values: Floats, found: Payoff) -> str:
    crossed = break_evens(found.prices, values)
    return f"breaks even at {' and '.join(f'{one:,.2f}' for one in crossed)}" if crossed else "has none in view"


def _drawing(found: Payoff, curves: tuple[Floats, ...]) -> str:
    every = np.concatenate([*curves, [0.0]])
    low, high = float(every.min()), float(every.max())
    pad = (high - low) * 0.06 or 1.0
    first, last = float(found.prices[0]), float(found.prices[-1])

    def x(price: float) -> float:
        return _LEFT + (price - first) / (last - first) * (_WIDE - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + (high + pad - value) / (high - low + 2 * pad) * (_HIGH - _TOP - _BOTTOM)

    parts = [_across(value, y(value), step) for step in [_step(high - low)] for value in _ticks(low - pad, high + pad, step)]
    parts += [_below(price, x(price), step) for step in [_step(last - first)] for price in _ticks(first, last, step)]
    parts += _uprights([("strike", one) for one in found.strikes] + [("last", found.price)], x)
    for at, values in enumerate(curves):
        points = " ".join(f"{x(p):.1f},{y(v):.1f}" for p, v in zip(found.prices.tolist(), values.tolist(), strict=True))
        parts.append(f'<polyline class="curve{at}" points="{points}"/>')
    for at, values in ((0, found.ladder), (2, found.together)):
        parts += [
            f'<circle class="curve{at}" cx="{x(one):.1f}" cy="{y(0):.1f}" r="5"/>' for one in break_evens(found.prices, values)
        ]
    return f'<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="Payoff over price">{"".join(parts)}</svg>'


def _uprights(marks: Sequence[tuple[str, float]], x: Callable[[float], float]) -> list[str]:
    """A line for every mark; a label where it finds room in the row of its kind."""
    taken: dict[str, list[float]] = {"last": [], "strike": []}
    parts = []
    for kind, price in marks:
        at = x(price)
        parts.append(f'<line class="{kind}" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{_HIGH - _BOTTOM}"/>')
        if all(abs(at - other) >= _LABEL_WIDE for other in taken[kind]):
            taken[kind].append(at)
            said, up = ("now", 28) if kind == "last" else (f"{price:,.0f}", 8)
            parts.append(f'<text class="{kind}" x="{at:.1f}" y="{_TOP - up}" text-anchor="middle">{said}</text>')
    return parts


def _across(value: float, at: float, step: float) -> str:
    zero = ' class="zero"' if abs(value) < step / 2 else ""
    said = "0" if zero else f"{value:+,.{_places(step)}f}"
    return (
        f'<line{zero} x1="{_LEFT}" x2="{_WIDE - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{said}</text>'
    )


def _below(price: float, at: float, step: float) -> str:
    return f'<text x="{at:.1f}" y="{_HIGH - _BOTTOM + 22}" text-anchor="middle">{price:,.{_places(step)}f}</text>'


def _places(step: float) -> int:
    return max(-math.floor(math.log10(step)), 0)


def _step(span: float) -> float:
    """A round distance between about seven ticks."""
    rough = span / 7
    unit = 10.0 ** math.floor(math.log10(rough))
    return next(unit * many for many in (1, 2, 5, 10) if unit * many >= rough)


def _ticks(low: float, high: float, step: float) -> Iterator[float]:
    for place in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield place * step
