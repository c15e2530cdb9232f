"""How long the examples of a training are: of a prepared folder, or the paper's numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.errors import UsageError
from judge.models.layers import layers_of
from judge.runs.completeness import check_set
from judge.runs.training import read_set_manifest
from judge.train.align.rloo_config import RLOOConfig
from judge.train.config import JustifierConfig, TrainerConfig
from judge.train.plan.needs import data_kind, responses_taken

CHARACTERS_A_TOKEN = 4.0
"""Stands for a tokenizer that is not there: English text under a vocabulary of 128 thousand."""
TEMPLATE_TOKENS = 40
"""Stands for what a chat template adds around a conversation."""
SAMPLE = (
    (251, 72, 620),
    (130, 1321, 1024),
    (302, 1187, 1803),
    (484, 2150, 1455),
    (118, 804, 1082),
    (112, 1105, 1068),
    (37, 1434, 1829),
    (43, 1578, 1830),
    (583, 2058, 1927),
    (208, 1845, 2147),
    (359, 2219, 1956),
    (947, 1684, 1615),
)
"""Characters of prompt and both responses in twelve rows of HelpSteer2-Preference (CC-BY-4.0)."""
JUSTIFICATION = 500
"""Characters of a justification, on average (HelpSteer2-Preference, section 2)."""
PAPER_EXAMPLES = {
    "justifier": (46_974, 2_422),  # the All set in both orders
    "preference": (6_766, 352),
    "regression": (20_324, 1_038),
    "prompts": (6_766, 352),
}
"""Training and validation examples in the paper (arXiv 2410.01257; 2406.08673 for ratings)."""
RESPONSE = 2199.8
"""Characters of a response of the paper's REINFORCE, on average (arXiv 2410.01257, Table 4)."""


@dataclass(frozen=True)
class ExampleLengths:
    """Tokens of every training and validation example that a training takes.

    An example is what a micro-batch is counted in; one of preferences holds two sequences.
    """

    train: list[tuple[int, ...]]
    validation: list[tuple[int, ...]]
    twins: bool
    """Whether training examples 2k and 2k+1 are one in both orders."""
    source: str
    """Where they come from, and how tokens were counted: a sentence for people."""
    too_long: int = 0
    """Training examples that are dropped for their length."""


