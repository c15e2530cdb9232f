"""The bundled models, and how a model's name becomes a folder or a hub id."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from judge.errors import UsageError
from judge.grammar import Answer
from judge.models.base import BASES, open_base

FOLDER = Path(__file__).parent
BUNDLED = {
    "small": "small_judge",
    "small-bt": "small_bt",
    "small-regression": "small_regression",
    "mini": "mini_judge",
    "mini-bt": "mini_bt",
    "mini-regression": "mini_regression",
}
"""Names of the models that ship with the package, and their folders beside this file. The small
ones are adapters over a base that is fetched (:data:`judge.models.base.BASES`)."""
CARDS = {"small-base": "small_base", **BUNDLED}
"""The folders of the models' cards."""
TOKENIZERS = {"mini_bt": "mini_judge", "mini_regression": "mini_judge"}
"""Bundled folders, and the one that has their tokenizer: a wheel holds it once."""
CARD_FILE = "README.md"
JUDGE_FILE = "judge.json"
"""What a trained model says of itself: a judge the template it was trained with, a reward model its
objective and outputs."""
ATTRIBUTES_KNOWN = "attributes"
"""What the ``judge.json`` of a policy calls the attributes that it was trained to be told."""
GENERAL_TEMPLATE = "guided.v1"
"""The template of a model that does not say which one it was trained with."""


def resolve_model(name: str) -> str:
    """Return the folder of a bundled or fetched model, or ``name`` itself: a folder or a hub id.

    Raises:
        UsageError: when ``name`` looks like a path and nothing is there, a model's folder lacks
            its configuration, or a base was not fetched or is damaged.
    """
    if name in BASES:
        return str(open_base(BASES[name]))
    if name in BUNDLED:
        name = str(FOLDER / BUNDLED[name])
    path = Path(name)
    if path.is_dir():
        if not any((path / file).is_file() for file in ("config.json", "adapter_config.json")):
            raise UsageError(f"model folder {name} has no config.json")
        return name
    if path.exists() or name.startswith((".", "/", "~")) or name.count("/") != 1:
        known = ", ".join([*BUNDLED, *BASES])
        raise UsageError(
            f"no model folder at {name}; expected a folder, a hub id or one of {known}"
        )
    return name


def tokenizer_folder(folder: str) -> str:
    """Return where the tokenizer of the model in ``folder`` lies, as ``folder`` itself or a hub id.

    The bundled mini models have one in common.
    """
    path = Path(folder)
    if path.parent != FOLDER or (path / "tokenizer.json").is_file():
        return folder
    return str(FOLDER / TOKENIZERS[path.name]) if path.name in TOKENIZERS else folder


def served_template(names: Iterable[str | None]) -> str:
    """Return the template of the first of a served model's names that is a judge's folder here.

    The general one without any: what a server calls its model need not exist here.
    """
    return next(map(default_template, _judges(names)), GENERAL_TEMPLATE)


def served_answer(names: Iterable[str | None]) -> Answer:
    """Return what a served model answers with; as :func:`served_template`."""
    return next(map(answer_of, _judges(names)), "statement")


def _judges(names: Iterable[str | None]) -> Iterator[str]:
    return (n for n in names if n and (n in BUNDLED or (Path(n) / JUDGE_FILE).is_file()))


def default_template(model: str) -> str:
    """Return the template a model was trained with (its ``judge.json``), else the general one.

    Raises:
        UsageError: when that file is damaged, or says that this is a reward model.
    """
    return _about(model).get("template", GENERAL_TEMPLATE)


def served_judge(names: Iterable[str | None]) -> bool:
    """Say whether a served model was trained to judge; as :func:`served_template`."""
    return any(True for _ in _judges(names))


def is_judge(model: str) -> bool:
    """Say whether a model was trained to judge (it has a ``judge.json``), not in general."""
    return bool(_about(model))


def answer_of(model: str) -> Answer:
    """Return what a model was trained to answer with (its ``judge.json``): else a statement.

    Raises:
        UsageError: as :func:`default_template`.
    """
    return "label" if _about(model).get("answer") == "label" else "statement"


def attributes_known(model: str) -> dict[str, int]:
    """Return the attributes that a model was trained to be told (SteerLM), as its ``judge.json``
    says, with their most frequent values in its training; none of any other model."""
    try:
        about = json.loads((Path(resolve_model(model)) / JUDGE_FILE).read_text(encoding="utf-8"))
        return {str(name): int(value) for name, value in about[ATTRIBUTES_KNOWN].items()}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}


def refuse_reward(model: str) -> None:
    """Refuse a model that says of itself (its ``judge.json``) that it gives rewards: it writes
    nothing. A name that leads to no folder here is left to whoever runs it.

    Raises:
        UsageError: when it says so.
    """
    folder = str(FOLDER / BUNDLED[model]) if model in BUNDLED else model
    try:
        about = json.loads((Path(folder) / JUDGE_FILE).read_text(encoding="utf-8"))
        reward = about.get("kind") == "reward"
    except (OSError, ValueError, AttributeError):
        return
    if reward:
        raise UsageError(f"model {model} is a reward model, which writes no answers")


def _about(model: str) -> dict[str, str]:
    """Return what a judge's ``judge.json`` says; nothing where there is none."""
    path = Path(resolve_model(model)) / JUDGE_FILE
    if not path.is_file():
        return {}
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about.get("kind") == "reward":
            raise UsageError(
                f"model {model} is a reward model, not a judge: use it beside a judge with"
                " --scorer, or alone with judge score, judge bench --reward-model or"
                " judge serve --no-judge --scorer"
            )
        return {name: str(about[name]) for name in ("template", *({"answer"} & about.keys()))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{path}: expected an object with a template") from None
