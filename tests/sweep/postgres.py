"""A PostgreSQL server of a test's own, from the distribution's packages."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

_KEPT_BY_DEBIAN = Path("/usr/lib/postgresql")


def binaries() -> Path | None:
    """Folder of ``initdb`` and ``pg_ctl``; None where there is no server."""
    found = sorted(_KEPT_BY_DEBIAN.glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("pg_ctl")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def running_server(programs: Path) -> Generator[str]:
    """A server on a free port of the loopback, with nothing in it; gives its address."""
    # the server refuses to run as root, and must reach its folder: pytest's own are closed to others
    folder = Path(mkdtemp(prefix="keeper-postgres-"))
    as_owner: tuple[str, ...] = ()
    if os.geteuid() == 0:
        as_owner = ("runuser", "-u", "postgres", "--")
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, log = folder / "data", folder / "log"

    def call(program: str, *words: str) -> None:
        subprocess.run([*as_owner, str(programs / program), *words], check=True, capture_output=True, cwd=folder, timeout=60)

    try:
        call("initdb", "-D", str(data), "-U", "keeper", "-A", "trust", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        call("pg_ctl", "-D", str(data), "-l", str(log), "-w", "-o", options, "start")
        try:
            yield f"postgresql://keeper@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
