"""The configurations of ``judge arena``: whose answers, judged how, and the rule of the figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from judge.config import BatchConfig
from judge.options import Option
from judge.respond_config import RespondConfig

PAIRS = "pairs.jsonl"
RUN = "run"
"""The run folder inside the result's."""


class AnswersConfig(BatchConfig):
    """Whose answers are compared, with whose, and who judges them."""

    answers: Annotated[tuple[str, ...], Option(metavar="ANSWERS...")] = Field(min_length=1)
    """Models' answers: run folders of judge respond, files or hub ids in the layout of AlpacaEval,
    MT-bench or Arena-Hard; each as PATH or NAME=PATH, which names the model."""
    baseline: Annotated[str, Option(metavar="NAME|ANSWERS")]
    """The model that all others are compared with: a model's name, or its answers as above."""
    questions: Annotated[str | None, Option(metavar="FILE")] = None
    """The questions (question.jsonl of MT-bench or Arena-Hard), for answers that hold their ids
    alone."""
    out: Annotated[str, Option(metavar="DIR")]
    """Where pairs, run, arena.json, tables and report.html go."""
    limit: Annotated[int | None, Option(metavar="N")] = Field(default=None, ge=1)
    """Only the first N prompts of the baseline; a later run with more goes on from there."""
    every_pair: bool = False
    """Judge every two models, not only each and the baseline: the matrix of win rates is then
    measured, and costs as many more judgments."""
    resamples: Annotated[int, Option(metavar="N")] = Field(default=1000, ge=1)
    """Bootstrap resamples of the prompts."""
    input: str = PAIRS
    """Not asked: the pairs are made of the answers."""

    @property
    def run(self) -> Path:
        """The run folder."""
        return Path(self.out) / RUN

    def batch(self, rows: int) -> BatchConfig:
        """Return the configuration of the run on the first ``rows`` pairs."""
        shared = self.model_dump(include=set(BatchConfig.model_fields))
        where: dict[str, Any] = {"input": str(Path(self.out) / PAIRS), "out": str(self.run)}
        cut = dict.fromkeys(("split", "subset", "revision"))
        limit = {"limit": None if self.limit is None else rows}
        return BatchConfig.model_validate({**shared, **where, **cut, **limit})

    @model_validator(mode="after")
    def _by_a_judge(self) -> AnswersConfig:
        if self.scorer:
            raise ValueError("scorer is not for judge arena; judge rank ranks by one")
        return self


class PairsConfig(AnswersConfig):
    """What ``judge arena pairs`` is asked; also the fields of its ``--config`` file (YAML)."""


class AlpacaEvalConfig(AnswersConfig):
    """What ``judge arena alpaca-eval`` is asked; also the fields of its ``--config`` file."""

    difficulty: Annotated[str | None, Option(metavar="FILE")] = None
    """The instructions' difficulty (instruction_difficulty.csv of AlpacaEval, or a table with the
    columns instruction and instruction_difficulty). None: the model of the published rule without
    that term."""
    gamed: Annotated[str | None, Option(metavar="FILE")] = None
    """Answers of the baseline made long and short (df_gamed.csv of AlpacaEval), towards which the
    published rule regularises; needs the difficulty."""

    @model_validator(mode="after")
    def _gamed_with_difficulty(self) -> AlpacaEvalConfig:
        if self.gamed is not None and self.difficulty is None:
            raise ValueError("gamed needs difficulty: its rows have that term")
        return self


class ArenaHardConfig(AnswersConfig):
    """What ``judge arena arena-hard`` is asked; also the fields of its ``--config`` file."""

    strong: int = Field(default=3, ge=2, le=3)
    """Strength from which a verdict is A>>B: 3 (much better) or 2 (better)."""
    even: int = Field(default=0, ge=0, le=1)
    """Strength up to which a verdict is A=B: 0 (none is) or 1 (slightly better)."""

    @model_validator(mode="after")
    def _both_orders(self) -> ArenaHardConfig:
        if self.orders != "both":
            raise ValueError("orders is both: Arena-Hard counts each order as a game")
        return self


class MtBenchConfig(RespondConfig):
    """What ``judge arena mt-bench`` is asked; also the fields of its ``--config`` file (YAML)."""

    answers: Annotated[tuple[str, ...], Option(metavar="ANSWERS...")] = Field(min_length=1)
    """Models' answers, in the layouts of the other rules; both turns of each are graded."""
    questions: Annotated[str | None, Option(metavar="FILE")] = None
    """The questions (question.jsonl of MT-bench), for answers that hold their ids alone."""
    references: Annotated[str | None, Option(metavar="FILE")] = None
    """Right answers of math, coding and reasoning (reference_answer of MT-bench, the corrected
    ones). None: those that the questions hold."""
    wording: Annotated[str | None, Option(metavar="FILE")] = None
    """What the judge is asked in (judge_prompts.jsonl of MT-bench). None: our own words."""
    strip_thinking: bool = False
    """Leave out what a reasoning model wrote before each answer, as in ``<think>``."""
    out: Annotated[str, Option(metavar="DIR")]
    """Where prompts, run, arena.json, tables and report.html go."""
    limit: Annotated[int | None, Option(metavar="N")] = Field(default=None, ge=1)
    """Only the first N questions; a later run with more goes on from there."""
    max_new_tokens: int = Field(default=2048, ge=1)
    """Most tokens of a judge's reply; one that is cut there is a failure."""
    resamples: Annotated[int, Option(metavar="N")] = Field(default=1000, ge=1)
    """Bootstrap resamples of the questions."""
    model: str
    """The judge, a model that chats: a folder, a hub model id, or what a server calls it."""
    input: str = "prompts.jsonl"
    """Not asked: the prompts are made of the answers."""

    @property
    def run(self) -> Path:
        """The run folder."""
        return Path(self.out) / RUN

    def respond(self, rows: int) -> RespondConfig:
        """Return the configuration of the run on the first ``rows`` prompts."""
        shared = self.model_dump(include=set(RespondConfig.model_fields))
        where: dict[str, Any] = {"input": str(Path(self.out) / self.input), "out": str(self.run)}
        cut: dict[str, Any] = dict.fromkeys(("split", "subset", "revision"))
        cut["limit"] = None if self.limit is None else rows
        return RespondConfig.model_validate({**shared, **where, **cut})


class ReportConfig(BaseModel):
    """What ``judge arena report`` is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    results: Annotated[tuple[str, ...], Option(metavar="DIR...")] = Field(min_length=1)
    """Folders of judge arena, in the order of the table's columns."""
    out: Annotated[str, Option(metavar="DIR")]
    """Where report.html and the tables go."""
