"""Small tokenizers of the families that judges come in, trained inside the tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from judge.train.bundled.tokenizer import SPECIAL_TOKENS, train_tokenizer

TEXT = [
    "Why is the sky blue? Because air scatters short waves more than long ones.",
    "@Response 1 is slightly better than @Response 2. Between them, which is better?",
    "The user asked for a list; the assistant wrote an essay (and a long one), end of text.",
    "<s> </s> <|im_start|> <|im_end|> [INST] [/INST] <|eot_id|> <unk> im start end header id",
    "def f(x):\n    return x + 1\n\n\n        # done",
] * 40

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
INST = "{% for m in messages %}[INST] {{ m['content'] }} [/INST]{% endfor %}"


@dataclass(frozen=True)
class Family:
    """A tokenizer, how many BOS its prompts open with, and whether decoding is faithful."""

    name: str
    tokenizer: PreTrainedTokenizerFast
    bos: int
    faithful: bool


def llama3() -> Family:
    """Byte-level BPE, Llama-3 markers, BOS in the template and in the post-processor."""
    return Family("llama3", train_tokenizer(TEXT, 700, 4096), bos=1, faithful=True)


def chatml(
    markers: Sequence[str] = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"),
) -> Family:
    """Byte-level BPE, ChatML: markers special, plain added tokens, blanks after them, no BOS."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    backend.train_from_iterator(TEXT, trainer)
    backend.add_special_tokens([m for m in markers if m.startswith("<|")])
    # Added but not special, as Qwen's tool and thinking markers and Phi's runs of blanks are.
    plain = [*(m for m in markers if not m.startswith("<|")), "    ", "        "]
    backend.add_tokens([AddedToken(text, normalized=False) for text in plain])
    fast = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>")
    fast.chat_template = CHATML
    return Family("chatml", fast, bos=0, faithful=True)


def unigram() -> Family:
    """Sentencepiece style: Unigram, markers in the vocabulary, NFKC, BOS in the template alone."""
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300,
        special_tokens=["<unk>", "<s>", "</s>"],
        unk_token="<unk>",
        show_progress=False,
    )
    backend.train_from_iterator(TEXT, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    fast.chat_template = "{{ bos_token }}" + INST + "{{ eos_token if false }}"
    return Family("unigram", fast, bos=1, faithful=False)


def byte_fallback(explicit_bos: bool) -> Family:
    """Llama-2 style: BPE with bytes for the rest, BOS from the post-processor; whole words first.

    Args:
        explicit_bos: whether the chat template prints the BOS too, as Llama 2's does.
    """
    specials = ["<unk>", "<s>", "</s>"]
    # ignore_merges looks whole pieces up: without a pre-tokenizer a text "</s>" is its own piece.
    backend = Tokenizer(
        models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True, ignore_merges=True)
    )
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=[*specials, *(f"<0x{byte:02X}>" for byte in range(256))],
        show_progress=False,
    )
    backend.train_from_iterator((f" {word}" for text in TEXT for word in text.split()), trainer)
    state: dict[str, Any] = json.loads(backend.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if t["content"] in specials]
    backend = Tokenizer.from_str(json.dumps(state))
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<unk>",
    )
    fast.chat_template = ("{{ bos_token }}" if explicit_bos else "") + INST
    name = f"byte_fallback-{'explicit' if explicit_bos else 'implicit'}-bos"
    return Family(name, fast, bos=1, faithful=True)


def every_family() -> list[Family]:
    return [llama3(), chatml(), unigram(), byte_fallback(True), byte_fallback(False)]


MARKERS = [
    *SPECIAL_TOKENS,
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"),
    *("<s>", "</s>", "<unk>", "[INST]", "[/INST]", "<0x0A>", "<bos>", "<start_of_turn>"),
    *("<|im_start|>system\n", "<|start_header_id|>system<|end_header_id|>\n\n"),
]
"""Control markers of all families: hostile in every other one, too."""
