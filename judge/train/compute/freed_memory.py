"""Memory that a training step frees and the next one asks for again, kept by the process."""

from __future__ import annotations

import ctypes
import sys

import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""glibc's numbers of these parameters (``malloc.h``)."""
_LARGEST = 32 << 20
"""glibc's own limit of the second one, in bytes."""


def keep_freed_memory() -> None:
    """Tell glibc's allocator not to give blocks below 32 MiB back to the system.

    It gives every activation back as soon as it is freed, and the system clears each page anew for
    the next one: a tenth of the processor's time where the tensors are small. Peak memory stays
    what it is. On a GPU, and where the C library is another one, nothing is done.
    """
    if torch.cuda.is_available() or not sys.platform.startswith("linux"):
        return
    change = getattr(ctypes.CDLL(None), "mallopt", None)
    if change is not None:
        change(_MMAP_THRESHOLD, _LARGEST)
        change(_TRIM_THRESHOLD, 2**31 - 1)
