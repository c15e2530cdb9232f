"""How much a text repeats itself."""

from __future__ import annotations


def repetition(text: str, size: int = 4) -> float:
    """Return the share of a text's runs of ``size`` words that stood in it before, 0 to 1.

    0 for a text of fewer words.
    """
    words = text.split()
    runs = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0
