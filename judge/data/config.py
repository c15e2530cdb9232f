"""The configuration of ``judge data prepare``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from judge.consensus import MAX_SPREAD, SIMILAR
from judge.data.checks.findings import CheckName
from judge.data.leave_out import UNUSED
from judge.data.sets import Justifications, Style
from judge.options import Option

Kind = Literal["justifier", "preference", "regression", "prompts"]
Origin = Literal["annotations", "ratings"]
Attributes = Literal["all", "helpfulness"]

_ONLY_FOR: dict[str, tuple[Kind, ...]] = {
    "justifications": ("justifier",),
    "styles": ("justifier",),
    "flipped": ("justifier",),
    "template": ("justifier",),
    "keep_zeros": ("justifier",),
    "attributes": ("regression",),
    "rounded": ("regression", "preference"),
    "similar": ("justifier", "preference", "regression"),
    "max_spread": ("justifier", "preference", "regression"),
}
"""Options that mean something for some kinds only; with another one they are refused."""
_NO_IDENTITY = {
    "input",
    "output_dir",
    "fresh",
    "strict",
    "leave_out",
    "leave_out_checks",
    "against",
}


class PrepareConfig(BaseModel):
    """What ``judge data prepare`` reads, how it builds examples and where it writes them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    input: Annotated[str, Option(metavar="INPUT")]
    """A file, the folder of a data set, or its hub id."""
    output_dir: Annotated[str, Option(flag="--out", metavar="DIR")]
    """Where ``train.jsonl``, ``val.jsonl`` and ``manifest.json`` are written."""
    kind: Kind = "justifier"
    """What the sets train: a justifier, a Bradley-Terry or a regression reward model; ``prompts``:
    what a policy answers while it is trained."""
    origin: Annotated[Origin | None, Option(flag="--from")] = None
    """What the sets are made from; of ratings, preference pairs are the more helpful response of
    two. None: ratings for ``regression``, else annotations. Of prompts: whose files of a folder are
    read."""
    format: str = "auto"
    """Format of the input, by the reader's name for it; ``auto`` looks at each row."""
    subset: str | None = None
    """Subset of a hub data set."""
    revision: str | None = None
    """Branch, tag or commit of a hub data set."""
    justifications: Annotated[Justifications, Option(flag="--set")] = "overall"
    """``overall``: one drawn justification a pair; ``all``: up to three, each with its strength."""
    styles: Annotated[tuple[Style, ...], Option(flag="--style")] = Field(
        default=("elaboration_first",), min_length=1
    )
    """Completion style; each pair gives an example of every one. May be repeated."""
    flipped: Annotated[bool, Option(flag="--flip/--no-flip", default="flip")] = True
    """Add the flipped copy of every example, on the line after it."""
    template: str = "pairwise_justifier.v1"
    """Prompt template: a name in ``prompts/`` or a path ending in ``.txt``."""
    similar: Annotated[int | None, Option(metavar="N")] = Field(default=SIMILAR, ge=1)
    """The N most similar annotations, or ratings, make the consensus."""
    max_spread: Annotated[int | None, Option(metavar="N")] = Field(default=MAX_SPREAD, ge=0)
    """Drop a pair where the strengths that count differ by more (a response: its helpfulness
    ratings)."""
    keep_zeros: Annotated[bool | None, Option(flag="--keep-zeros/--drop-zeros")] = None
    """Keep pairs of overall 0. None: drop; keep with ``--set all``, where each annotation has its
    own strength."""
    attributes: Attributes = "all"
    """Which ratings a regression set holds."""
    rounded: Annotated[bool, Option(flag="--round-ratings")] = False
    """Round mean ratings to whole numbers, as the released files do."""
    val_share: Annotated[float, Option(metavar="SHARE")] = Field(default=0.05, ge=0, lt=1)
    """Share of the prompts that becomes validation where the input has no validation rows."""
    seed: int = 17
    """Seed of the drawn justifications and of the order of pairs."""
    leave_out: Annotated[str | None, Option(metavar="FILE")] = None
    """A ``findings.jsonl`` of ``judge data check``: the rows that it names are left out."""
    leave_out_checks: Annotated[
        tuple[CheckName, ...], Option(flag="--leave-out-check", metavar="CHECK")
    ] = ()
    """Leave out only what this check found. May be repeated. None: every serious check."""
    against: Annotated[tuple[str, ...], Option(metavar="FILE_OR_ID")] = ()
    """Evaluation set whose prompts are left out: pairs, ratings, or questions as judge respond
    takes them. May be repeated."""
    strict: bool = False
    """Stop at the first row that cannot be read; otherwise it is counted and skipped."""
    fresh: bool = False
    """Overwrite an output folder that was prepared with another configuration."""

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        for name, kinds in _ONLY_FOR.items():
            if name in self.model_fields_set and self.kind not in kinds:
                raise ValueError(f"{name} has no meaning for kind {self.kind}")
        if self.origin is not None and self.origin not in _ORIGINS[self.kind]:
            raise ValueError(f"{self.kind} sets are made from {' or '.join(_ORIGINS[self.kind])}")
        if self.rounded and self.made_from == "annotations":
            raise ValueError("rounded is for sets made from ratings")
        if self.leave_out_checks and self.leave_out is None:
            raise ValueError("leave_out_checks needs leave_out, a file of findings")
        if unused := [name for name in self.leave_out_checks if name in UNUSED]:
            raise ValueError(f"rows of {unused[0]} are used by no training anyway")
        return self

    @property
    def made_from(self) -> Origin:
        """Return what the sets are made from."""
        return self.origin or _ORIGINS[self.kind][0]

    @property
    def zeros(self) -> bool:
        """Return whether pairs of overall 0 are kept: a Bradley-Terry pair is always decided."""
        if self.kind != "justifier":
            return False
        return self.justifications == "all" if self.keep_zeros is None else self.keep_zeros

    def options(self) -> dict[str, Any]:
        """Return what the output's bytes depend on beside the input's, JSON-ready."""
        foreign = {name for name, kinds in _ONLY_FOR.items() if self.kind not in kinds}
        values = self.model_dump(mode="json", exclude=_NO_IDENTITY | foreign)
        return {**values, "origin": self.made_from}


_ORIGINS: dict[Kind, tuple[Origin, ...]] = {
    "justifier": ("annotations",),
    "preference": ("annotations", "ratings"),
    "regression": ("ratings",),
    "prompts": ("annotations", "ratings"),
}
