"""What the demo shows: a live picture on a terminal, a line an hour elsewhere, and a summary at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from keeper.app import demo_protection_view as protection_view
from keeper.app.cli import protection, sentences, words
from keeper.app.demo import Frame, Outcome
from keeper.app.picture import FILL, Band, Sample, chart
from keeper.core.ledger.marks import Marks
from keeper.core.model.ladder import LayerKind, Position
from keeper.core.model.record import CycleRecord
from keeper.core.signals.prices import price_at_sqrt
from keeper.localchain.statistics import RECORDED, DayStatistics

CHART_ROWS = 16
REPORT_EVERY_S = 3_600
RECENT_ACTS = 5


class LiveView:
    """Redraws the terminal as the day goes by; a context manager.

    Args:
        console: a terminal.
        title: what is played.
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._samples: list[Sample] = []
        self._acts: list[Text] = []
        self._frame: Frame | None = None
        self._live = Live(get_renderable=self._picture, console=console, refresh_per_second=4)

    def __enter__(self) -> Callable[[Frame], None]:
        self._live.__enter__()
        return self._show

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def _show(self, frame: Frame) -> None:
        self._frame = frame
        if frame.fresh and frame.record is not None:
            self._samples.append(_sample(frame.record))
            if frame.record.stages:
                self._acts = [*self._acts[1 - RECENT_ACTS :], _act(frame.record)]

    def _picture(self) -> RenderableType:
        frame = self._frame
        if frame is None:
            return Text(f"{self._title}: building the chain …")
        parts: list[RenderableType] = [_headline(self._title, frame)]
        if frame.record is None or frame.marks is None:
            return Group(*parts)
        parts += [
            Panel(chart(self._samples, columns=self._console.width - 4, rows=CHART_ROWS), title=_legend()),
            _layers(frame.record, frame.marks),
            _money(frame.record, frame.marks),
            *protection.standing_lines(frame.record, frame.record.view.memory.hedge),
            Text(sentences.decision(frame.record.decision), overflow="ellipsis", no_wrap=True),
            *self._acts,
        ]
        return Group(*parts)


