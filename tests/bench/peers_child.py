"""What a Python rival is asked to do; run by the interpreter of its own environment, and knows nothing of this project.

A line of JSON comes in, ``{"task": ..., ...}``, and a line goes out. Seconds are of the processor, loading apart.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from datetime import date
from decimal import Decimal
from itertools import starmap


class Demeter:
    """zelos-demeter over minutes of a pool of USDC and WETH."""

    def __init__(self) -> None:
        from demeter import MarketInfo, TokenInfo
        from demeter.uniswap import UniV3Pool

        self.usdc, self.weth = TokenInfo("usdc", 6), TokenInfo("weth", 18)
        self.pool, self.market_info = UniV3Pool(self.usdc, self.weth, 0.05, self.usdc), MarketInfo("pool")
        self.data = self.prices = None

    def load(self, folder, chain, pool, first, last):
        """Take minutes in; how many."""
        from demeter.uniswap import UniLpMarket

        market = UniLpMarket(self.market_info, self.pool, data_path=folder)
        market.load_data(chain, pool, date.fromisoformat(first), date.fromisoformat(last))
        self.data, self.prices = market.data, market.get_price_from_data()
        return len(market.data)

    def _run(self, strategy, usdc, weth):
        from demeter import Actuator
        from demeter.broker import Asset
        from demeter.uniswap import UniLpMarket

        market, actuator = UniLpMarket(self.market_info, self.pool, data=self.data), Actuator()
        actuator.broker.add_market(market)
        actuator.set_assets([Asset(self.usdc, Decimal(usdc)), Asset(self.weth, Decimal(weth))])
        actuator.set_price(self.prices)
        actuator.strategy = strategy
        start_s = time.process_time()
        actuator.run(print_result=False)
        return time.process_time() - start_s, market, actuator.final_status

    def static(self, positions, sqrt_price_x96):
        """Hold positions from the first minute to the last: what each earned, and its value at the last price."""
        from demeter import Strategy

        class Static(Strategy):
            """Opens everything at the start."""

            def initialize(self):
                """Open."""
                market = next(iter(self.broker.markets.values()))
                for one in positions:
                    market.add_liquidity_by_tick(
                        one["lower"],
                        one["upper"],
                        base_max_amount=Decimal(one["weth"]),
                        quote_max_amount=Decimal(one["usdc"]),
                        sqrt_price_x96=int(sqrt_price_x96),
                    )

        needed = [sum(Decimal(one[token]) for one in positions) for token in ("usdc", "weth")]
        took_s, market, _ = self._run(Static(), *needed)
        states = []
        for info, position in market.positions.items():
            amount0, amount1 = market.get_position_amount(info)
            states.append(
                {
                    "liquidity": int(position.liquidity),
                    "fees": [str(position.pending_amount0), str(position.pending_amount1)],
                    "amounts": [str(amount0), str(amount1)],
                }
            )
        return {"seconds": took_s, "price": str(market.market_status.data.price), "positions": states}

    def recentred(self, half_widths, usdc, weth):
        """Layers around the price, put anew around it when it has left the first: seconds, moves, value at the end."""
        from demeter import Strategy

        class Recentred(Strategy):
            """Judged every minute by the close of the minute before."""

            moves = -1
            core = (0, 0)

            def on_bar(self, _):
                """Act when the price is outside."""
                market = next(iter(self.broker.markets.values()))
                tick = market.price_to_tick(market.market_status.data.price)
                if self.core[0] <= tick < self.core[1]:
                    return
                self.moves += 1
                market.remove_all_liquidity()
                market.even_rebalance()
                centre = tick // 10 * 10
                self.core = (centre - half_widths[0], centre + half_widths[0])
                for left, half_width in zip(range(len(half_widths), 0, -1), half_widths, strict=True):
                    market.add_liquidity_by_tick(
                        centre - half_width,
                        centre + half_width,
                        base_max_amount=self.broker.get_token_balance(market.base_token) / left,
                        quote_max_amount=self.broker.get_token_balance(market.quote_token) / left,
                    )

        strategy = Recentred()
        took_s, _, status = self._run(strategy, usdc, weth)
        return {"seconds": took_s, "moves": strategy.moves, "value": str(status.net_value)}


class Steps:
    """A rival's swap step, without the rest of its pool."""

    def __init__(self, name) -> None:
        if name == "degenbot":
            from degenbot.uniswap.v3_libraries.swap_math import compute_swap_step as step
        else:
            from uniswappy.utils.tools.v3 import SwapMath

            step = SwapMath.computeSwapStep
        self.step = step
        self.inputs = []

    def steps(self, inputs):
        """Take steps in: price, target, liquidity, amount, fee."""
        self.inputs = [[int(value) for value in one] for one in inputs]
        return len(self.inputs)

    def run(self, salt):
        """All of them, every amount moved by ``salt`` so that no cache remembers it: seconds, and the sum of all results."""
        asked = [(now, target, liquidity, amount + salt, fee) for now, target, liquidity, amount, fee in self.inputs]
        step = self.step
        start_s = time.process_time()
        found = list(starmap(step, asked))
        took_s = time.process_time() - start_s
        return {"seconds": took_s, "sum": str(sum(map(sum, found)))}


def main(name) -> None:
    """Answer until nothing more is asked."""
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        rival = Demeter() if name == "demeter" else Steps(name)
        for line in sys.stdin:
            asked = json.loads(line)
            task = asked.pop("task")
            answer = True if task == "hello" else getattr(rival, task)(**asked)
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
