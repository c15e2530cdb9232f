"""A project: its settings, its roles and what each role may do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from judge.errors import UsageError

Role = Literal["annotator", "adjudicator", "manager"]
ROLES: tuple[Role, ...] = ("annotator", "adjudicator", "manager")
"""Each may also do what those before it may."""

Action = Literal["annotate", "adjudicate", "see_figures", "manage", "export"]
LEAST_ROLE: dict[Action, Role] = {
    "annotate": "annotator",
    "adjudicate": "adjudicator",
    "see_figures": "adjudicator",
    "manage": "manager",
    "export": "manager",
}

ProjectKind = Literal["preference", "attributes"]
QueueOrder = Literal["given", "random", "informative"]
Content = Literal["tasks", "gold", "attention", "queue"]
"""What a file holds that is imported."""
ExportKind = Literal["preference", "labels", "dpo", "csv", "highlights", "history", "ratings"]
"""``preference``: a folder in HelpSteer2-Preference's layout, as ``judge data prepare`` reads it;
``labels``: for ``judge compare --labels``; ``dpo``: prompt, chosen, rejected; ``csv``: a line an
annotation, for spreadsheets; ``highlights``: a line a marked span; ``history``: everything that
happened, as JSON lines; ``ratings``: of a project that rates, a folder in the layout of
HelpSteer2's ratings."""

MOST_ANNOTATIONS = 5
"""Of a task, the two more of HelpSteer2's rule included."""


class Settings(BaseModel):
    """What a manager decides about a project; stored with it, every change in the history."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")
    kind: ProjectKind = "preference"
    """``preference``: which response is better, and why; ``attributes``: HelpSteer2's five, 0 to 4.
    It cannot change once there are tasks."""
    responses: Literal["both", "each"] = "both"
    """Of ``attributes``: both responses of a pair side by side, or each alone, as its own task. It
    cannot change once there are tasks."""
    guidelines: str = Field(default="", max_length=50_000)
    """Markdown shown beside the task; empty: the guidelines that come with the program."""
    blind: bool = True
    """The judge's verdict, explanation, rewards and names stay hidden until the person's own choice
    is stored. Every annotation records whether it was made blind."""
    annotations: int = Field(default=3, ge=1, le=MOST_ANNOTATIONS)
    """Annotations a task, each by another person."""
    more_on_disagreement: int = Field(default=2, ge=0, le=2)
    """So many more where the first three disagree (HelpSteer2, section 2), five in all at most."""
    order: QueueOrder = "given"
    """``given``: as imported; ``random``: by the seed; ``informative``: the most informative first,
    as the queue of ``judge compare`` says; tasks without a place there come last."""
    seed: int = 0
    """Decides the random order, which side each response is on, and when checks come."""
    lease_minutes: int = Field(default=30, ge=1, le=7 * 24 * 60)
    """A task goes back to the queue when its annotator does nothing for so long."""
    check_every: int = Field(default=0, ge=0)
    """On average one task in so many is a gold task or an attention check; 0: none."""
    quota: int = Field(default=0, ge=0, le=1_000_000)
    """Tasks that one person gets at most, checks aside; 0: no limit. A member's own comes first."""
    practice: int = Field(default=0, ge=0, le=100)
    """Gold tasks that each person does first, the right answer shown after each; 0: none."""
    pass_mark: int = Field(default=0, ge=0, le=100)
    """Percent of a practice round that must be right before a person gets work; 0: none is asked.
    Below it another round begins, of other gold tasks; where these run out, a manager decides."""
    too_fast_seconds: float = Field(default=3.0, ge=0)
    """A choice made faster than this, plus the time it takes to skim the texts, is marked."""
    require_justification: bool = True
    """Whether an annotation needs a reason in words (not where neither response is valid)."""
    load_images: bool = False
    """Whether images in texts may be loaded, each by a press of its own: its server learns that
    someone looked at it. Otherwise they stay their description and address."""


class Person(BaseModel):
    """Someone who is signed in."""

    model_config = ConfigDict(frozen=True)

    account_id: int
    name: str


class Project(BaseModel):
    """A project as those who take part see it."""

    model_config = ConfigDict(frozen=True)

    project_id: int
    settings: Settings
    role: Role
    """The asking person's."""


class Member(BaseModel):
    """A person of a project, as managers see them."""

    model_config = ConfigDict(frozen=True)

    account_id: int
    name: str
    role: Role
    active: bool
    """False: can no longer sign in."""


def changed_settings(settings: Settings, changes: Sequence[str]) -> Settings:
    """Return the settings with ``KEY=VALUE`` changes.

    Raises:
        UsageError: an unknown key, or a value out of range.
    """
    values = settings.model_dump()
    for change in changes:
        key, given, value = change.partition("=")
        if not given or key not in values:
            known = ", ".join(values)
            raise UsageError(f"{change!r}: expected KEY=VALUE; the keys are {known}")
        values[key] = value
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        raise UsageError(f"{problem['loc'][0]}: {problem['msg']}") from None


def may(role: Role, action: Action) -> bool:
    """Return whether someone of this role may do it."""
    return ROLES.index(role) >= ROLES.index(LEAST_ROLE[action])
