"""Leaving with everything takes the right words."""

from __future__ import annotations

import io
import sys

import pytest

from keeper.app.cli import act
from keeper.app.settings import load
from keeper.core.model.errors import ConfigError
from keeper.core.strategy.valuation import worth
from tests.builders import ladder, policy, view

HELD = view(held=ladder())


class Typed(io.StringIO):
    isatty = staticmethod(lambda: True)


def confirm(monkeypatch, text: str, *, terminal: bool = True) -> str:
    told = io.StringIO()
    monkeypatch.setattr(sys, "stdin", Typed(text) if terminal else io.StringIO(text))
    monkeypatch.setattr(sys, "stderr", told)
    act._confirm(load(environ={}).settings, HELD, policy())
    return told.getvalue()


def expected() -> str:
    held = worth(HELD, policy())
    return f"mainnet {round(held.total - held.wallet)}"


def test_chain_and_amount_are_typed(monkeypatch):
    told = confirm(monkeypatch, expected() + "\n")
    assert "#1001 core" in told
    assert f'Type "{expected()}"' in told


@pytest.mark.parametrize("text", ["", "yes\n", "mainnet\n", "local 1\n"])
def test_anything_else_does_nothing(monkeypatch, text):
    with pytest.raises(ConfigError, match="nothing was done"):
        confirm(monkeypatch, text)


def test_without_a_terminal_it_is_not_asked(monkeypatch):
    with pytest.raises(ConfigError, match="--yes"):
        confirm(monkeypatch, expected(), terminal=False)


@pytest.mark.parametrize(("flags", "kind"), [({}, "interval[0:01:00]"), ({"run.cron": "*/5 * * * *"}, "cron[")])
def test_the_schedule_is_the_crontab_line_or_the_interval(flags, kind):
    assert str(act.trigger(load(environ={}, flags=flags).settings)).startswith(kind)
