"""Waiting."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Lets time pass; on a simulated market this is what moves it."""

    def pause(self, seconds: float) -> None:
        """Return after about ``seconds``; may return early when the process is asked to stop."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary start, never going back."""
        ...
