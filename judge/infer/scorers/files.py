"""What the files of a reward model say of it: head, outputs, objective, context, chat template."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from judge.conversation import template_digest
from judge.errors import UsageError
from judge.infer.tokenizers import tokenizer_of
from judge.models import JUDGE_FILE, resolve_model
from judge.models.layers import ADAPTER_CONFIG, Layers, layers_of
from judge.models.loading import load_config
from judge.reward import Objective, check_weights

LOGIT_CONTEXT = 4096
"""The most tokens of a conversation for a logit form. Source: card of Nemotron-70B-Reward-HF."""
UNLIMITED = 1 << 31
"""Context of a model whose configuration names none."""
_LOGIT_NAME = re.compile(r"nemotron.*reward", re.IGNORECASE)
_UNNAMED = re.compile(r"LABEL_\d+")
Form = Literal["head", "logit"]


@dataclass(frozen=True)
class Described:
    """What a reward model's files say of it, before its weights are loaded."""

    name: str
    """As the user wrote it."""
    layers: Layers
    """A whole model, or an adapter and what it stands on."""
    form: Form
    outputs: tuple[str, ...]
    objective: Objective
    config: Any
    """Of transformers, with as many labels as there are outputs."""
    context: int

    @property
    def folder(self) -> str:
        """Folder or hub id."""
        return self.layers.folder

    @property
    def is_adapter(self) -> bool:
        return bool(self.layers.adapters)


def describe(name: str, form: Literal["auto", "head", "logit"] = "auto") -> tuple[Described, Any]:
    """Return what the files of a reward model say, and its tokenizer.

    Args:
        name: a bundled model, a folder (of a whole model or an adapter) or a hub id.
        form: where the reward is; ``auto`` asks the files.

    Raises:
        UsageError: in one line, when there is no such model, or it is not a reward model.
    """
    layers = layers_of(name)
    folder = layers.folder
    card = _card(name, folder)
    config = load_config(layers.base, name)
    tokenizer = tokenizer_of(layers)
    _check_template(name, card, tokenizer)
    found = _form(name, folder, config, card) if form == "auto" else form
    limits = [
        getattr(config.get_text_config(), "max_position_embeddings", None) or UNLIMITED,
        tokenizer.model_max_length,
        LOGIT_CONTEXT if found == "logit" else UNLIMITED,
    ]
    described = Described(
        name=name,
        layers=layers,
        form=found,
        outputs=("reward",) if found == "logit" else _outputs(name, folder, config, card),
        objective=_objective(name, config, card),
        config=config,
        context=int(min(limits)),
    )
    return described, tokenizer


def check_kind(name: str) -> None:
    """Look whether a model says of itself that it is not a reward model; its weights stay unread.

    Raises:
        UsageError: when it does, or its ``judge.json`` is damaged.
    """
    _card(name, resolve_model(name))


def output_weights(described: Described, file: str | None) -> dict[str, float]:
    """Return the weight of each output that counts: those of ``file``, else helpfulness alone.

    Raises:
        UsageError: when the file is damaged or does not fit the outputs; when there is none, and
            nothing says which of several outputs is the reward.
    """
    outputs = described.outputs
    if file is not None:
        weights = read_weights(Path(file))
        wrong = check_weights(weights, outputs)
        if wrong:
            raise UsageError(f"{file} does not fit model {described.name}: {wrong}")
        return weights
    if len(outputs) == 1:
        return {outputs[0]: 1.0}
    if "helpfulness" in outputs:
        return {"helpfulness": 1.0}
    raise UsageError(
        f"model {described.name} has {len(outputs)} outputs, {', '.join(outputs)}:"
        " give their weights with --weights"
    )


def read_weights(file: Path) -> dict[str, float]:
    """Read ``{output: weight}``, or an object that has it as its ``weights``.

    Raises:
        UsageError: when the file cannot be read or holds anything else.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    except ValueError:
        value = None
    if isinstance(value, dict) and isinstance(value.get("weights"), dict):
        value = value["weights"]
    numbers = isinstance(value, dict) and all(
        isinstance(weight, int | float) and not isinstance(weight, bool)
        for weight in value.values()
    )
    if not value or not numbers:
        raise UsageError(f"{file}: expected a JSON object of output names and their weights")
    return {str(name): float(weight) for name, weight in value.items()}


def _card(name: str, folder: str) -> dict[str, Any]:
    """Return the model's ``judge.json``, empty where it has none."""
    path = Path(folder) / JUDGE_FILE
    if not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        kind = card.get("kind")
        named = [str(output) for output in card.get("outputs", [])]
    except (OSError, ValueError, AttributeError, TypeError):
        raise UsageError(f"{path}: expected an object with kind, objective and outputs") from None
    if kind != "reward":
        raise UsageError(f"model {name} is a judge, not a reward model; give it with --model")
    return {**card, "outputs": named}


def _form(name: str, folder: str, config: Any, card: dict[str, Any]) -> Form:
    """Return where the reward is. The logit form is known by the model's name: no file says it."""
    architectures = config.architectures or []
    if card or (Path(folder) / ADAPTER_CONFIG).is_file():
        return "head"
    if any(architecture.endswith("ForCausalLM") for architecture in architectures):
        if _LOGIT_NAME.search(Path(name).name):
            return "logit"
        raise UsageError(
            f"model {name} is a causal language model ({architectures[0]}) without a reward head;"
            " if its first logit is the reward, use --form logit"
        )
    return "head"


def _outputs(name: str, folder: str, config: Any, card: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the head's outputs; sets ``config.num_labels`` to an adapter's."""
    if (Path(folder) / ADAPTER_CONFIG).is_file():
        from judge.models.adapters import head_of

        head = head_of(Path(folder))
        if head is not None:
            config.num_labels = head.shape[0]
        elif not any("SequenceClassification" in a for a in config.architectures or []):
            raise UsageError(
                f"adapter {name} brings no head (modules_to_save: score) and its base has none:"
                " it is not a reward model"
            )
    named, count = card.get("outputs") or [], config.num_labels
    if named and len(named) != count:
        raise UsageError(
            f"model {name}: {JUDGE_FILE} names {len(named)} outputs, the head has {count}"
        )
    labels = named or [str(config.id2label[i]) for i in range(count)]
    return ("reward",) if count == 1 and _UNNAMED.fullmatch(labels[0]) else tuple(labels)


def _objective(name: str, config: Any, card: dict[str, Any]) -> Objective:
    """Return what a model was trained for; one that does not say is taken for Bradley-Terry."""
    given = card.get("objective")
    if given is None:
        return "regression" if config.problem_type == "regression" else "bt"
    for objective in get_args(Objective):
        if given == objective:
            found: Objective = objective
            return found
    known = ", ".join(get_args(Objective))
    raise UsageError(f"model {name}: objective {given!r} in {JUDGE_FILE}; expected one of {known}")


def _check_template(name: str, card: dict[str, Any], tokenizer: Any) -> None:
    if not tokenizer.chat_template:
        raise UsageError(f"model {name}: the tokenizer has no chat template; a scorer needs one")
    trained = card.get("chat_template")
    if trained is not None and trained != template_digest(tokenizer):
        raise UsageError(f"model {name}: its chat template is not the one it was trained with")