class PlainView:
    """One line for every hour of chain time and for every act: for logs and pipes; a context manager.

    Args:
        console: anything.
        title: what is played.
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._next_s = 0

    def __enter__(self) -> Callable[[Frame], None]:
        self._console.print(self._title)
        return self._show

    def __exit__(self, *_: object) -> None:
        """Nothing to put back."""

    def _show(self, frame: Frame) -> None:
        if not frame.fresh or frame.record is None or frame.marks is None:
            return
        if frame.record.stages:
            self._console.print(_act(frame.record))
        if frame.record.view.now_s >= self._next_s:
            self._next_s = frame.record.view.now_s + REPORT_EVERY_S
            self._console.print(Text.assemble(words.utc(frame.record.view.now_s), "  ", _money(frame.record, frame.marks)))


def summary(outcome: Outcome, *, state_dir: Path, tape: bool) -> list[RenderableType]:
    """What the run came to, and where to look further."""
    shown: list[RenderableType] = [Text("What the day came to", style="bold")]
    if outcome.marks is None or outcome.books is None:
        return [*shown, Text("the run was ended before the keeper's first cycle")]
    marks, books, quote = outcome.marks, outcome.books, outcome.quote
    rows = Table(box=None, pad_edge=False, show_header=False)
    for name, value in (
        ("value now", f"{marks.value_quote:,.2f} {quote}"),
        ("had it been held", f"{marks.hold_quote:,.2f} {quote}"),
        ("against holding", f"{marks.against_hold_quote:+,.2f} {quote} ({marks.against_hold_quote / marks.hold_quote:+.3%})"),
        ("fees earned", f"{marks.fees_quote:,.2f} {quote}, of it {marks.fees_owed_quote:,.2f} not collected yet"),
        ("loss to arbitrage", f"{marks.lvr_quote:,.2f} {quote} at least (seen from cycle to cycle)"),
        ("swaps cost", f"{marks.swap_cost_quote:,.2f} {quote} in fees and own impact"),
        ("gas", f"{marks.gas_quote:,.2f} {quote} ({words.ether(marks.gas_wei)})"),
        (
            "other amounts held",
            f"{_inventory(marks):+,.2f} {quote}: having less of what rose and more of what fell, or the reverse",
        ),
        ("layers shifted", f"{books.shifts} in {books.cycles} cycles; {outcome.postponed} cycles postponed"),
        ("share of liquidity", f"{_share(outcome.share_by_time)} by time, {_share(outcome.share_by_volume)} by volume"),
        ("share of the fees", _share(outcome.share_of_fees)),
    ):
        rows.add_row(name, value)
    shown += [rows, *protection_view.summary(outcome, books.opening_quote), _market(outcome.market, tape=tape)]
    if outcome.recorded is not None:
        shown.append(Text(outcome.recorded))
    if outcome.departure_bps is not None:
        shown.append(Text(f"the keeper's depth moved the price by {outcome.departure_bps:.2f} bps on average from the record"))
    shown.append(Text(f"{outcome.wall_s:.0f} s in all. To look further:"))
    config = f"keeper -c {state_dir / 'keeper.toml'}"
    shown += [Text(f"  {config} {command}") for command in _further(outcome)]
    return shown


def _further(outcome: Outcome) -> list[str]:
    act = outcome.last_act or outcome.last_cycle
    return ["positions", "journal", *([f"explain {act}", f"replay {act}"] if act is not None else [])]


def _market(market: DayStatistics | None, *, tape: bool) -> RenderableType:
    if market is None:
        return Text("")
    table = Table(title="The market, scaled to a day", title_justify="left", box=None, pad_edge=False)
    for column in ("", "swaps", "volume, USD", "fees, USD", "realised volatility"):
        table.add_column(column, justify="left" if not column else "right")
    played = {"this day": market}
    days = played | ({} if tape else {f"mainnet {day}": figures for day, figures in RECORDED.items()})
    for name, day in days.items():
        figures = (f"{day.swaps:,.0f}", f"{day.volume_usd:,.0f}", f"{day.fees_usd:,.0f}", f"{day.realised_volatility:.1%}")
        table.add_row(name, *figures)
    return table


def _inventory(marks: Marks) -> float:
    """What is left of the difference to holding when fees, costs and options are taken out."""
    costs = marks.lvr_quote + marks.swap_cost_quote + marks.gas_quote + marks.premium_quote
    return marks.against_hold_quote - marks.fees_quote - marks.payoff_quote + costs


def _share(share: float | None) -> str:
    return "none" if share is None else f"{share:.2%}"


def _sample(record: CycleRecord) -> Sample:
    policy, view = record.policy, record.view
    bands = []
    for layer in view.ladder.layers:
        for position in layer.positions:
            lower, upper = sentences.edges(policy, position.range.lower, position.range.upper)
            bands.append(Band(kind=layer.kind, lower=lower, upper=upper))
    price = price_at_sqrt(policy, view.pool(policy.signal_pool).state.sqrt_price_x96)
    return Sample(time_s=view.now_s, price=price, bands=tuple(bands))


def _headline(title: str, frame: Frame) -> RenderableType:
    line = Table.grid(padding=(0, 2))
    moment = words.utc(frame.report.timestamp_s)
    bar = ProgressBar(total=1.0, completed=frame.report.progress, width=30)
    line.add_row(Text(title, style="bold"), moment, f"block {frame.report.number:,}", bar, f"{frame.report.progress:.0%}")
    return line


def _legend() -> Text:
    parts: list[Text] = [Text("● price", style="bold bright_yellow")]
    for kind in LayerKind:
        character, style = FILL[kind]
        parts.append(Text(f"{character} {kind.value}", style=style))
    return Text("  ").join(parts)


def _layers(record: CycleRecord, marks: Marks) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim")
    ranges, value = (f"{column}, {record.policy.quote.symbol}" for column in ("range", "value"))
    for column in ("layer", ranges, "to lower", "to upper", value, "fees owed", "in range"):
        table.add_column(column, justify="left" if column in {"layer", ranges} else "right")
    for layer, figures in zip(record.view.ladder.layers, marks.layers, strict=True):
        for index, position in enumerate(layer.positions):
            first = index == 0
            table.add_row(
                layer.kind.value if first else "",
                *_edges(record, position, marks.price),
                f"{figures.value_quote:,.0f}" if first else "",
                f"{figures.fees_quote:,.2f}" if first else "",
                f"{figures.in_range_share:.0%} of the time" if first and figures.in_range_share is not None else "",
            )
    return table


def _edges(record: CycleRecord, position: Position, price: float) -> tuple[str, str, str]:
    lower, upper = sentences.edges(record.policy, position.range.lower, position.range.upper)
    return f"{lower:,.1f} to {upper:,.1f}", f"{lower / price - 1:+.2%}", f"{upper / price - 1:+.2%}"


def _money(record: CycleRecord, marks: Marks) -> Text:
    better = marks.against_hold_quote >= 0
    return Text.assemble(
        (f"{record.policy.base.symbol} {marks.price:,.2f}", "bold bright_yellow"),
        f"  {record.decision.regime.value}",
        f"  value {marks.value_quote:,.0f}",
        "  against holding ",
        (f"{marks.against_hold_quote:+,.2f}", "green" if better else "red"),
        f"  fees {marks.fees_quote:,.2f}  gas {marks.gas_quote:,.2f}  swaps {marks.swap_cost_quote:,.2f}",
    )


def _act(record: CycleRecord) -> Text:
    moves = ", ".join(sentences.move(move) for move in record.decision.moves)
    transactions = sum(len(getattr(stage.outcome, "tx_hashes", ())) for stage in record.stages)
    style = "green" if record.state.value == "done" else "red"
    return Text.assemble(
        f"cycle {record.id} ", (record.state.value, style), f" {moves} in {transactions} transactions", overflow="ellipsis"
    )
