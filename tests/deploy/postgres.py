"""A PostgreSQL of one's own, on loopback, from the programs of Debian's package."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.remote.conftest import free_port, wait_for_port

BINARIES = Path("/usr/lib/postgresql")
USER = "postgres"


def missing() -> str | None:
    """Why there can be none here."""
    if _folder() is None:
        return f"no PostgreSQL in {BINARIES} or on PATH (apt-get install postgresql)"
    if os.getuid() == 0 and _unprivileged() is None:
        return f"PostgreSQL does not run as root, and there is no user {USER}"
    return None


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The URL of an empty database of a server that ends with this.

    Args:
        folder: An empty folder that is the server's alone.
    """
    binaries = _folder()
    assert binaries is not None
    user = _unprivileged() if os.getuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    data, port = folder / "data", free_port()
    log = (folder / "log").open("w")
    subprocess.run(
        [
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "prefect",
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
        ],
        check=True,
        cwd=folder,
        user=user,
        stdout=log,
    )
    quick = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    server = subprocess.Popen(
        [
            *(binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", ""),
            *(word for setting in quick for word in ("-c", setting)),
        ],
        cwd=folder,
        user=user,
        stdout=log,
        stderr=log,
    )
    try:
        wait_for_port(port, server)
        yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"
    finally:
        # SIGINT: it ends its connections, and does not wait for clients to go.
        server.send_signal(2)
        server.wait(240)
        log.close()


def _folder() -> Path | None:
    versions = sorted(BINARIES.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _unprivileged() -> str | None:
    try:
        return pwd.getpwnam(USER).pw_name
    except KeyError:
        return None
