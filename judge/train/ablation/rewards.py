"""The paper's comparison of reward models: three losses, two starts, several seeds, one command."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from judge.errors import UsageError
from judge.reward import Objective
from judge.runs.jsonlines import replace_json
from judge.train.ablation.rewards_table import LENGTH, Row, render, summarise
from judge.train.checkpoints.manifest import claim_output, git_revision, versions
from judge.train.config import RewardConfig
from judge.train.evaluation.reward_accuracy import (
    LabelledPair,
    labelled_pairs,
    longer_is_better,
    reward_accuracy,
)
from judge.train.progress import UNWATCHED, Progress
from judge.train.reward import training as reward

RESULT_FILE = "ablation.json"
TABLE_FILE = "ablation.md"
_ACCURACY_FILE = "accuracy.json"


class AblationConfig(BaseModel):
    """A recipe of ``judge train ablation``: the runs of the paper's Table 1 for one base model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    """The base of every regression model and of the Bradley-Terry models from scratch."""
    regression_data: str
    """A folder of ``judge data prepare --kind regression``."""
    preference_data: str
    """A folder of ``judge data prepare --kind preference``."""
    test: str
    """Annotated pairs to test on: whatever ``judge data prepare`` reads."""
    test_limit: int | None = Field(default=None, ge=1)
    """Only so many test pairs, taken evenly."""
    output_dir: str
    """A folder for each run, the result and the table."""
    seeds: tuple[int, ...] = Field(default=(17, 18, 19), min_length=1)
    """One run of each kind a seed."""
    objectives: tuple[Objective, ...] = ("bt", "margin_bt", "scaled_bt")
    """The losses to compare."""
    regression: dict[str, Any] = {}
    """Fields of the regression recipe (``RewardConfig``), helpfulness only."""
    bradley_terry: dict[str, Any] = {}
    """Fields of every Bradley-Terry recipe."""


@dataclass(frozen=True)
class Run:
    """One training: its row in the table and its recipe."""

    row: Row
    seed: int
    recipe: RewardConfig


def run(config: AblationConfig, progress: Progress = UNWATCHED) -> dict[str, Any]:
    """Train what is not trained yet, test it, write ``ablation.json`` and the table; return both.

    After an interruption the same command goes on: finished runs are not repeated, the one that was
    interrupted goes on from its newest checkpoint.

    Raises:
        UsageError: for unusable data, or an output folder of another configuration.
    """
    output = Path(config.output_dir)
    runs = list(planned_runs(config))
    claim_output(output, config)
    pairs = labelled_pairs(config.test, config.test_limit)
    digest = _digest(pairs)
    results: dict[Row, list[dict[str, Any]]] = {}
    for number, one in enumerate(runs, start=1):
        progress.note(f"run {number} of {len(runs)}: {Path(one.recipe.output_dir).name}")
        manifest = reward.run(one.recipe, progress)
        for checkpoint in Path(one.recipe.output_dir).glob("checkpoint-*"):
            shutil.rmtree(checkpoint)  # only an interrupted run needs them
        progress.doing("scoring the test pairs")
        accuracy = _accuracy(Path(one.recipe.output_dir), pairs, digest)
        results.setdefault(one.row, []).append(
            {
                "seed": one.seed,
                "accuracy": accuracy,
                "steps": manifest["steps"],
                "seconds": manifest["seconds_this_session"],
                "validation": manifest["validation"],
            }
        )
    return _write(output, config, pairs, digest, results)


def planned_runs(config: AblationConfig) -> Iterator[Run]:
    """Yield the runs in an order in which every start is there before it is needed.

    Raises:
        UsageError: for a field that no reward recipe has.
    """
    for seed in config.seeds:
        start = _recipe(config, config.model, "regression", f"regression-{seed}", seed)
        yield Run(Row("base", "regression"), seed, start)
        for objective in config.objectives:
            for name, model in (("base", config.model), ("regression", start.output_dir)):
                folder = f"{objective}-from_{name}-{seed}"
                recipe = _recipe(config, model, objective, folder, seed)
                yield Run(Row(name, objective), seed, recipe)


def _recipe(
    config: AblationConfig, model: str, objective: Objective, name: str, seed: int
) -> RewardConfig:
    """Return the recipe of one run: the ablation's own fields over those of its section."""
    rated = objective == "regression"
    fixed = {
        "model": model,
        "data": config.regression_data if rated else config.preference_data,
        "output_dir": str(Path(config.output_dir) / name),
        "objective": objective,
        "attributes": ["helpfulness"],
        "seed": seed,
    }
    section = config.regression if rated else config.bradley_terry
    if taken := sorted(fixed.keys() & section.keys()):
        raise UsageError(f"the ablation itself sets {', '.join(taken)}; leave it out")
    try:
        return RewardConfig.model_validate(section | fixed)
    except ValueError as error:
        raise UsageError(f"{name}: {' '.join(str(error).split())[:300]}") from None


def _accuracy(folder: Path, pairs: list[LabelledPair], digest: str) -> dict[str, list[float]]:
    """Return right and all pairs by source, from the file of an earlier test on the same pairs."""
    path = folder / _ACCURACY_FILE
    if path.is_file():
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if known["pairs"] == digest:
            found: dict[str, list[float]] = known["accuracy"]
            return found
    accuracy = {s: [a.right, a.pairs] for s, a in reward_accuracy(folder, pairs).items()}
    replace_json(path, {"pairs": digest, "accuracy": accuracy})
    return accuracy


def _digest(pairs: list[LabelledPair]) -> str:
    return hashlib.sha256("\n".join(map(repr, pairs)).encode()).hexdigest()[:16]


def _write(
    output: Path,
    config: AblationConfig,
    pairs: list[LabelledPair],
    digest: str,
    results: dict[Row, list[dict[str, Any]]],
) -> dict[str, Any]:
    """Write result and table; return them."""
    baseline = {s: [a.right, a.pairs] for s, a in longer_is_better(pairs).items()}
    summary = {row: summarise([r["accuracy"] for r in runs]) for row, runs in results.items()}
    table = render({LENGTH: summarise([baseline]), **summary})
    result = {
        "recipe": config.model_dump(mode="json"),
        "test": {"pairs": len(pairs), "digest": digest, "longer_response": baseline},
        "rows": [
            {
                "start": row.start,
                "objective": row.objective,
                "summary": {name: cell.to_json() for name, cell in summary[row].items()},
                "runs": runs,
            }
            for row, runs in results.items()
        ],
        "git_revision": git_revision(),
        "versions": versions(),
    }
    replace_json(output / RESULT_FILE, result)
    (output / TABLE_FILE).write_text(table, encoding="utf-8")
    return result | {"table": table}
