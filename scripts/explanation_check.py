"""Measure the rule that holds explanations against statements, on reasons that people wrote.

    python scripts/explanation_check.py DATA/human_pairs/test/preference.jsonl.gz

A person's reason speaks for the response that the same person preferred: a flag on it is a false
alarm. The same reason under the exchanged statement is a contradiction that should be flagged.
Recall is the share of those that are; precision that of true contradictions among the flags when
there are as many of one kind as of the other. Rows with a ``source`` are also counted by it.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import defaultdict

from judge.compare.polarity import SURE, read
from judge.metrics.intervals import wilson


class Count:
    """The reasons of one source, read."""

    def __init__(self) -> None:
        self.reasons = 0
        self.found = {score: [0, 0] for score in (1, SURE)}
        """At least so sure: [for the exchanged statement, for the true one]."""

    def add(self, reason: str, strength: int) -> None:
        self.reasons += 1
        reading = read(reason)
        right = reading.favours == (1 if strength < 0 else 2)
        for score, (caught, alarms) in self.found.items():
            if reading.score >= score:
                self.found[score] = [caught + right, alarms + (not right)]

    def lines(self, name: str) -> list[str]:
        lines = []
        for score, (caught, alarms) in self.found.items():
            flags = caught + alarms
            precision = share(caught, flags) if flags else "-"
            cells = [name, f"{self.reasons:,}", str(score), precision]
            cells += [share(caught, self.reasons), share(alarms, self.reasons)]
            lines.append("| " + " | ".join(cells) + " |")
        return lines


def share(count: int, n: int) -> str:
    low, high = wilson(count, n)
    return f"{100 * count / n:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def main(path: str) -> None:
    """Print the table of one file in HelpSteer2-Preference's layout."""
    counts: dict[str, Count] = defaultdict(Count)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            for annotation in row["all_preferences_unprocessed"]:
                # What stands before is the statement.
                _, _, reason = annotation["justification"].partition(". ")
                if reason and annotation["strength"] in (-3, -2, -1, 1, 2, 3):
                    for name in {"all", row.get("source", "all")}:
                        counts[name].add(reason, annotation["strength"])
    print("| source | reasons | score | precision, 95 % | recall | false alarms |")
    print("|---|---|---|---|---|---|")
    for name in sorted(counts):
        print("\n".join(counts[name].lines(name)))


if __name__ == "__main__":
    main(sys.argv[1])
