"""Reading files that hold secrets, with distrust; imports nothing heavy."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from keeper.core.model.errors import ConfigError

_LARGEST_FILE = 65_536
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_secret(path: Path) -> str:
    """The text of a secret file without its line end.

    Raises:
        ConfigError: it is missing, a link, not a plain file, not ours, open to others, too large, not text or empty.
    """
    text = read_text(path, private=True).removesuffix("\n").removesuffix("\r")
    if not text:
        raise ConfigError([f"{path} is empty"])
    return text


def read_text(path: Path, *, private: bool) -> str:
    """The whole text of a small plain file; links are not followed.

    Args:
        path: file.
        private: refuse it unless it belongs to this user and is closed to all others.

    Raises:
        ConfigError: it is missing, a link, not a plain file, too open, too large or not text.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError([f"{path} cannot be read: {error.strerror} (links are not followed)"]) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError([f"{path} is not a plain file"])
        if private and (found.st_mode & _OTHERS or found.st_uid != os.geteuid()):
            raise ConfigError([f"{path} must belong to this user and be closed to others: chmod 600"])
        content = os.read(descriptor, _LARGEST_FILE + 1)
    finally:
        os.close(descriptor)
    if len(content) > _LARGEST_FILE:
        raise ConfigError([f"{path} is larger than {_LARGEST_FILE} bytes"])
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ConfigError([f"{path} is not text"]) from None
