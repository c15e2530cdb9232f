"""The licences of a model's training data: what is known of them, and what they forbid."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from judge.errors import UsageError

KNOWN = {
    "nvidia/HelpSteer": "cc-by-4.0",
    "nvidia/HelpSteer2": "cc-by-4.0",
    "nvidia/HelpSteer3": "cc-by-4.0",
}
"""Hub data sets whose cards name their licence."""
_FORBIDS = re.compile(r"(^|-)(nc|nd)(-|$)|^(proprietary|none|no-license)$")
"""Licences under which a model trained on the data cannot simply be published: not for commerce, no
derived works, or none at all. Whether a model is a derived work is for lawyers; so we ask."""


def licences_of(inputs: Iterable[str], given: Iterable[str] = ()) -> dict[str, str | None]:
    """Return the licence of every input of a model's training data; None where it is not known.

    Args:
        inputs: names of files or hub ids, as the model's manifest has them.
        given: ``NAME=LICENCE`` for an input, or ``LICENCE`` alone for all that are not known.

    Raises:
        UsageError: for a name that is no input of the data.
    """
    found = {name: KNOWN.get(name) for name in inputs}
    for text in given:
        name, named, licence = text.rpartition("=")
        if named and name not in found:
            raise UsageError(f"--data-licence {text}: the data's inputs are {', '.join(found)}")
        for one in [name] if named else [n for n in found if found[n] is None]:
            found[one] = licence.strip().lower()
    return found


def objections(licences: Mapping[str, str | None]) -> list[str]:
    """Return why a model of data under these licences should not be published, a line a reason."""
    if not licences:
        return ["the manifest names no training data"]
    reasons = []
    for name, licence in licences.items():
        if licence is None:
            reasons.append(f"the licence of {name} is not known")
        elif _FORBIDS.search(licence):
            reasons.append(f"{name} is under {licence}")
    return reasons
