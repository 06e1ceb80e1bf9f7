"""The ladder as a table: where each position lies, how far its edges are, what it holds and what it has earned."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType
from rich.text import Text

from keeper.app.cli import sentences, words
from keeper.app.cli.output import table
from keeper.core.model.ladder import Layer, Position
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView
from keeper.core.signals.prices import price_at_sqrt
from keeper.core.strategy.valuation import positions_quote, protected_price, worth


def document(view: MarketView, policy: Policy) -> dict[str, Any]:
    """The ladder at the view's block; amounts as exact decimal text, prices and values as floats in tokens of the quote."""
    held = worth(view, policy)
    return {
        "block": view.block.number,
        "timestamp_s": view.now_s,
        "quote": policy.quote.symbol,
        "base": policy.base.symbol,
        "price": held.price,
        "total_quote": held.total,
        "wallet_quote": held.wallet,
        "positions": [_position(view, policy, layer, position) for layer in view.ladder.layers for position in layer.positions],
    }


def _position(view: MarketView, policy: Policy, layer: Layer, position: Position) -> dict[str, Any]:
    pool = view.pool(position.pool)
    key = pool.state.key
    low, high = sentences.edges(policy, position.range.lower, position.range.upper)
    spot = price_at_sqrt(policy, pool.state.sqrt_price_x96)
    return {
        "token_id": position.token_id,
        "layer": layer.kind.value,
        "pool": key.address,
        "fee_pips": key.fee_pips,
        "tick_lower": position.range.lower,
        "tick_upper": position.range.upper,
        "price_lower": low,
        "price_upper": high,
        "price": spot,
        "in_range": position.range.contains(pool.state.tick),
        "to_lower": low / spot - 1,
        "to_upper": high / spot - 1,
        "liquidity": str(position.liquidity),
        "amounts": {
            key.token0.symbol: words.exact(position.amount0, key.token0.decimals),
            key.token1.symbol: words.exact(position.amount1, key.token1.decimals),
        },
        "fees": {
            key.token0.symbol: words.exact(position.fees0, key.token0.decimals),
            key.token1.symbol: words.exact(position.fees1, key.token1.decimals),
        },
        "value_quote": positions_quote(policy, protected_price(view, policy), (position,)),
    }


def render(view: MarketView, policy: Policy) -> list[RenderableType]:
    """The same for a person."""
    told = document(view, policy)
    quote = policy.quote.symbol
    head = Text(
        f"{policy.base.symbol} at {words.money(told['price'], quote)}, block {view.block.number}, {words.utc(view.now_s)}"
    )
    if not told["positions"]:
        return [head, Text("no positions")]
    columns = ("layer", "#", "pool", "range", "to lower", "to upper", "", "holds", "fees", "value")
    rows = [
        (
            one["layer"],
            str(one["token_id"]),
            sentences.fee(one["fee_pips"]),
            f"{one['price_lower']:,.2f} to {one['price_upper']:,.2f}",
            words.percent(one["to_lower"], signed=True),
            words.percent(one["to_upper"], signed=True),
            "in range" if one["in_range"] else "out",
            _pair(view, position, position.amount0, position.amount1),
            _pair(view, position, position.fees0, position.fees1),
            words.money(one["value_quote"], quote),
        )
        for one, position in zip(told["positions"], view.ladder.positions, strict=True)
    ]
    total = Text(
        f"in all {words.money(told['total_quote'], quote)}, of it {words.money(told['wallet_quote'], quote)} in the wallet"
    )
    return [head, table("Ladder", columns, rows, right=("#", "to lower", "to upper", "value")), total]


def _pair(view: MarketView, position: Position, raw0: int, raw1: int) -> str:
    key = view.pool(position.pool).state.key
    return f"{words.amount(key.token0, raw0)} + {words.amount(key.token1, raw1)}"
