"""The parts of a backtest's page that are text: key numbers, attribution, comparisons, decisions, settings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from keeper.app.cli import sentences, words
from keeper.app.report.backtest_model import BLOCK, BacktestPage, Comparison
from keeper.app.report.backtest_numbers import (
    PARTS,
    column,
    days,
    deepest,
    hedged_bps,
    key_numbers,
    parts_of,
    shifts,
    spoken,
    tokens,
)
from keeper.simulation.result import ActedRow, RunResult

MOST_ROWS = 1_000
"""Decisions and troubles that are listed; the newest."""
_SHOWN_REASONS = 3
_STEADY = "steady"
"""A trigger that tells how far a layer is from acting: the last thing to read."""


def numbers(page: BacktestPage) -> str:
    """The key numbers, as a list of terms."""
    items = "".join(f"<div><dt>{escape(one.label)}</dt><dd>{escape(one.told)}</dd></div>" for one in key_numbers(page))
    return f'<dl class="numbers">{items}</dl>'


def verdict(page: BacktestPage) -> str:
    """The word and why."""
    word = page.verdict.word
    known = " unproven" if word.strip().lower() == "unproven" else ""
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in page.verdict.reasons)
    return f'<p class="verdict{known}"><strong>{escape(word)}</strong></p>' + (f"<ul>{reasons}</ul>" if reasons else "")


def about(page: BacktestPage) -> str:
    """What was run over what."""
    run = page.keeper
    sure = "" if run.tape_exact else ' <strong class="coarse">The tape is coarse: fees are estimated, not replayed.</strong>'
    told = (
        f"{words.utc(run.start_s)} to {words.utc(run.end_s)} ({days(run):,.2f} days): {run.cycles:,} cycles over {run.swaps:,} "
        f"swaps of {run.tape_described}; capital {words.money(run.setting.capital_quote, page.quote)}; of history's trades the "
        f"{run.setting.presence.replace('_', ' ')}."
    )
    return f"<p>{escape(told)}{sure}</p>"


def attribution(page: BacktestPage) -> str:
    """Each part of the change of value as a bar and exactly, with their sum."""
    run, quote = page.keeper, page.quote
    parts = parts_of(run)
    scale = max((abs(units) for units in parts.values()), default=0) or 1
    body = "".join(
        f'<tr><th scope="row">{escape(PARTS.get(name, name))}</th><td>{_signed(tokens(run, units))}</td>'
        f'<td class="bar">{_bar(units / scale)}</td><td class="exact">{units:,}</td></tr>'
        for name, units in parts.items()
    )
    total = sum(parts.values())
    fits = total == run.change
    said = (
        "The parts add up to the change of value to the last unit."
        if fits
        else f"The parts do not add up: their sum is {total:,}, the change of value {run.change:,}."
    )
    return (
        f'<p class="{"fits" if fits else "wrong"}">{said}{_beside(page)}</p>'
        f'{_scroll("Attribution")}<table class="attribution"><thead><tr>'
        f'<th scope="col">part</th><th scope="col">{escape(quote)}</th><th scope="col"><span class="hidden">bar</span></th>'
        f'<th scope="col">exactly, in 2<sup>&minus;64</sup> raw {escape(quote)}</th></tr></thead><tbody>{body}</tbody>'
        f'<tfoot><tr><th scope="row">sum = change of value</th><td>{_signed(tokens(run, total))}</td><td></td>'
        f'<td class="exact">{total:,}</td></tr></tfoot></table></div>'
    )


def _beside(page: BacktestPage) -> str:
    """What the parts leave out, by name."""
    run = page.keeper
    if run.protection is None:
        return ""
    held = escape(words.money(run.options_model, page.quote))
    return f" Options that are still held are in none of them: {held} by the model, beside the sum."


def strategies(page: BacktestPage) -> str:
    """The keeper and its benchmarks side by side."""
    quote = page.quote
    optional = ("premiums", "payoffs") if page.keeper.protection is not None else ()
    money = ("change of value", "price", "fees", "LVR", "own swaps", "gas", *optional, "PnL without the price")
    columns = [f"{name}, {quote}" for name in money]
    columns += ["the same, bps of capital a day", "deepest drawdown, %", "layers shifted"]
    if optional:
        columns.insert(len(money), f"with held options at model value, {quote}")
    rows = [_strategy(name, run, optional) for name, run in {"keeper": page.keeper, **page.benchmarks}.items()]
    rows += [_track(name, values, len(columns)) for name, values in page.tracks.items()]
    return _table("Strategies", ["strategy", *columns], rows)


def _strategy(name: str, run: RunResult, optional: Sequence[str]) -> list[str]:
    parts = parts_of(run)
    told = [parts[part] for part in ("price", "fees", "lvr", "swaps", "gas", *optional)]
    money = [run.change, *told, run.change - run.parts.price]
    return [
        spoken(name),
        *(_signed(tokens(run, one)) for one in money),
        *([_signed(tokens(run, run.change - run.parts.price) + run.options_model)] if optional else []),
        _signed(hedged_bps(run)),
        _signed(deepest(column(run.rows.value))),
        f"{shifts(run):,}",
    ]


def _track(name: str, values: Sequence[float], columns: int) -> list[str]:
    known = [value for value in values if math.isfinite(value)]
    change = known[-1] - known[0] if known else None
    return [spoken(name), _signed(change), *[""] * (columns - 3), _signed(deepest(column(values))), ""]


def comparisons(page: BacktestPage) -> str:
    """The keeper less each benchmark, with its interval drawn about zero."""
    if not page.comparisons:
        return "<p>Nothing was compared.</p>"
    ends = [end for one in page.comparisons for end in (one.mean_bps, one.lower_bps, one.upper_bps) if end is not None]
    scale = max((abs(end) for end in ends if math.isfinite(end)), default=0.0) or 1.0
    rows = "".join(_comparison(one, scale) for one in page.comparisons)
    return (
        f'{_scroll("Comparisons")}<table><thead><tr><th scope="col">keeper less</th>'
        '<th scope="col">mean, bps of capital a day</th><th scope="col">interval</th>'
        '<th scope="col"><span class="hidden">interval drawn</span></th><th scope="col" class="text">says</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _comparison(one: Comparison, scale: float) -> str:
    drawn, interval, says = "", "-", "no interval: too few days"
    if one.lower_bps is not None and one.upper_bps is not None:
        interval = f"{one.lower_bps:+,.2f} to {one.upper_bps:+,.2f}"
        says = "better" if one.lower_bps > 0 else "worse" if one.upper_bps < 0 else "no difference shown"
        if all(math.isfinite(end) for end in (one.mean_bps, one.lower_bps, one.upper_bps)):
            left, right, mean = (50 + 50 * end / scale for end in (one.lower_bps, one.upper_bps, one.mean_bps))
            drawn = (
                f'<span class="whisker" style="left:{left:.2f}%;width:{right - left:.2f}%"></span>'
                f'<span class="dot" style="left:{mean:.2f}%"></span>'
            )
    return (
        f'<tr><th scope="row">{escape(spoken(one.name))}</th><td>{_signed(one.mean_bps)}</td><td>{interval}</td>'
        f'<td class="bar"><span class="axis">{drawn}</span></td><td class="text">{says}</td></tr>'
    )


def checks(page: BacktestPage) -> str:
    """The trials that a result must pass."""
    if page.checks is None:
        return "<p>No check was made: <strong>unproven</strong>. <code>keeper backtest check</code> makes them.</p>"
    rows = [[one.name, "passed" if one.passed else "FAILED", one.told] for one in page.checks]
    return _table("Checks", ["check", "", "found"], rows, "text")


def decisions(page: BacktestPage) -> str:
    """Every cycle that acted, newest last."""
    acted = page.keeper.acted
    if not acted:
        return "<p>No cycle acted.</p>"
    cut = f" The newest {MOST_ROWS:,} are listed; --json tells all." if len(acted) > MOST_ROWS else ""
    body = "".join(_decision(row, page) for row in acted[-MOST_ROWS:])
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("time, UTC", "block", "moves", "why", f"expected cost, {escape(page.quote)}", "outcomes", "gas, ETH")
    )
    return (
        f"<p>{len(acted):,} of {page.keeper.cycles:,} cycles acted.{cut} A time shows its moment in the charts.</p>"
        f'{_scroll("Decisions", "tall")}<table class="decisions"><thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def _decision(row: ActedRow, page: BacktestPage) -> str:
    told = sorted(row.reasons, key=lambda reason: reason.trigger == _STEADY)
    lines = [escape(sentences.reason(one)) for one in told] + [f"refused: {escape(sentences.veto(one))}" for one in row.vetoes]
    rest = lines[_SHOWN_REASONS:]
    more = f"<details><summary>{len(rest)} more</summary><ul>{_items(rest)}</ul></details>" if rest else ""
    failed = any(outcome.startswith("not_done") for outcome in row.outcomes)
    outcomes = ", ".join(outcome.replace("_", " ") for outcome in row.outcomes) or "nothing begun"
    cells = (
        ("time, UTC", "", f'<a href="#price" data-at="{row.time_s}">{words.utc(row.time_s)[:16]}</a>'),
        ("block", "", _block(row.block, page.block_url)),
        ("moves", "text", escape(", ".join(row.moves))),
        ("why", "text why", f"<ul>{_items(lines[:_SHOWN_REASONS])}</ul>{more}"),
        ("expected cost", "", f"{row.expected_cost_quote:,.2f}"),
        ("outcomes", "text failed" if failed else "text", escape(outcomes)),
        ("gas, ETH", "", words.ether(row.gas_wei).removesuffix(" ETH")),
    )
    return "<tr>" + "".join(f'<td class="{kind}" data-label="{label}">{text}</td>' for label, kind, text in cells) + "</tr>"


def _block(number: int, url: str | None) -> str:
    if url is None:
        return str(number)
    return f'<a href="{escape(url.replace(BLOCK, str(number)))}" rel="noopener noreferrer">{number}</a>'


def trouble(page: BacktestPage) -> str:
    """Cycles that could not be made."""
    rows = [[words.utc(at_s), why] for at_s, why in page.keeper.trouble[-MOST_ROWS:]]
    return _table("Trouble", ["time", "why"], rows, "text") if rows else "<p>Every cycle could be made.</p>"


def settings(page: BacktestPage) -> str:
    """Everything that the run depends on."""
    run = page.keeper
    known = {"policy digest": run.policy_digest, "tape digest": run.tape_digest, "tape": run.tape_described}
    rows = [[name, str(value)] for name, value in (*known.items(), *flat(page.settings))]
    return _table("Settings", ["name", "value"], rows, "text")


def flat(settings: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Names and values, those of mappings inside with dotted names."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _table(label: str, columns: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    return f"{_scroll(label, kind)}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _scroll(label: str, kind: str = "") -> str:
    """Opens a box that a keyboard can scroll."""
    return f'<div class="scroll {kind}" tabindex="0" role="region" aria-label="{escape(label)}">'


def _items(lines: Sequence[str]) -> str:
    return "".join(f"<li>{line}</li>" for line in lines)


def _bar(share: float) -> str:
    """From the middle to the right for a gain, to the left for a loss; the length is a share of half of the cell."""
    side = "gain" if share >= 0 else "loss"
    return f'<span class="axis"><span class="{side}" style="width:{abs(share) * 50:.2f}%"></span></span>'


def _signed(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    told = f"{value:+,.2f}"
    return told[1:] if told[1:] == "0.00" else told
