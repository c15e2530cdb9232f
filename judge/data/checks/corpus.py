"""What is remembered of every row, to find the rows that repeat each other.

Memory: about 30 bytes a row and its id; with nearness 184 bytes more a row and a distinct prompt.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, get_args

from judge.annotated import Split
from judge.data.checks.grams import text_hash, words
from judge.data.checks.near import MIN_WORDS, Banding, shingles
from judge.data.checks.rows import CheckedRow
from judge.data.split import prompt_key
from judge.idset import IdSet
from judge.pair import Message

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from judge.data.checks.grams import Hashes

SPLITS: tuple[Split, ...] = get_args(Split)
UNDECIDED = 127
_RATED = 1 << 6


class Corpus:
    """Rows as numbers from 0, with what makes them the same as another.

    Args:
        near: whether nearly the same rows are looked for, too.
    """

    def __init__(self, near: bool) -> None:
        self._names, self._ends = bytearray(), array("Q")
        self.prompts, self.contents = array("Q"), array("Q")
        """64-bit hashes by row: of the prompt; of prompt and responses in whichever order."""
        self._splits, self.labels = array("b"), array("b")
        """``labels``: the label with the responses in canonical order, a rating times ten, or
        UNDECIDED."""
        self.turned = bytearray()
        """1 where the canonical order is not the row's."""
        self.prompt_bands: Banding | None = Banding() if near else None
        self.row_bands: Banding | None = Banding() if near else None
        self._seen_prompts, self._seen_contents = IdSet(), IdSet()

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, row: CheckedRow) -> None:
        """Remember ``row`` under the next number."""
        number = len(self)
        self._names += row.row_id.encode()
        self._ends.append(len(self._names))
        key = prompt_key(row.prompt)
        bodies = [" ".join(response.split()) for response in row.responses]
        turned = len(bodies) == 2 and bodies[1] < bodies[0]
        self.prompts.append(int(key[:16], 16))
        self.contents.append(text_hash(repr((key, sorted(bodies)))))
        self._splits.append(SPLITS.index(row.split) + (0 if row.is_pair else _RATED))
        self.turned.append(turned)
        # Which of two identical responses is better has no canonical answer.
        same = len(bodies) == 2 and bodies[0] == bodies[1]
        self.labels.append(UNDECIDED if same else _label(row, turned))
        if self.prompt_bands is not None and self.row_bands is not None:
            if self._seen_prompts.add(key):
                tokens = prompt_words(row.prompt)
                if len(tokens) >= MIN_WORDS:
                    self.prompt_bands.add(self.prompts[number], shingles(tokens))
            if self._seen_contents.add(str(self.contents[number])):
                self._add_bands(row, number)

    def _add_bands(self, row: CheckedRow, number: int) -> None:
        import numpy as np

        assert self.row_bands is not None
        tokens = [words(response) for response in row.responses]
        if max(map(len, tokens)) >= MIN_WORDS:
            joined = np.unique(np.concatenate([shingles(t) for t in tokens]))
            self.row_bands.add(self.contents[number], joined)

    def row_id(self, number: int) -> str:
        """Return the id of a row."""
        start = self._ends[number - 1] if number else 0
        return self._names[start : self._ends[number]].decode()

    def split(self, number: int) -> Split:
        """Return the split of a row."""
        return SPLITS[self._splits[number] & ~_RATED]

    def is_pair(self, number: int) -> bool:
        """Return whether a row is a pair."""
        return not self._splits[number] & _RATED


class Lookup:
    """The rows of each 64-bit hash of an array."""

    def __init__(self, hashes: array[int]) -> None:
        import numpy as np

        values = np.frombuffer(hashes, np.uint64) if hashes else np.empty(0, np.uint64)
        self._order: npt.NDArray[np.int64] = np.argsort(values, kind="stable")
        self._sorted: Hashes = values[self._order]

    def rows(self, value: int) -> list[int]:
        """Return the rows with that hash."""
        import numpy as np

        wanted = np.uint64(value)
        first, last = (np.searchsorted(self._sorted, wanted, side) for side in ("left", "right"))
        return [int(number) for number in self._order[first:last]]

    def repeated(self) -> Iterator[list[int]]:
        """Yield the rows of every hash that has several."""
        import numpy as np

        if not len(self._sorted):
            return
        starts = np.flatnonzero(np.r_[True, self._sorted[1:] != self._sorted[:-1]])
        ends = np.r_[starts[1:], len(self._sorted)]
        several = ends - starts > 1
        for start, end in zip(starts[several], ends[several], strict=True):
            yield self._order[start:end].tolist()


def prompt_words(prompt: Sequence[Message]) -> list[str]:
    """Return the words of all messages."""
    return [word for message in prompt for word in words(message.content)]


def _label(row: CheckedRow, turned: bool) -> int:
    if row.label is None:
        return UNDECIDED
    if not row.is_pair:
        return round(10 * row.label)
    return int(-row.label if turned else row.label)
