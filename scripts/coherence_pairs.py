"""Write coherence pairs: a sentence that belongs to the prompt against one that does not.

    python scripts/coherence_pairs.py DATA/text DATA/human_pairs/preference/preference.jsonl.gz OUT

A small model that starts from scratch does not see by itself that a response speaks of what the
prompt speaks of, and of some 15,000 human pairs it learns the words by heart first. Here it learns
to look, on as many pairs as it takes, before it learns what people prefer. The kinds, each the
``source`` of its pairs:

* ``shared_word``: both responses are sentences from anywhere, one has a content word of the prompt;
* ``other_prompt``: an annotator's right answer against an answer to another prompt;
* ``next_sentence``: the sentence that goes on (or went before) against one from elsewhere;
* ``cut_argument``: an argument against the beginning of it, or of another one for the same side;
* ``answer``: an annotator's right answer against the wrong one to the same prompt.

Of the human pairs only the train and val splits are read, each for itself; none of the test part.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

EFFECT, CAUSE = "What happened as a result?", "What was the cause of this?"
SOURCES = ("e-CARE", "COPA-SSE")
ARGUMENTS = "UKPConvArg1"
KINDS = {"shared_word": 2, "other_prompt": 2, "next_sentence": 1}
"""Of five pairs so many are of each kind, unless asked otherwise."""
SENTENCES = 60_000
"""Of running text for ``shared_word``."""
TRAIN_SHARE = 0.98
"""Of the paragraphs; the others are for validation."""
RARE, COMMON = 3, 1_500
"""A content word stands in so many sentences."""
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"“])")
_BREAK = re.compile(r"(?<=[.!?])\s+|\n+")
"""Where an argument may be cut: people on the web do not always write capitals."""
_WORD = re.compile(r"[a-z]{4,}")
Triple = tuple[str, str, str]
"""Prompt, the better and the worse response."""


def stems(sentence: str) -> set[str]:
    """Return the words of four letters or more, cut to six, so that endings do not matter."""
    return {word[:6] for word in _WORD.findall(sentence.lower())}


def paragraphs(folder: Path) -> Iterator[list[str]]:
    """Yield the sentences of 21 to 159 characters of each paragraph that has two or more."""
    for file in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                for paragraph in json.loads(line)["text"].split("\n"):
                    parts = (part.strip() for part in _END.split(paragraph))
                    sentences = [part for part in parts if 20 < len(part) < 160]
                    if len(sentences) > 1:
                        yield sentences


def decided(rows: list[dict[str, Any]], sources: Collection[str]) -> list[Triple]:
    """Return prompt, preferred and other response of the rows of ``sources`` that are no tie."""
    triples = []
    for row in rows:
        strength = sum(a["strength"] for a in row["all_preferences_unprocessed"])
        if row["source"] in sources and strength:
            pair = row["response_2"], row["response_1"]
            triples.append((row["prompt"], *(pair if strength > 0 else pair[::-1])))
    return triples


class SharedWords:
    """Draws pairs of sentences of which one shares a content word with the prompt."""

    def __init__(self, sentences: list[str], rng: random.Random) -> None:
        self._sentences, self._rng = sentences, rng
        self._stems = [stems(sentence) for sentence in sentences]
        self._count = Counter(word for words in self._stems for word in words)
        self._with: dict[str, list[int]] = defaultdict(list)
        for place, words in enumerate(self._stems):
            for word in words:
                if RARE <= self._count[word] <= COMMON:
                    self._with[word].append(place)

    def __call__(self) -> Triple:
        while True:
            prompt = self._rng.randrange(len(self._sentences))
            words = sorted(word for word in self._stems[prompt] if word in self._with)
            if not words:
                continue
            sharing = self._rng.choice(self._with[self._rng.choice(words)])
            if self._sentences[sharing] == self._sentences[prompt]:
                continue
            other = self._without(prompt, len(self._sentences[sharing]))
            if other is not None:
                question = self._rng.choice((EFFECT, CAUSE))
                text = f"{self._sentences[prompt]}\n{question}"
                return text, self._sentences[sharing], self._sentences[other]

    def _without(self, prompt: int, length: int) -> int | None:
        """Return a sentence of like length that shares no content word with the prompt."""
        for _ in range(10):
            other = self._rng.randrange(len(self._sentences))
            shared = self._stems[other] & self._stems[prompt]
            near = abs(len(self._sentences[other]) - length) < 15
            if near and not any(self._count[word] <= COMMON for word in shared):
                return other
        return None


def other_prompt(answers: list[Triple], rng: random.Random) -> Triple:
    """Return a right answer against an answer to another prompt.

    By chance that is the same prompt: `judge data prepare` drops a pair of the same texts.
    """
    prompt, right, _ = rng.choice(answers)
    return prompt, right, rng.choice(rng.choice(answers)[1:])


def next_sentence(texts: list[list[str]], rng: random.Random) -> Triple:
    """Return two neighbouring sentences, the second against one of like length from elsewhere."""
    sentences = rng.choice(texts)
    place = rng.randrange(len(sentences) - 1)
    prompt, question, right = sentences[place], EFFECT, sentences[place + 1]
    if rng.random() < 0.5:
        prompt, question, right = right, CAUSE, prompt
    others = [rng.choice(rng.choice(texts)) for _ in range(4)]
    return f"{prompt}\n{question}", right, min(others, key=lambda s: abs(len(s) - len(right)))


class CutArguments:
    """Draws an argument against the beginning of it, or of another one for the same side.

    The beginning ends with a sentence and is shorter than the argument, so nothing but how much is
    said tells them apart; a word that one debate is full of stands on both sides.
    """

    def __init__(self, arguments: list[Triple], rng: random.Random) -> None:
        self._rng = rng
        sides: dict[str, set[str]] = defaultdict(set)
        for prompt, one, other in arguments:
            sides[prompt] |= {one, other}
        self._sides = {prompt: sorted(texts) for prompt, texts in sorted(sides.items())}

    def __call__(self) -> Triple:
        while True:
            prompt = self._rng.choice(list(self._sides))
            whole = self._rng.choice(self._sides[prompt])
            source = whole if self._rng.random() < 0.5 else self._rng.choice(self._sides[prompt])
            breaks = [found.start() for found in _BREAK.finditer(source) if found.start() > 20]
            if breaks:
                cut = source[: self._rng.choice(breaks)]
                if len(cut) < len(whole):
                    return prompt, whole, cut


def coherence(
    texts: list[list[str]],
    rows: list[dict[str, Any]],
    count: int,
    split: str,
    kinds: dict[str, int],
    rng: random.Random,
) -> Iterator[dict[str, Any]]:
    """Yield ``count`` pairs in the layout of HelpSteer2-Preference; response 1 or 2 by ``rng``."""
    answers, arguments = decided(rows, SOURCES), decided(rows, [ARGUMENTS])
    sentences = [sentence for text in texts for sentence in text][:SENTENCES]
    for prompt, right, wrong in answers:
        sentences += [prompt.rsplit("\n", 1)[0], right, wrong] * 2
    draws: dict[str, Callable[[], Triple]] = {
        "shared_word": SharedWords(sentences, rng),
        "other_prompt": lambda: other_prompt(answers, rng),
        "next_sentence": lambda: next_sentence(texts, rng),
        "cut_argument": CutArguments(arguments, rng),
        "answer": lambda: rng.choice(answers),
    }
    for number in range(count):
        kind = rng.choices(list(kinds), list(kinds.values()))[0]
        prompt, right, wrong = draws[kind]()
        first = rng.random() < 0.5
        yield {
            "split": split,
            "prompt": prompt,
            "response_1": right if first else wrong,
            "response_2": wrong if first else right,
            "all_preferences_unprocessed": [{"strength": -3 if first else 3, "justification": ""}],
            "id": f"coherence:{split}-{number}",
            "source": kind,
        }


def main(
    text: Path, pairs: Path, target: Path, count: int, seed: int, kinds: dict[str, int]
) -> None:
    """Write ``target/preference.jsonl.gz``: ``count`` pairs for training, a hundredth for val."""
    texts = list(paragraphs(text))
    rng = random.Random(seed)
    rng.shuffle(texts)
    cut = int(TRAIN_SHARE * len(texts))
    with gzip.open(pairs, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    target.mkdir(parents=True, exist_ok=True)
    with gzip.GzipFile(target / "preference.jsonl.gz", "wb", mtime=0) as out:
        for split, size, part in (
            ("train", count, texts[:cut]),
            ("val", count // 100, texts[cut:]),
        ):
            own = [row for row in rows if row["split"] == split]
            for row in coherence(part, own, size, split, kinds, rng):
                out.write(json.dumps(row).encode() + b"\n")
    print(f"{count:,} coherence pairs")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description="Write coherence pairs.")
    asked.add_argument("text", type=Path)
    asked.add_argument("pairs", type=Path)
    asked.add_argument("target", type=Path)
    asked.add_argument("--count", type=int, default=60_000)
    asked.add_argument("--seed", type=int, default=17)
    asked.add_argument("--kind", action="append", help="KIND=WEIGHT; may be repeated")
    given = vars(asked.parse_args())
    named = dict(kind.split("=") for kind in given.pop("kind") or [])
    main(**given, kinds={kind: int(weight) for kind, weight in named.items()} or KINDS)
