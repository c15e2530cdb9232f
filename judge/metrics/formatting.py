"""Figures as people read them; a dash where there is none."""

from __future__ import annotations

from judge.metrics.estimate import Estimate

DASH = "-"


def share(estimate: Estimate) -> str:
    """Return a share in per cent."""
    return DASH if estimate.value is None else f"{100 * estimate.value:.1f} %"


def share_and_interval(estimate: Estimate) -> str:
    """Return a share in per cent with its interval."""
    if estimate.value is None or estimate.interval is None:
        return share(estimate)
    low, high = estimate.interval
    return f"{share(estimate)} [{100 * low:.1f}, {100 * high:.1f}]"


def points(estimate: Estimate) -> str:
    """Return a difference of shares in percentage points with its interval."""
    if estimate.value is None:
        return DASH
    ends = ""
    if estimate.interval is not None:
        ends = f" [{100 * estimate.interval[0]:+.1f}, {100 * estimate.interval[1]:+.1f}]"
    return f"{100 * estimate.value:+.1f}{ends}"


def decimal(estimate: Estimate, places: int = 3) -> str:
    """Return a figure that is no share."""
    return number(estimate.value, places)


def number(value: float | None, places: int) -> str:
    """Return a number to so many places."""
    return DASH if value is None else f"{value:,.{places}f}"


def p_value(p: float | None) -> str:
    """Return the p of a test."""
    if p is None:
        return DASH
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
