"""Agreement of several people's ratings by attribute, before and after HelpSteer2's rules."""

from __future__ import annotations

from judge.annotated import ATTRIBUTES, MAX_RATING, RatedResponse
from judge.consensus import most_similar
from judge.data.ratings import nearest_first, rating_consensus
from judge.data.split import prompt_key
from judge.data.statistics.helpfulness import RatingIndex
from judge.data.statistics.numbers import share
from judge.data.statistics.report import RatingsAgreement, RatingsDropped, RatingsReport
from judge.metrics.agreement import AgreementCounts
from judge.pair import Pair

SCALE = tuple(range(MAX_RATING + 1))


class RatingCounts:
    """Counts ratings and remembers helpfulness: released means, and means of people's ratings.

    Args:
        similar: how many people's ratings are kept, those most similar on helpfulness; None: all.
        max_spread: responses whose kept helpfulness differs by more are dropped; None: none is.
    """

    def __init__(self, similar: int | None, max_spread: int | None) -> None:
        self._similar, self._max_spread = similar, max_spread
        self.responses = self._several = self._dropped = self._not_whole = 0
        self._collected = {name: AgreementCounts(SCALE) for name in ATTRIBUTES}
        self._kept = {name: AgreementCounts(SCALE) for name in ATTRIBUTES}
        self._released, self._computed = RatingIndex(), RatingIndex()

    def add(self, row: RatedResponse) -> None:
        """Count one rated response."""
        self.responses += 1
        if all(len(values) == 1 for values in row.ratings.values()):
            if "helpfulness" in row.ratings:
                self._released.add(
                    prompt_key(row.prompt), row.response, row.ratings["helpfulness"][0]
                )
            return
        self._several += 1
        agreed = rating_consensus(row.ratings, similar=self._similar, max_spread=self._max_spread)
        self._dropped += agreed.dropped is not None
        if "helpfulness" in agreed.means:
            self._computed.add(prompt_key(row.prompt), row.response, agreed.means["helpfulness"])
        if any(value % 1 for values in row.ratings.values() for value in values):
            # Means, not people's ratings: agreement has no meaning for them.
            self._not_whole += 1
            return
        self._compare(row, dropped=agreed.dropped is not None)

    def _compare(self, row: RatedResponse, dropped: bool) -> None:
        collected = {name: list(map(int, values)) for name, values in row.ratings.items()}
        for name, values in collected.items():
            self._collected[name].add(values)
        helpfulness = collected.get("helpfulness")
        if dropped or helpfulness is None:
            return
        aligned = {n: values for n, values in collected.items() if len(values) == len(helpfulness)}
        people = nearest_first(list(zip(*aligned.values(), strict=True)))
        similar = most_similar([helpfulness[person] for person in people], self._similar)
        for name, values in aligned.items():
            self._kept[name].add([values[people[place]] for place in similar])

    def close(self) -> None:
        """Make the remembered helpfulness ready for :meth:`helpfulness`."""
        self._released.close()
        self._computed.close()

    def difference(self, pair: Pair) -> float | None:
        """Return helpfulness of Response 2 minus Response 1, None where one is not rated.

        A response has its released rating; without one, the mean of people's kept ratings.
        """
        if not len(self._released) and not len(self._computed):
            return None
        prompt = prompt_key(pair.prompt)
        found: list[float] = []
        for response in (pair.response_2, pair.response_1):
            released = self._released.find(prompt, response)
            rated = self._computed.find(prompt, response) if released is None else released
            if rated is None:
                return None
            found.append(rated)
        return found[0] - found[1]

    def report(self) -> RatingsReport:
        """Return the counts and, where people's own ratings are given, agreement by attribute."""
        return RatingsReport(
            responses=self.responses,
            with_several_ratings=self._several,
            not_whole_numbers=self._not_whole,
            dropped=RatingsDropped(
                helpfulness_spread=self._dropped,
                helpfulness_spread_share=share(self._dropped, self._several),
            ),
            agreement={
                name: RatingsAgreement(collected=self._collected[name].report(), kept=kept.report())
                for name, kept in self._kept.items()
                if self._several
            },
        )
