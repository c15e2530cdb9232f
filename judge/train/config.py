"""The training recipes' configuration: every field, its default and what it means."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class PretrainConfig(BaseModel):
    """A recipe of ``judge train pretrain``: tokenizer and base model of the mini models."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text_dir: str
    """Folder of ``*.jsonl.gz`` files with a ``text`` field."""
    pairs: str
    """A HelpSteer2-Preference file; only its ``train`` split is read."""
    output_dir: str
    """Where tokenizer, weights and log are written."""
    vocab_size: int = 8192
    """Tokenizer entries, special tokens included."""
    tokenizer_documents: int = 6000
    """Running-text documents, drawn by the seed, that train the tokenizer beside all pair text."""
    pair_text_repeats: int = 2
    """How often the pairs' own text stands in the corpus."""
    architecture: dict[str, Any] = {
        "hidden_size": 256,
        "intermediate_size": 704,
        "num_hidden_layers": 8,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rope_theta": 100000.0,
    }
    """Fields of transformers' LlamaConfig."""
    block: int = 512
    """Tokens a sequence for most of the training."""
    long_block: int = 4096
    """Tokens a sequence at the end of the training, and the context of the model."""
    long_share: float = 0.08
    """Share of the steps that use ``long_block``."""
    tokens_per_step: int = 8192
    """Batch size in tokens; a multiple of both blocks."""
    epochs: float = 0.7
    """Passes over the corpus."""
    learning_rate: float = 2e-3
    """Peak of the cosine schedule, which ends at a tenth of it."""
    warmup_steps: int = 50
    """Linear warm-up."""
    save_steps: int = 200
    """A checkpoint with optimizer state every so many steps."""
    seed: int = 17
    """Seed of the draws, the initial weights and the order of documents."""
