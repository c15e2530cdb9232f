"""Servers as processes: what the tests of serving, and of those who ask a server, share."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def process(*arguments: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server that listens, and its address."""
    server = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        text=True,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert server.stderr
        for line in server.stderr:
            if found := re.search(r"listening on (http://\S+:\d+) ", line):
                yield server, found[1]
                return
        raise AssertionError("the server ended")
    finally:
        server.kill()
        server.communicate()


def wait_for(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("waited for nothing")
