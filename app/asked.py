"""What ``judge review`` and ``judge project`` are asked: the fields that become their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict

from app.options import Options
from app.review.project import Content, ExportKind, Role
from judge.options import Option

Pairs = Annotated[str | None, Option(metavar="FILE")]
_CHECKED = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ReviewConfig(Options):
    """What ``judge review`` is asked: what is reviewed, and how the pages are served."""

    folder: Annotated[Path | None, Option(metavar="[DIR]")] = None
    """Run folder of ``judge batch`` or ``judge score``, to be reviewed."""
    database: Annotated[str | None, Option(metavar="URL")] = None
    """A team's database. None: an SQLite file in DIR."""
    project: Annotated[str | None, Option(metavar="NAME")] = None
    """Name of the project. None: the name of DIR."""
    pairs: Pairs = None
    """Where the pairs that were judged are now, if they have moved."""
    evaluation: bool = False
    """DIR judged an evaluation set: never export it as training data."""


class MemberConfig(BaseModel):
    """Whom ``judge project add`` gives which role."""

    model_config = _CHECKED

    role: Role = "annotator"
    """What the person may do."""
    external_id: Annotated[str | None, Option(metavar="ID")] = None
    """Sign in through OpenID Connect under this identity."""


class ImportConfig(BaseModel):
    """What ``judge project import`` adds."""

    model_config = _CHECKED

    input: str
    """A run folder, or a file or hub id of pairs."""
    content: Annotated[Content, Option(flag="--as")] = "tasks"
    """Tasks; gold tasks or attention checks, whose annotations are the right answer; or the queue
    of ``judge compare``."""
    evaluation: bool = False
    """An evaluation set: its content is never exported as training data, wherever else it comes
    from."""
    pairs: Pairs = None
    """Where the pairs that a run judged are now, if they have moved."""


class ExportConfig(BaseModel):
    """What ``judge project export`` writes."""

    model_config = _CHECKED

    out: Path
    """File to write; of preference and ratings, the folder."""
    kind: ExportKind | None = None
    """HelpSteer2-Preference's layout, labels for ``judge compare``, DPO pairs, CSV, marked spans,
    everything that happened, or HelpSteer2's ratings. None: preference; ratings for a project that
    rates."""
    unfinished: bool = False
    """Also tasks that still lack annotations."""
    first: bool = False
    """The choices before the judge was revealed."""
