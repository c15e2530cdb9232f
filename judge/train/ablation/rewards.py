"""The paper's comparison of reward models: three losses, two starts, several seeds, one command."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from judge.errors import UsageError
from judge.metrics.accuracy import Accuracy, by_source
from judge.reward import Objective
from judge.runs.whole import replace_json, write_whole
from judge.train.ablation.paired_table import Comparisons, check_names, compare
from judge.train.ablation.paired_table import render as render_differences
from judge.train.ablation.result import (
    Counted,
    RewardAblation,
    RewardRowResult,
    RewardRunResult,
    RewardTest,
    TestedReward,
)
from judge.train.ablation.rewards_table import EXPO, LENGTH, RewardRow, render, summarise
from judge.train.checkpoints.manifest import claim_output, git_revision, versions
from judge.train.config import RewardConfig
from judge.train.evaluation.reward_accuracy import (
    LabelledPair,
    labelled_pairs,
    longer_is_better,
    reward_values,
)
from judge.train.expo import extrapolate as expo
from judge.train.expo.config import ExpoConfig
from judge.train.progress import UNWATCHED, TrainingProgress
from judge.train.reward import training as reward

RESULT_FILE = "ablation.json"
TABLE_FILE = "ablation.md"
_ACCURACY_FILE = "accuracy.json"
SetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
Start = Literal["base", "regression"]


class AblationConfig(BaseModel):
    """A recipe of ``judge train ablation``: the runs of the paper's Table 1 for one base model, or
    of its ablation of how annotations are processed (``sets``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    """The base of every regression model and of the Bradley-Terry models from scratch."""
    regression_data: str | None = None
    """A folder of ``judge data prepare --kind regression``; needed to start from a regression."""
    preference_data: str
    """A folder of ``judge data prepare --kind preference``."""
    sets: dict[SetName, str] = {}
    """Other preference sets by name, of the same annotations processed by other rules: models of
    every loss are trained on each, from the base."""
    starts: tuple[Start, ...] = Field(default=("base", "regression"), min_length=1)
    """What Bradley-Terry models on ``preference_data`` start from."""
    test: str
    """Annotated pairs to test on: whatever ``judge data prepare`` reads."""
    test_limit: int | None = Field(default=None, ge=1)
    """Only N test pairs, taken evenly."""
    output_dir: str
    """A folder for each run, the result and the table."""
    seeds: tuple[int, ...] = Field(default=(17, 18, 19), min_length=1)
    """One run of each kind a seed."""
    objectives: tuple[Objective, ...] = ("bt", "margin_bt", "scaled_bt")
    """The losses to compare."""
    expo_pairs: int | None = Field(default=None, ge=1)
    """Search ExPO's factor on the first N validation pairs of ``preference_data``: from
    regression through the Scaled Bradley-Terry model that started from it. None: no ExPO."""
    compare: Comparisons = ()
    """Names of two kinds of models each (``bt-from_base``), to be compared pair by pair."""
    regression: dict[str, Any] = {}
    """Fields of the regression recipe (``RewardConfig``), helpfulness only."""
    bradley_terry: dict[str, Any] = {}
    """Fields of every Bradley-Terry recipe."""


@dataclass(frozen=True)
class RewardRun:
    """One training: its row in the table and its recipe."""

    row: RewardRow
    seed: int
    recipe: RewardConfig

    @property
    def name(self) -> str:
        """Its folder's name, without the seed."""
        return Path(self.recipe.output_dir).name.removesuffix(f"-{self.seed}")


@dataclass
class RunResults:
    """What the runs came to: figures by row, and by name what each test pair earned."""

    pairs: list[LabelledPair]
    digest: str
    results: dict[RewardRow, list[RewardRunResult]] = field(default_factory=dict)
    hits: dict[str, list[list[float]]] = field(default_factory=dict)

    def add(self, row: RewardRow, name: str, folder: Path, figures: dict[str, Any]) -> None:
        """Test the model in ``folder``, unless it is known how it does; keep its figures."""
        tested = _tested(folder, self.pairs, self.digest)
        result = RewardRunResult(**figures, accuracy=tested.accuracy)
        self.results.setdefault(row, []).append(result)
        self.hits.setdefault(name, []).append(tested.hits)


def run(config: AblationConfig, progress: TrainingProgress = UNWATCHED) -> RewardAblation:
    """Train what is not trained yet, test it, write ``ablation.json`` and the table; return both.

    After an interruption the same command goes on: finished runs are not repeated, the one that was
    interrupted goes on from its newest checkpoint.

    Raises:
        UsageError: for unusable data, or an output folder of another configuration.
    """
    output = Path(config.output_dir)
    runs = list(planned_runs(config))
    names = [one.name for one in runs] + ([EXPO] if config.expo_pairs else [])
    check_names(config.compare, names)
    claim_output(output, config)
    pairs = labelled_pairs(config.test, config.test_limit)
    found = RunResults(pairs, _digest(pairs))
    for number, one in enumerate(runs, start=1):
        progress.note(f"run {number} of {len(runs)}: {Path(one.recipe.output_dir).name}")
        manifest = reward.run(one.recipe, progress)
        assert manifest is not None  # one process
        for checkpoint in Path(one.recipe.output_dir).glob("checkpoint-*"):
            shutil.rmtree(checkpoint)  # only an interrupted run needs them
        progress.doing("scoring the test pairs")
        figures = {
            "seed": one.seed,
            "steps": manifest.steps,
            "seconds": manifest.seconds_this_session,
            "validation": manifest.validation,
        }
        found.add(one.row, one.name, Path(one.recipe.output_dir), figures)
        if config.expo_pairs and one.row == RewardRow("regression", "scaled_bt"):
            progress.doing("searching the factor of ExPO")
            folder, record = _extrapolated(config, one)
            found.add(RewardRow("regression", EXPO), EXPO, folder, {"seed": one.seed, **record})
    return _write(output, config, found)


def planned_runs(config: AblationConfig) -> Iterator[RewardRun]:
    """Yield the runs in an order in which every start is there before it is needed.

    Raises:
        UsageError: for a field that no reward recipe has, or ExPO without its strong model.
    """
    if config.expo_pairs and "scaled_bt" not in config.objectives:
        raise UsageError("expo_pairs: ExPO needs scaled_bt among the objectives")
    if config.expo_pairs and "regression" not in config.starts:
        raise UsageError("expo_pairs: ExPO needs models that start from regression (starts)")
    if (config.regression_data is None) == ("regression" in config.starts):
        raise UsageError("regression_data and starts: a start from regression needs its data")
    for seed in config.seeds:
        begun = {"base": None, "regression": str(Path(config.output_dir) / f"regression-{seed}")}
        if config.regression_data is not None:
            recipe = _recipe(config, None, "regression", f"regression-{seed}", seed)
            yield RewardRun(RewardRow("base", "regression"), seed, recipe)
        for objective in config.objectives:
            for name in config.starts:
                folder = f"{objective}-from_{name}-{seed}"
                recipe = _recipe(config, begun[name], objective, folder, seed)
                yield RewardRun(RewardRow(name, objective), seed, recipe)
            for of, data in config.sets.items():
                folder = f"{objective}-on_{of}-{seed}"
                recipe = _recipe(config, None, objective, folder, seed, data)
                yield RewardRun(RewardRow("base", objective, of), seed, recipe)


def _recipe(
    config: AblationConfig,
    start: str | None,
    objective: Objective,
    name: str,
    seed: int,
    data: str | None = None,
) -> RewardConfig:
    """Return the recipe of one run: the ablation's own fields over those of its section.

    Whole weights start from the model ``start``; an adapter starts from that adapter's weights.

    Args:
        data: another set than the ablation's own.
    """
    rated = objective == "regression"
    section = config.regression if rated else config.bradley_terry
    fixed: dict[str, Any] = {
        "model": config.model,
        "data": data or (config.regression_data if rated else config.preference_data),
        "output_dir": str(Path(config.output_dir) / name),
        "objective": objective,
        "attributes": ["helpfulness"],
        "seed": seed,
    }
    if taken := sorted(fixed.keys() & section.keys()):
        raise UsageError(f"the ablation itself sets {', '.join(taken)}; leave it out")
    if start is not None:
        adapter = section.get("lora")
        fixed |= {"lora": {**adapter, "start": start}} if adapter else {"model": start}
    try:
        return RewardConfig.model_validate(section | fixed)
    except ValueError as error:
        raise UsageError(f"{name}: {' '.join(str(error).split())[:300]}") from None


def _extrapolated(config: AblationConfig, strong: RewardRun) -> tuple[Path, dict[str, Any]]:
    """Return the folder of what ExPO makes of ``strong`` and its start, and the factor."""
    output = Path(config.output_dir)
    asked = ExpoConfig(
        weak=str(output / f"regression-{strong.seed}"),
        strong=strong.recipe.output_dir,
        output_dir=str(output / f"{EXPO}-{strong.seed}"),
        search=str(Path(config.preference_data) / "val.jsonl"),
        search_limit=config.expo_pairs,
    )
    record = expo.run(asked)
    return Path(asked.output_dir), {"factor": record.factor, "validation": record.accuracy}


def _tested(folder: Path, pairs: list[LabelledPair], digest: str) -> TestedReward:
    """Return what a model gets right: from the file of an earlier test on the same pairs, if there
    is one."""
    path = folder / _ACCURACY_FILE
    if path.is_file():
        with suppress(ValidationError):  # an older version's, without ``hits``
            known = TestedReward.model_validate_json(path.read_bytes())
            if known.pairs == digest:
                return known
    right = [chosen > rejected for chosen, rejected in reward_values(folder, pairs)]
    found = TestedReward(
        pairs=digest,
        accuracy=_counted(
            by_source((pair.source, hit) for pair, hit in zip(pairs, right, strict=True))
        ),
        hits=[int(hit) for hit in right],
    )
    replace_json(path, found.model_dump())
    return found


def _counted(by: Mapping[str, Accuracy]) -> Counted:
    return {source: (accuracy.right, accuracy.pairs) for source, accuracy in by.items()}


def _digest(pairs: list[LabelledPair]) -> str:
    return hashlib.sha256("\n".join(map(repr, pairs)).encode()).hexdigest()[:16]


def _write(output: Path, config: AblationConfig, found: RunResults) -> RewardAblation:
    """Write result and table; return them."""
    baseline = _counted(longer_is_better(found.pairs))
    summary = {row: summarise([r.accuracy for r in runs]) for row, runs in found.results.items()}
    differences = compare(config.compare, found.hits)
    tables = (render({LENGTH: summarise([baseline]), **summary}), render_differences(differences))
    result = RewardAblation(
        recipe=config.model_dump(mode="json"),
        test=RewardTest(pairs=len(found.pairs), digest=found.digest, longer_response=baseline),
        rows=[
            RewardRowResult(
                start=row.start,
                objective=row.objective,
                summary=summary[row],
                runs=runs,
                **({"data": row.data} if config.sets else {}),
            )
            for row, runs in found.results.items()
        ],
        compared=differences,
        git_revision=git_revision(),
        versions=versions(),
        table="\n".join(filter(None, tables)),
    )
    replace_json(output / RESULT_FILE, result.to_json())
    write_whole(output / TABLE_FILE, result.table)
    return result
