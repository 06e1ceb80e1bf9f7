"""Bringing a journal to this code's schema."""

from __future__ import annotations

from sqlalchemy import Connection

from keeper.adapters.store.database import revision_of
from keeper.adapters.store.tables import REVISION
from keeper.core.model.errors import ConfigError


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, all in the transaction of ``connection``: a kill leaves the old schema whole.

    Raises:
        ConfigError: the journal was written by a newer keeper, or is not a journal.
    """
    found = revision_of(connection)
    if found == REVISION:
        return
    # imported here because only the first start and an upgrade need it
    from alembic import command  # ruff: ignore[import-outside-top-level] - see above
    from alembic.config import Config  # ruff: ignore[import-outside-top-level] - see above
    from alembic.script import ScriptDirectory  # ruff: ignore[import-outside-top-level] - see above

    config = Config()
    config.set_main_option("script_location", "keeper.adapters.store:migrations")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise ConfigError(
            [f"the journal's schema is {found}, newer than this keeper's {REVISION}: install the keeper that wrote it"]
        )
    config.attributes["connection"] = connection
    command.upgrade(config, REVISION)
