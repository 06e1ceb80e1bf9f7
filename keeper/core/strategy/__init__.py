"""What to do: ``decide`` is the one public function, ``advance`` keeps what the next cycle must remember."""

from keeper.core.strategy.decide import decide, exit_decision
from keeper.core.strategy.memory import advance

__all__ = ["advance", "decide", "exit_decision"]
