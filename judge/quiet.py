"""What other libraries would say on the screen: nothing but errors.

A command shows its own lines. What a library has to say to its programmers (bars while weights are
loaded, advice on newer arguments, deprecations) is no news to the person who runs it, and what goes
wrong comes as an error. DeepSpeed's warnings of a configuration stay, as lines of ours.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings

_ENVIRONMENT = {
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # transformers' own bars follow it
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}
"""What libraries read when they are first imported."""
_NO_NEWS = ("Setting accelerator to CPU",)
"""Beginnings of what DeepSpeed warns of although nobody did anything wrong."""


def quiet() -> None:
    """Keep other libraries' talk from the screen of this process and those that it starts.

    To be called before they are imported. What a person has set in the environment stays, and with
    ``python -W`` or ``PYTHONWARNINGS`` Python's warnings do.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    if logging.lastResort is not None:  # what loggers without a handler are printed by
        logging.lastResort.setLevel(logging.ERROR)
    logging.getLogger("DeepSpeed").addFilter(_deepspeed)


def _deepspeed(record: logging.LogRecord) -> bool:
    """Say in our own line, on standard error, what DeepSpeed would print on standard output."""
    text = " ".join(record.getMessage().split())
    first = os.environ.get("RANK", "0") == "0"
    if record.levelno >= logging.WARNING and first and not text.startswith(_NO_NEWS):
        print(f"{record.levelname.lower()}: DeepSpeed: {text}", file=sys.stderr, flush=True)
    return False
