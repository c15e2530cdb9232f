"""A quantised GGUF file to the folder of a model that trains and judges: bfloat16 weights."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from pathlib import Path
from typing import Any

from judge.models.base import WEIGHTS

PROBE = (
    "The 12,345 cats' na\u00efve caf\u00e9\u2014don't!\n\n\tdef f(x):  return x**2"
    "  # \u65e5 \u263a @Response 1"
)
"""A text that tokenizers cut in different ways."""


def dequantise(file: Path, folder: Path, chat_template: str | None = None) -> str:
    """Write the model in the GGUF ``file`` to ``folder``: weights, configurations, tokenizer.

    transformers' own way (``from_pretrained(gguf_file=...)``) marks the model as quantised, and
    then refuses to save or to train it; so only its parts are used here. A number is unpacked to
    float32 and rounded to bfloat16: the bytes depend on the file alone.

    Args:
        chat_template: what the tokenizer gets in place of its own.

    Returns:
        A digest of what the tokenizer does: the ids of ``PROBE``, and its chat template.

    Raises:
        OSError, ValueError, KeyError: when the file is damaged, or the disk full.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    place = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    # Its progress bars do not ask anyone whether they are wanted.
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            config: Any = AutoConfig.from_pretrained(**place, trust_remote_code=False)
            tokenizer = AutoTokenizer.from_pretrained(**place, trust_remote_code=False)
            tensors = _tensors(file, config)
        finally:
            logging.set_verbosity(before)
    config.architectures = [_architecture(config)]
    config.dtype = torch.bfloat16
    vars(config).pop("_model_name_or_path", None)  # of the GGUF file, and nobody's path
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config.save_pretrained(folder)
    GenerationConfig.from_model_config(config).save_pretrained(folder)
    tokenizer.chat_template = chat_template or tokenizer.chat_template
    tokenizer.save_pretrained(folder)
    does = json.dumps([tokenizer(PROBE)["input_ids"], tokenizer.chat_template])
    return hashlib.sha256(does.encode()).hexdigest()


def _tensors(file: Path, config: Any) -> dict[str, Any]:
    """Return the unpacked tensors by transformers' names; one that equals another is left out."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    found = load_gguf_checkpoint(
        str(file), return_tensors=True, model_to_load=model, torch_dtype=torch.bfloat16
    )["tensors"]
    tied = getattr(model, "_tied_weights_keys", None) or {}
    names = set(model.state_dict())
    if config.tie_word_embeddings:
        names -= set(tied)
    if missing := sorted(names - found.keys()):
        raise ValueError(f"{file.name} lacks {missing[0]}")
    return {name: found[name].contiguous() for name in sorted(names)}


def _architecture(config: Any) -> str:
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    return str(MODEL_FOR_CAUSAL_LM_MAPPING[type(config)].__name__)
