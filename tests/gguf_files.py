"""A GGUF file of a small Llama model, for a test in front of llama.cpp."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_gguf(folder: Path, path: Path) -> None:
    """Write the model of ``folder`` in float32, as ``convert_hf_to_gguf.py`` of llama.cpp does.

    Args:
        folder: a transformers model with tied embeddings and a byte-level BPE tokenizer.
    """
    import gguf
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_bytes())
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(groups)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_vocab_size(config["vocab_size"])
    _add_vocabulary(writer, folder, config)
    for name, tensor in load_file(folder / "model.safetensors").items():
        array = tensor.float()
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            # llama.cpp rotates neighbours, transformers halves.
            count = heads if "q_proj" in name else groups
            array = array.view(count, 2, -1, array.shape[-1]).transpose(1, 2).reshape(array.shape)
        writer.add_tensor(_renamed(name), array.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: Any, folder: Path, config: dict[str, Any]) -> None:
    from gguf import TokenType

    tokenizer = json.loads((folder / "tokenizer.json").read_bytes())
    special = {token["id"] for token in tokenizer["added_tokens"]}
    words = dict(tokenizer["model"]["vocab"])
    words |= {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    tokens = sorted(words, key=words.__getitem__)
    assert [words[token] for token in tokens] == list(range(config["vocab_size"]))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [TokenType.CONTROL if i in special else TokenType.NORMAL for i in range(len(tokens))]
    )
    merges = tokenizer["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_chat_template((folder / "chat_template.jinja").read_text(encoding="utf-8"))


def _renamed(name: str) -> str:
    name = name.removeprefix("model.")
    for theirs, ours in (
        ("layers.", "blk."),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.", "attn_"),
        ("mlp.", "ffn_"),
        ("_proj", ""),
        ("post_attention_layernorm", "ffn_norm"),
        ("input_layernorm", "attn_norm"),
        ("embed_tokens", "token_embd"),
    ):
        name = name.replace(theirs, ours)
    return "output_norm.weight" if name == "norm.weight" else name