def paper_lengths(config: TrainerConfig) -> ExampleLengths:
    """Return the paper's number of examples, with the lengths of the sample rows in turn."""
    sample: list[tuple[int, ...]]
    kind = data_kind(config)
    if isinstance(config, RLOOConfig):
        return _paper_prompts(config)
    if kind == "justifier":
        sample = [(_tokens(sum(row) + JUSTIFICATION),) for row in SAMPLE]
    elif kind == "preference":
        responses = range(1, 1 + len(responses_taken(config)))
        sample = [tuple(_tokens(row[0] + row[i]) for i in responses) for row in SAMPLE]
    else:
        sample = [(_tokens(row[0] + row[i]),) for row in SAMPLE for i in (1, 2)]
    train, validation = PAPER_EXAMPLES[kind]
    both = 2 if kind == "justifier" else 1

    def repeated(count: int) -> list[tuple[int, ...]]:
        return [sample[(i // both) % len(sample)] for i in range(count)]

    text = (
        f"the paper's {train:,} examples, lengths of 12 sample rows at {CHARACTERS_A_TOKEN:g} "
        "characters a token"
    )
    return _within(config, repeated(train), repeated(validation), kind == "justifier", text)


def _paper_prompts(config: RLOOConfig) -> ExampleLengths:
    counts = PAPER_EXAMPLES["prompts"]
    prompts = [[_tokens(SAMPLE[i % len(SAMPLE)][0]) for i in range(count)] for count in counts]
    text = f"the paper's {counts[0]:,} prompts, lengths of {len(SAMPLE)} sample rows"
    return _answered(config, prompts[0], prompts[1], text)


def data_lengths(config: TrainerConfig, data: Path) -> ExampleLengths:
    """Return the lengths of a folder of ``judge data prepare``.

    The model's tokenizer counts where it is a folder or in the hub's cache; else characters do.

    Raises:
        UsageError: when ``data`` is no such folder, of another kind than the recipe's, or holds an
            example that cannot be read.
    """
    _check_kind(config, data)
    count, how = _counter(config)
    found: dict[str, list[tuple[int, ...]]] = {}
    twins = True
    for split in ("train", "val"):
        rows = list(_rows(config, data / f"{split}.jsonl"))
        limit = config.train_limit if split == "train" else config.eval_limit
        rows = rows[:limit]
        if not rows:
            raise UsageError(f"{data / f'{split}.jsonl'}: it holds no example for this recipe")
        if split == "train":
            twins = _are_twins(rows)
        found[split] = [count(row["texts"]) for row in rows]
    if isinstance(config, RLOOConfig):
        train, validation = ([n for (n,) in found[split]] for split in ("train", "val"))
        return _answered(config, train, validation, f"{data}, {how}")
    return _within(config, found["train"], found["val"], twins, f"{data}, {how}")


def response_tokens(config: RLOOConfig) -> float:
    """Return how long a response is taken to be: as the paper's, or as the recipe cuts it."""
    return min(RESPONSE / CHARACTERS_A_TOKEN, config.rollout.max_new_tokens)


def _answered(
    config: RLOOConfig, train: list[int], validation: list[int], source: str
) -> ExampleLengths:
    """Return what a policy writes to prompts of these lengths, so many samples each.

    Prompts that leave no room for a response of ``max_new_tokens`` are dropped; validation prompts
    are answered once each.
    """
    room = config.max_length - config.rollout.max_new_tokens
    fitting = [length for length in train if length <= room]
    if not fitting:
        raise UsageError(f"no prompt is shorter than max_length less max_new_tokens: {room}")
    response = round(response_tokens(config))
    samples = range(config.samples)
    examples: list[tuple[int, ...]] = [
        (n + response,) for n in fitting[: config.train_limit] for _ in samples
    ]
    held_out: list[tuple[int, ...]] = [(n + response,) for n in validation if n <= room]
    too_long = len(train) - len(fitting)
    source += f", {response} tokens a response"
    return ExampleLengths(examples, held_out[: config.held_out], False, source, too_long)


def _within(
    config: TrainerConfig,
    train: list[tuple[int, ...]],
    validation: list[tuple[int, ...]],
    twins: bool,
    source: str,
) -> ExampleLengths:
    """Apply limits and the longest length that the recipe allows."""
    train, validation = train[: config.train_limit], validation[: config.eval_limit]
    if isinstance(config, JustifierConfig) and config.too_long == "cut_prompt":
        train = [tuple(min(n, config.max_length) for n in item) for item in train]
        validation = [tuple(min(n, config.max_length) for n in item) for item in validation]
    kept: list[tuple[int, ...]] = []
    size = 2 if twins and len(train) % 2 == 0 else 1
    for start in range(0, len(train), size):
        group = train[start : start + size]
        if max(map(max, group)) <= config.max_length:
            kept.extend(group)
    if not kept:
        raise UsageError(f"every example is longer than max_length {config.max_length}")
    fitting = [item for item in validation if max(item) <= config.max_length]
    return ExampleLengths(kept, fitting, size == 2, source, len(train) - len(kept))


def _tokens(characters: int) -> int:
    return round(characters / CHARACTERS_A_TOKEN) + TEMPLATE_TOKENS


def _check_kind(config: TrainerConfig, data: Path) -> None:
    if not data.is_dir():
        raise UsageError(f"there is no folder {data}; `judge data prepare` writes one")
    manifest = read_set_manifest(data)
    check_set(data, manifest)
    found, needed = manifest.kind or "justifier", data_kind(config)
    if found != needed:
        raise UsageError(f"{data} holds data of kind {found}; this recipe needs {needed}")


def _rows(config: TrainerConfig, path: Path) -> Iterator[dict[str, Any]]:
    """Yield the id, order, style and sequences (lists of messages) of each usable row."""
    styles = config.styles if isinstance(config, JustifierConfig) else None
    seen: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = _row(config, json.loads(line))
                except (ValueError, KeyError, TypeError) as error:
                    raise UsageError(
                        f"{path}, line {number}: not a line of `judge data prepare`: {error!r}"
                    ) from None
                if styles is not None and not _taken(row, styles, seen):
                    continue
                yield row
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from None


def _taken(row: dict[str, Any], styles: dict[str, float], seen: dict[str, int]) -> bool:
    """Say whether a style's share takes this row: evenly spaced, as the training does."""
    share = styles.get(row["style"], 0.0)
    if row["order"] == "given":
        seen[row["style"]] = seen.get(row["style"], 0) + 1
    count = seen.get(row["style"], 0)
    return int(count * share) > int((count - 1) * share)


def _row(config: TrainerConfig, row: dict[str, Any]) -> dict[str, Any]:
    if isinstance(config, JustifierConfig):
        texts = [[*row["prompt"], *row["completion"]]]
        return {k: row[k] for k in ("pair_id", "style", "order")} | {"texts": texts}
    if isinstance(config, RLOOConfig):
        return {"texts": [row["messages"]]}
    return {"texts": [_conversation(row, name) for name in responses_taken(config)]}


def _conversation(row: dict[str, Any], field_name: str) -> list[dict[str, str]]:
    prompt, answer = row["prompt"], row[field_name]
    if isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    if isinstance(answer, str):
        answer = [{"role": "assistant", "content": answer}]
    return [*prompt, *answer]


def _are_twins(rows: list[dict[str, Any]]) -> bool:
    if len(rows) % 2 or "order" not in rows[0]:
        return False
    return all(
        (a["pair_id"], a["style"], a["order"], b["order"])
        == (b["pair_id"], b["style"], "given", "flipped")
        for a, b in zip(rows[::2], rows[1::2], strict=True)
    )


def _counter(config: TrainerConfig) -> tuple[Any, str]:
    """Return a function from conversations to tokens, and what it is."""
    folder = _tokenizer_folder(config)
    if folder is None:
        how = (
            f"{CHARACTERS_A_TOKEN:g} characters a token and {TEMPLATE_TOKENS} for the template: "
            f"the tokenizer of {config.model} is not on this machine"
        )
        return _by_characters, how
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def by_tokenizer(texts: list[list[dict[str, str]]]) -> tuple[int, ...]:
        return tuple(
            TEMPLATE_TOKENS
            + sum(len(tokenizer.encode(m["content"], add_special_tokens=False)) for m in messages)
            for messages in texts
        )

    how = f"tokenizer of {config.model}, {TEMPLATE_TOKENS} tokens for the template"
    return by_tokenizer, how


def _by_characters(texts: list[list[dict[str, str]]]) -> tuple[int, ...]:
    return tuple(_tokens(sum(len(m["content"]) for m in messages)) for messages in texts)


def _tokenizer_folder(config: TrainerConfig) -> Path | None:
    """Return the folder of the model's ``tokenizer.json`` on this machine, the hub's cache too."""
    try:
        model = layers_of(config.model).tokenizer
    except UsageError:
        return None
    if Path(model).is_dir():
        return Path(model) if (Path(model) / "tokenizer.json").is_file() else None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(model, "tokenizer.json", revision=config.revision)
    return Path(cached).parent if isinstance(cached, str) else None
