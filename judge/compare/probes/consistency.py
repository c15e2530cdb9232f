"""Self-consistency: does a judge that draws its words come to the same preference every time?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from judge.compare.probes.answers import failure_of
from judge.compare.probes.figures import Figure, mean, share
from judge.compare.systems import System

RULE = (
    "Every pair is judged several times, its words sampled again. No preference is an outcome like"
    " the other two. A pair with a failure in any sample is left out."
)
NAMES = ("consistency.majority", "consistency.entropy")


def consistency(samples: Sequence[System]) -> list[Figure]:
    """Return the agreement of a judge's samples with their majority, and their entropy.

    Args:
        samples: the same judge on the same pairs, at least twice.
    """
    left_out: Counter[str] = Counter()
    agreements, entropies = [], []
    for pair_id in samples[0].decisions:
        decisions = [sample.decisions.get(pair_id) for sample in samples]
        reasons = [reason for d in decisions if (reason := failure_of(d)) is not None]
        if reasons:
            left_out[reasons[0]] += 1
            continue
        counts = Counter(d.preference for d in decisions if d is not None).values()
        shares = [count / len(samples) for count in counts]
        agreements.append(max(shares))
        entropies.append(-math.fsum(p * math.log2(p) for p in shares))
    name = samples[0].name
    return [
        share(NAMES[0], name, agreements, left_out),
        mean(NAMES[1], name, entropies, (0.0, math.log2(3)), left_out),
    ]
