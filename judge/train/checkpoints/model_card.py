"""The card of an exported model, from its manifest: what it is, what it saw, how to use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from judge.runs.training import ExportRecord, TrainingData, TrainingManifest

CARD_FILE = "README.md"
_SHOWN = (
    "epochs", "max_steps", "global_batch_size", "learning_rate", "lr_scheduler", "warmup_steps",
    "max_length", "objective", "styles", "statement_weight", "opening_weight", "order_consistency",
    "lora", "seed",
)  # fmt: skip
"""Fields of the recipe that the card names; the whole of it is in ``manifest.json``."""
_LOSSES = 10


def render_card(
    name: str, manifest: TrainingManifest, record: ExportRecord, card: Mapping[str, Any]
) -> str:
    """Return the card as Markdown with the hub's front matter; the same input, the same text.

    Args:
        name: of the model.
        manifest: of the exported model.
        record: of its export.
        card: its ``judge.json``.
    """
    parts = [
        _front(manifest, record, card),
        f"# {name}",
        _what(manifest, record, card),
        "## Judging with it" if card.get("kind") != "reward" else "## Scoring with it",
        _how(card),
        "## Data",
        "\n".join(_data(manifest.data, record)),
        "## Training",
        "\n".join(_training(manifest)),
        "## Figures",
        "\n".join(_figures(manifest)),
        "## Limits",
        "Nobody has written down what this model is not suitable for: please do so before you"
        " publish it. A validation loss says nothing about pairs of another kind than its training"
        " data.",
    ]
    return "\n\n".join(parts) + "\n"


def _front(manifest: TrainingManifest, record: ExportRecord, card: Mapping[str, Any]) -> str:
    recipe = manifest.recipe
    reward = card.get("kind") == "reward"
    front: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-classification" if reward else "text-generation",
        "tags": ["reward-model" if reward else "llm-as-a-judge", "pairwise-justifier"],
    }
    if record.licence:
        front["license"] = record.licence
    if _is_hub_id(recipe["model"]):
        front["base_model"] = recipe["model"]
    datasets = [data for data in record.data_licences if _is_hub_id(data)]
    if datasets:
        front["datasets"] = datasets
    return f"---\n{yaml.safe_dump(front, sort_keys=True)}---"


def _is_hub_id(name: str) -> bool:
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and not Path(name).exists()


def _what(manifest: TrainingManifest, record: ExportRecord, card: Mapping[str, Any]) -> str:
    if card.get("kind") == "reward":
        outputs = ", ".join(card.get("outputs", []))
        kind = f"A reward model ({card.get('objective')}; outputs: {outputs})"
    elif card.get("answer") == "label":
        kind = "A pairwise judge that answers with the label of the better response"
    else:
        kind = "A pairwise judge: it writes why one response is better, and ends with a statement"
    source = "an adapter merged into" if record.merged else "trained from"
    count = manifest.parameters
    size = f", {count:,} parameters while training" if count else ""
    return f"{kind}; {source} {_base(manifest)}{size}."


def _base(manifest: TrainingManifest) -> str:
    model = str(manifest.recipe["model"])
    return f"`{model if _is_hub_id(model) else Path(model).name}`"


def _how(card: Mapping[str, Any]) -> str:
    if card.get("kind") == "reward":
        return "```\njudge score pairs.jsonl --model THIS_FOLDER --out runs/rewards\n```"
    mode = " --mode verdict" if card.get("answer") == "label" else ""
    template = f"Template `{card.get('template')}`"
    if card.get("template_digest"):
        template += f" (digest {card['template_digest']})"
    return (
        f"```\njudge batch pairs.jsonl --model THIS_FOLDER --out runs/judged{mode}\n```\n\n"
        f"{template}: `judge.json` names it, so no option has to. Judge in both orders (the"
        " default); the chat template is in the tokenizer's files."
    )


def _data(data: TrainingData, record: ExportRecord) -> Iterator[str]:
    licences = record.data_licences
    if not licences:
        yield "The manifest names no training data."
        return
    inputs = data.input or {}
    yield "| input | licence | digest or revision |\n|---|---|---|"
    for name, licence in licences.items():
        yield f"| {name} | {licence or 'not known'} | {str(inputs.get(name))[:16]} |"
    yield ""
    for name, output in (data.outputs or {}).items():
        yield f"- `{name}`: {output.rows:,} examples, sha256 {output.sha256[:16]}"
    if data.against:
        yield f"- no prompt of {', '.join(data.against)} is among them (`judge data check`'s rule)"


def _training(manifest: TrainingManifest) -> Iterator[str]:
    recipe = manifest.recipe
    yield "| | |\n|---|---|"
    for field in _SHOWN:
        if recipe.get(field) is not None:
            yield f"| {field} | {recipe[field]} |"
    yield f"| steps | {manifest.steps:,} |"
    for name, count in manifest.counts.items():
        yield f"| {name.replace('_', ' ')} | {count:,} |"
    yield f"| git revision | {manifest.git_revision} |"
    used = ", ".join(f"{name} {number}" for name, number in manifest.versions.items())
    yield f"| versions | {used} |"


def _figures(manifest: TrainingManifest) -> Iterator[str]:
    chosen = manifest.selected
    if chosen is not None:
        yield (
            f"{chosen.share:.3f} [{chosen.low:.3f}, {chosen.high:.3f}] of"
            f" {chosen.pairs:,} pairs of {chosen.benchmark.file}, on which this checkpoint (step"
            f" {chosen.step:,}) was chosen among others: a little too good."
            f" {chosen.failures:,} failures, counted as wrong.\n"
        )
    losses = list(manifest.validation_losses.items())
    if not losses:
        yield "No validation loss was measured."
        return
    yield "| step | validation loss |\n|---|---|"
    for step, loss in losses[-_LOSSES:]:
        yield f"| {step} | {loss:.4f} |"
