"""What it all came to: ``open_books`` once, ``post`` each cycle, ``mark`` whenever someone asks."""

from keeper.core.ledger.accounts import open_books, post
from keeper.core.ledger.marks import mark

__all__ = ["mark", "open_books", "post"]
