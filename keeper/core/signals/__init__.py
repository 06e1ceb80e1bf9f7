"""What is measured of the market: ``read`` is the one public function."""

from keeper.core.signals.registry import read

__all__ = ["read"]
