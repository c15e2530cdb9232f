"""The sizes of a decoder, read from its ``config.json``: enough to count its parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from judge.errors import UsageError
from judge.models.base import BASES
from judge.models.layers import layers_of
from judge.train.recipe_files import RECIPES, read_recipe

SHIPPED = Path(__file__).parent / "architectures"
"""The sizes of models that recipes name, by the last part of their hub id: no network is needed."""
LLAMA_SHAPED = frozenset({"llama", "mistral"})
"""Model types with exactly the layers that are counted here."""


@dataclass(frozen=True)
class Architecture:
    """A Llama-shaped decoder: grouped-query attention, gated feed-forward layer, RMSNorm."""

    name: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_heads: int
    head_size: int
    vocabulary: int
    tied: bool = False

    @property
    def queries(self) -> int:
        """Width of all queries of a token."""
        return self.heads * self.head_size

    @property
    def keys(self) -> int:
        """Width of all keys, and of all values, of a token."""
        return self.key_heads * self.head_size

    @property
    def products(self) -> dict[str, tuple[int, int]]:
        """The linear layers of a decoder layer: name to (inputs, outputs)."""
        return {
            "q_proj": (self.hidden, self.queries),
            "k_proj": (self.hidden, self.keys),
            "v_proj": (self.hidden, self.keys),
            "o_proj": (self.queries, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def layer_weights(self) -> int:
        """Parameters of a decoder layer's products."""
        return sum(inputs * outputs for inputs, outputs in self.products.values())

    @property
    def embedding(self) -> int:
        """Parameters of the token embedding: the largest module there is."""
        return self.vocabulary * self.hidden

    def parameters(self, outputs: int | None = None) -> int:
        """Return all parameters: of the language model, or of a reward model with ``outputs``."""
        norms = (2 * self.layers + 1) * self.hidden
        head = outputs * self.hidden if outputs is not None else self.embedding
        if outputs is None and self.tied:
            head = 0
        return self.layers * self.layer_weights + norms + self.embedding + head

    @property
    def persistent(self) -> int:
        """Parameters of the norms, which ZeRO-3 leaves whole on every GPU."""
        return (2 * self.layers + 1) * self.hidden

    def adapter(self, rank: int, targets: str | list[str]) -> int:
        """Return the parameters of a LoRA adapter of ``rank`` on the linear layers ``targets``.

        Raises:
            UsageError: for a target that is no linear layer of this model.
        """
        names = list(self.products) if targets == "all-linear" else targets
        unknown = [name for name in names if name not in self.products]
        if unknown or isinstance(names, str):
            raise UsageError(
                f"lora.target_modules: cannot count {unknown or names!r}; expected all-linear or "
                f"some of {', '.join(self.products)}"
            )
        return self.layers * rank * sum(sum(self.products[name]) for name in names)


def architecture_of(model: str) -> Architecture:
    """Return the sizes of ``model``: of its folder, of a shipped list, or of the hub.

    A folder that a bundled recipe will write has the sizes of that recipe's own model.

    Raises:
        UsageError: when nothing says them, or it is a decoder of another shape.
    """
    folder = Path(BASES[model].title if model in BASES else model)
    if not folder.is_dir() and (SHIPPED / f"{folder.name}.json").is_file():
        path = SHIPPED / f"{folder.name}.json"
    elif not folder.is_dir() and (starts_from := _written_by_recipe(model)):
        return architecture_of(starts_from)
    else:
        path = _config_file(layers_of(model).base)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not the configuration of a model ({error})") from None
    return _from_values(model, path, values)


@lru_cache
def _written_by_recipe(folder: str) -> str | None:
    """Return the model of the bundled recipe whose ``output_dir`` is ``folder``."""
    for path in sorted(RECIPES.glob("llama*.yaml")):
        _, values = read_recipe(str(path))
        if values.get("output_dir") == folder and values.get("model") != folder:
            return str(values["model"])
    return None


def _config_file(model: str) -> Path:
    folder = Path(model)
    if folder.is_dir():
        return folder / "config.json"
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(model, "config.json"))
    except Exception as error:  # the hub's own errors, offline mode, no network: all the same here
        reason = (str(error) or repr(error)).splitlines()[0]
        known = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.json")))
        raise UsageError(
            f"model {model}: no config.json from the hub ({reason}); give a folder that has one, "
            f"or a model whose sizes are shipped: {known}"
        ) from None


def _from_values(model: str, path: Path, values: dict[str, Any]) -> Architecture:
    kind = values.get("model_type")
    if kind not in LLAMA_SHAPED:
        raise UsageError(
            f"{path}: model_type {kind!r}: plan counts {' and '.join(sorted(LLAMA_SHAPED))} models"
        )
    try:
        heads = int(values["num_attention_heads"])
        hidden = int(values["hidden_size"])
        return Architecture(
            name=model,
            hidden=hidden,
            intermediate=int(values["intermediate_size"]),
            layers=int(values["num_hidden_layers"]),
            heads=heads,
            key_heads=int(values.get("num_key_value_heads") or heads),
            head_size=int(values.get("head_dim") or hidden // heads),
            vocabulary=int(values["vocab_size"]),
            tied=bool(values.get("tie_word_embeddings", False)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: not the configuration of a decoder: {error!r}") from None
