"""A PostgreSQL server of our own for the tests, in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "review"
# Versions in Debian's and Ubuntu's place, then whatever is on the path.
_PLACES = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),)


def binaries() -> Path | None:
    """Return the folder of ``initdb`` and ``postgres``, None where there is none."""
    for place in _PLACES:
        if (place / "initdb").exists():
            return place
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


@contextmanager
def server(sync: bool = False) -> Iterator[str]:
    """Start a server; yield the URL of its database ``postgres``.

    Args:
        sync: whether it lies on a disk and syncs to it; a power cut is not what tests are about.

    PostgreSQL refuses to run as root, so root hands the folder to an unprivileged user.
    """
    programs = binaries()
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="pj-postgres-", dir=None if sync else in_memory()))
    data = folder / "data"
    try:
        as_user = _unprivileged(folder)
        subprocess.run(
            [*as_user, programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "-N"],
            check=True,
            capture_output=True,
            cwd=folder,
        )
        port = _free_port()
        options = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": folder,
            "max_connections": 200,
            "shared_buffers": "32MB",
            "fsync": "on" if sync else "off",
        }
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [*as_user, programs / "postgres", "-D", data, *flags],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
        try:
            _wait(port, process, folder / "log")
            yield f"postgresql+psycopg://{USER}@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait(30)
            log.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def in_memory() -> Path | None:
    """Return a folder that lies in memory, where there is one: the tests sync often."""
    place = Path("/dev/shm")
    return place if os.access(place, os.W_OK) else None


def _unprivileged(folder: Path) -> list[str | Path]:
    """Return what goes before a command so that it does not run as root."""
    if os.geteuid() != 0:
        return []
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(folder, user.pw_uid, user.pw_gid)
        ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        return ["setpriv", *ids]
    raise AssertionError("no unprivileged user to run PostgreSQL as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            psycopg.connect(
                host="127.0.0.1", port=port, user=USER, dbname="postgres", connect_timeout=2
            ).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError(f"PostgreSQL did not start:\n{log.read_text()}")
