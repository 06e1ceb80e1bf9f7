"""``python -m keeper``."""

from keeper.app.cli.main import run

run()
