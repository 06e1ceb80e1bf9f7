"""Encrypted keys. A key or passphrase comes from a prompt, stdin or a file: arguments are seen by every process."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from rich.text import Text

from keeper.adapters.tx import keystore
from keeper.adapters.tx.secret_file import read_secret
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.session import Session
from keeper.core.model.errors import ConfigError


def new(session: Session, path: Path, passphrase_file: Path | None) -> ExitCode:
    """A key from the system's randomness."""
    return _create(session, path, keystore.new_key(), passphrase_file)


def import_key(session: Session, path: Path, passphrase_file: Path | None) -> ExitCode:
    """A key that somebody already has."""
    key = getpass.getpass("private key (64 hex digits): ") if sys.stdin.isatty() else sys.stdin.readline()
    return _create(session, path, key.strip(), passphrase_file)


def _create(session: Session, path: Path, key: str, passphrase_file: Path | None) -> ExitCode:
    passphrase = _ask() if passphrase_file is None else read_secret(passphrase_file)
    address = keystore.create(path, key, passphrase)
    told = [f"address {address}", f"wrote {path}; back it up together with its passphrase, nobody can restore either"]
    session.out.show({"address": address, "keystore": str(path)}, *(Text(line) for line in told))
    return ExitCode.OK


def _ask() -> str:
    if not sys.stdin.isatty():
        raise ConfigError(["a passphrase is needed: --passphrase-file, or a terminal to ask on"])
    first, second = getpass.getpass("new passphrase: "), getpass.getpass("once more: ")
    if first != second:
        raise ConfigError(["the two passphrases differ"])
    return first
