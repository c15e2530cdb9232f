"""A row's consensus under the rules of a configuration, compared with the released one."""

from __future__ import annotations

from judge.annotated import AnnotatedPair
from judge.consensus import Consensus, consensus, round_mean
from judge.data.config import PrepareConfig
from judge.data.outcome import Outcome
from judge.data.tally import RELEASED_TABLES

_TABLES = dict(zip(("strength", "similar"), RELEASED_TABLES, strict=True))


def agreed_strength(config: PrepareConfig, row: AnnotatedPair, outcome: Outcome) -> Consensus:
    """Return the row's consensus; the rule that drops the row, if one does, is set in ``outcome``.

    Where the file came with a consensus (``preference_strength``), or with the strengths it was
    made of (``three_most_similar_preferences``), ours is compared before the rules that drop pairs:
    the released files hold pairs that spread too far, and zeros.
    """
    agreed = consensus(
        row.annotations,
        similar=config.similar,
        max_spread=config.max_spread,
        keep_zeros=config.zeros,
    )
    if row.annotations:
        _compare(row, agreed, outcome)
    elif row.released_strength == 0:  # said to be level, with nothing that can be counted
        agreed = Consensus(strength=None, dropped="zero")
    if row.pair.response_1 == row.pair.response_2:
        outcome.dropped = "identical_responses"
    elif agreed.strength is None:
        outcome.dropped = agreed.dropped
    return agreed


def _compare(row: AnnotatedPair, agreed: Consensus, outcome: Outcome) -> None:
    kept = sorted(row.annotations[i].strength for i in agreed.kept)
    ours = {"strength": round_mean(kept) if kept else None, "similar": kept}
    similar = row.released_similar
    released = {
        "strength": row.released_strength,
        "similar": sorted(similar) if similar else None,
    }
    given = [name for name, value in released.items() if value is not None]
    differ = [name for name in given if released[name] != ours[name]]
    for name in given:
        outcome.count(_TABLES[name], "differs" if name in differ else "same")
    if differ:
        outcome.disagreement = {
            "pair_id": row.pair.pair_id,
            "source": row.source,
            "differ": differ,
            "ours": ours,
            "released": released,
            "annotations": [annotation.strength for annotation in row.annotations],
        }
