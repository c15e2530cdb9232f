"""``python -m app.beside ARGUMENTS``: the command line ``judge ARGUMENTS``, for as long as whoever
started it holds the other end of its standard input.

A process that is killed cannot end those it started; but its pipes close.
"""

from __future__ import annotations

import os
import runpy
import signal
from threading import Thread


def _end_with_the_parent() -> None:
    while os.read(0, 1024):  # not through a file object: its lock would outlive the interpreter
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    Thread(target=_end_with_the_parent, daemon=True).start()
    runpy.run_module("judge.cli", run_name="__main__", alter_sys=True)
