"""Which response of each probed pair is the better one: by a file, or by the input's own labels."""

from __future__ import annotations

from judge.compare.config import COLUMN
from judge.compare.labels import Labels, labels_of_column, labels_of_input, read_labels
from judge.compare.matching import Part, match
from judge.compare.metadata import read_metadata
from judge.compare.probes.config import ORIGINAL, ProbeConfig
from judge.compare.systems import Decision, Origin, System
from judge.errors import UsageError
from judge.formats.sources import open_source
from judge.reward import Preference


def better_responses(config: ProbeConfig) -> dict[str, Preference]:
    """Return the better response of each original pair that has one, by pair id.

    Pairs and labels are matched as :func:`judge.compare.matching.match` does, by id and content.

    Raises:
        UsageError: when ``config.labels`` is no file or column of labels. An input without any is
            fine where none are asked for.
    """
    pairs = read_metadata(_origin(config, str(config.sets / f"{ORIGINAL}.jsonl")))
    labels = _labels(config)
    if labels is None:
        return {}
    asked = System("pairs", "baseline", {pair_id: Decision(None) for pair_id in pairs})
    match(
        [
            Part("pairs", (asked,), pairs),
            Part(labels.people.name, (labels.people,), labels.metadata, adds_pairs=False),
        ]
    )
    return {
        pair_id: decision.preference
        for pair_id, decision in labels.people.decisions.items()
        if decision.preference is not None
    }


def _labels(config: ProbeConfig) -> Labels | None:
    origin = _origin(config, config.input)
    if config.labels is None:
        try:
            return labels_of_input(origin, config.label_rule)
        except UsageError:  # no label in it, or the standard input
            return None
    column = config.labels.removeprefix(COLUMN)
    if column == config.labels:
        return read_labels(config.labels, config.label_rule)
    return labels_of_column(read_metadata(origin, (column,)), column, config.label_rule)


def _origin(config: ProbeConfig, name: str) -> Origin:
    where = config.split, config.subset, config.revision
    return Origin(
        config.out,
        name,
        *where,
        strip_thinking=config.strip_thinking,  # nothing is left to strip in the original set
        empty_responses=config.empty_responses,
        identity=open_source(name, *where).identity(),
    )
