"""The paper's comparison of justifiers: sets, flipped copies, completion styles, several seeds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from judge.errors import UsageError
from judge.runs.training import TrainingManifest
from judge.runs.whole import replace_json, write_whole
from judge.train.ablation.justifiers_table import JustifierRow, render, summary_of
from judge.train.ablation.paired_table import Comparisons, Hits, check_names, compare
from judge.train.ablation.paired_table import render as render_differences
from judge.train.ablation.result import (
    JudgeAblation,
    JudgeRowResult,
    JudgeRunResult,
    JudgeTest,
)
from judge.train.checkpoints.manifest import claim_output, git_revision, versions
from judge.train.config import JustifierConfig
from judge.train.evaluation.labelled import Labelled, labelled
from judge.train.evaluation.verdict_accuracy import hits_of, measure, write_pairs
from judge.train.progress import UNWATCHED, TrainingProgress
from judge.train.sft import training as justifier

RESULT_FILE = "ablation.json"
TABLE_FILE = "ablation.md"
PAIRS_FILE = "pairs.jsonl"

Style = Literal["elaboration_first", "statement_first", "statement_only", "label_only"]
Mode = Literal["justify", "verdict"]
Judging = Callable[[Path, Path, Path, Mode], object]
"""Judges a file of pairs with a model, in a mode, into a run folder: (model, pairs, folder, mode).
A call again goes on with the folder, or finds it finished."""


class Variant(BaseModel):
    """A kind of judge to compare: what it is trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"[a-z0-9][a-z0-9_-]*")
    """Name of its row, and of its runs' folders."""
    data: str
    """A folder of ``judge data prepare`` that holds examples of ``style``."""
    style: Style
    """The completions: only examples of this style are taken."""

    @property
    def modes(self) -> tuple[Mode, ...]:
        """How it is tested: by what it writes first, if it does; by reading the verdict at once."""
        return ("justify", "verdict") if self.style == "elaboration_first" else ("verdict",)


class JustifierAblationConfig(BaseModel):
    """A recipe of ``judge train ablation`` for justifiers: one that names ``variants``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    """The base of every run."""
    variants: tuple[Variant, ...] = Field(min_length=1)
    """The judges to compare, in the order of the table."""
    test: str
    """Annotated pairs to test on: whatever ``judge data prepare`` reads."""
    test_limit: int | None = Field(default=None, ge=1)
    """Only N test pairs, taken evenly."""
    max_new_tokens: int = Field(default=256, ge=1)
    """The most tokens of an elaboration in the test; after them the statement is forced."""
    output_dir: str
    """A folder for each run, the result and the table."""
    seeds: tuple[int, ...] = Field(default=(17, 18, 19), min_length=1)
    """One run of each variant a seed."""
    compare: Comparisons = ()
    """Names of two variants each, to be compared pair by pair: by both orders, reconciled, of what
    they write first."""
    training: dict[str, Any] = {}
    """Fields of every run's recipe (``JustifierConfig``)."""

    @model_validator(mode="after")
    def _names_are_names(self) -> Self:
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names):
            raise ValueError("variants must have different names")
        check_names(self.compare, names)
        return self


@dataclass(frozen=True)
class JustifierRun:
    """One training: the variant, and its recipe."""

    variant: Variant
    recipe: JustifierConfig


def run(
    config: JustifierAblationConfig, judging: Judging, progress: TrainingProgress = UNWATCHED
) -> JudgeAblation:
    """Train and test what is not yet; write ``ablation.json`` and the table; return both.

    After an interruption the same command goes on: finished runs and tests are not repeated, the
    one that was interrupted goes on from its newest checkpoint, or its last judgment.

    Args:
        judging: judges the test pairs with a trained model.
        progress: is told how it goes.

    Raises:
        UsageError: for unusable data, or an output folder of another configuration.
    """
    output = Path(config.output_dir)
    runs = list(planned_runs(config))
    claim_output(output, config)
    pairs = labelled(config.test, config.test_limit)
    write_pairs(pairs, output / PAIRS_FILE)
    results: dict[JustifierRow, list[JudgeRunResult]] = {}
    hits: dict[str, list[list[float]]] = {}
    for number, one in enumerate(runs, start=1):
        folder = Path(one.recipe.output_dir)
        progress.note(f"run {number} of {len(runs)}: {folder.name}")
        manifest = justifier.run(one.recipe, progress)
        assert manifest is not None  # one process
        for checkpoint in folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)  # only an interrupted run needs them
        for mode in one.variant.modes:
            progress.doing(f"judging the test pairs, mode {mode}")
            judging(folder, output / PAIRS_FILE, folder / f"test-{mode}", mode)
            measured = measure(folder / f"test-{mode}", pairs)
            if mode == one.variant.modes[0]:
                both_orders = hits_of(folder / f"test-{mode}", pairs)["both_orders"]
                hits.setdefault(one.variant.name, []).append(both_orders)
            found = _result(one, measured, manifest)
            results.setdefault(JustifierRow(one.variant.name, mode), []).append(found)
    return _write(output, config, pairs, results, hits)


def _result(
    one: JustifierRun, measured: Mapping[str, Any], manifest: TrainingManifest
) -> JudgeRunResult:
    trained = {
        "seed": one.recipe.seed,
        "train_examples": manifest.counts["train_examples"],
        "steps": manifest.steps,
        "seconds": manifest.seconds_this_session,
        "validation_losses": manifest.validation_losses,
    }
    return JudgeRunResult.model_validate({**trained, **measured})


def planned_runs(config: JustifierAblationConfig) -> Iterator[JustifierRun]:
    """Yield the runs, seed by seed: an ablation that is stopped early has whole seeds.

    Raises:
        UsageError: for a field that no justifier recipe has, or that the ablation itself sets.
    """
    fixed = {"model", "data", "styles", "output_dir", "seed"}
    if taken := sorted(fixed & config.training.keys()):
        raise UsageError(f"the ablation itself sets {', '.join(taken)}; leave it out")
    for seed in config.seeds:
        for variant in config.variants:
            values = {
                "model": config.model,
                "data": variant.data,
                "styles": {variant.style: 1.0},
                "output_dir": str(Path(config.output_dir) / f"{variant.name}-{seed}"),
                "seed": seed,
            }
            try:
                recipe = JustifierConfig.model_validate(config.training | values)
            except ValueError as error:
                text = " ".join(str(error).split())[:300]
                raise UsageError(f"{variant.name}: {text}") from None
            yield JustifierRun(variant, recipe)


def _write(
    output: Path,
    config: JustifierAblationConfig,
    pairs: list[Labelled],
    results: dict[JustifierRow, list[JudgeRunResult]],
    hits: Mapping[str, Hits],
) -> JudgeAblation:
    """Write result and table; return them."""
    summaries = {row: summary_of(runs) for row, runs in results.items()}
    differences = compare(config.compare, hits)
    result = JudgeAblation(
        recipe=config.model_dump(mode="json"),
        test=JudgeTest(pairs=len(pairs)),
        rows=[
            JudgeRowResult(variant=row.variant, mode=row.mode, summary=summaries[row], runs=runs)
            for row, runs in results.items()
        ],
        compared=differences,
        git_revision=git_revision(),
        versions=versions(),
        table="\n".join(filter(None, (render(summaries), render_differences(differences)))),
    )
    replace_json(output / RESULT_FILE, result.to_json())
    write_whole(output / TABLE_FILE, result.table)
    return result
