"""How often a judge's run folder prefers what people preferred, by the source of the pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from judge.judgment import Judgment, Preference
from judge.metrics.accuracy import by_source
from judge.runs.folder import JUDGMENTS
from judge.runs.jsonlines import read_rows
from judge.runs.whole import write_whole
from judge.train.evaluation.labelled import Labelled

FIGURES = ("both_orders", "one_order", "consistent")
"""Accuracy of the judgments (both orders reconciled), of each order's verdict by itself, and the
share of pairs on which both orders chose the same response."""


def write_pairs(pairs: Iterable[Labelled], path: Path) -> None:
    """Write the pairs as ``judge batch`` reads them, without label and source."""
    write_whole(path, "".join(f"{one.pair.model_dump_json()}\n" for one in pairs))


def measure(folder: Path, pairs: Sequence[Labelled]) -> dict[str, dict[str, list[float]]]:
    """Return each of :data:`FIGURES` by source, as ``[hits, of]``.

    A pair without a judgment counts as wrong, and as inconsistent; so does a judgment without a
    preference. ``one_order`` counts every order of a pair half; of a reward model, which sees no
    order, it is ``both_orders``.

    Raises:
        UsageError: when a judgment in ``folder`` is damaged.
    """
    sources = [one.source for one in pairs]
    return {
        figure: {
            source: found.to_json()
            for source, found in by_source(zip(sources, hits, strict=True)).items()
        }
        for figure, hits in hits_of(folder, pairs).items()
    }


def hits_of(folder: Path, pairs: Sequence[Labelled]) -> dict[str, list[float]]:
    """Return each of :data:`FIGURES` of every pair, 0 to 1, in the order of ``pairs``.

    Raises:
        UsageError: when a judgment in ``folder`` is damaged.
    """
    known = {j.pair_id: j for j in read_rows(folder / JUDGMENTS, Judgment.from_json)}
    found = [_hits(known.get(one.pair.pair_id), one.preferred) for one in pairs]
    return {figure: [hits[figure] for hits in found] for figure in FIGURES}


def _hits(judgment: Judgment | None, preferred: Preference) -> dict[str, float]:
    if judgment is None:
        return dict.fromkeys(FIGURES, 0.0)
    wanted = 1 if preferred == "response_2" else -1
    seen = {o: v if o == "given" else v.flipped() for o, v in judgment.orders.items()}
    right = [verdict.strength * wanted > 0 for verdict in seen.values()]
    both = float(judgment.preference == preferred)
    return {
        "both_orders": both,
        "one_order": sum(right) / len(right) if right else both,
        "consistent": float(bool(judgment.consistent)),
    }


def failures_in(folder: Path, pairs: Sequence[Labelled]) -> int:
    """Return how many of the pairs have no judgment in a run folder."""
    known = {j.pair_id for j in read_rows(folder / JUDGMENTS, Judgment.from_json)}
    return sum(one.pair.pair_id not in known for one in pairs)
