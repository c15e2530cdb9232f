"""Small prepared sets for reward models, made of the example pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


def example_pairs() -> list[dict[str, Any]]:
    lines = (ROOT / "examples" / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _messages(row: dict[str, Any], number: int) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": row[f"response_{number}"]}]


def _write(folder: Path, kind: str, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", rows[:-8]), ("val", rows[-8:])):
        text = "".join(json.dumps(row) + "\n" for row in part)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    (folder / "manifest.json").write_text(json.dumps({"options": {"kind": kind}, "outputs": {}}))
    return folder


def preference_set(folder: Path) -> Path:
    """Write a ``preference`` set whose chosen responses alternate, margins 1 to 3."""
    rows = []
    for i, row in enumerate(example_pairs()):
        chosen, rejected = (1, 2) if i % 2 else (2, 1)
        rows.append(
            {
                "pair_id": f"pair-{i}",
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "chosen": _messages(row, chosen),
                "rejected": _messages(row, rejected),
                "margin": 1 + i % 3,
                "source": "examples",
            }
        )
    return _write(folder, "preference", rows)


def regression_set(folder: Path) -> Path:
    """Write a ``regression`` set in which every third response lacks two ratings."""
    rows = []
    for i, row in enumerate(example_pairs()):
        ratings = {
            name: float((i + j) % 5)
            for j, name in enumerate(
                ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
            )
        }
        if i % 3 == 0:
            ratings |= {"correctness": None, "verbosity": None}  # type: ignore[dict-item]
        rows.append(
            {
                "rating_id": f"rating-{i}",
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "response": _messages(row, 1),
                **ratings,
                "source": "examples",
            }
        )
    return _write(folder, "regression", rows)


def tiny_base(folder: Path, tokenizer: Any, hidden: int = 16) -> Path:
    """Write a random causal Llama of one layer with ``tokenizer``.

    bitsandbytes packs 4-bit weights in blocks of 32 rows on processors with products in bfloat16:
    ``hidden`` 64 makes every matrix fit.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    size = {"hidden_size": hidden, "intermediate_size": hidden, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    config = LlamaConfig(vocab_size=len(tokenizer), pad_token_id=None, **size, **heads)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def annotated_pairs(path: Path, count: int) -> None:
    """Write the first ``count`` example pairs in HelpSteer2's layout, of two sources in turn.

    Most annotators prefer Response 2; of the first pair there is no majority.
    """
    with path.open("w", encoding="utf-8") as lines:
        for i, row in enumerate(example_pairs()[:count]):
            strengths = [2, 2, -1] if i else [1, -1]
            fields = {k: row[k] for k in ("prompt", "response_1", "response_2")}
            annotations = [{"strength": s, "justification": ""} for s in strengths]
            kept = {"id": str(i), "split": "test", "source": "even" if i % 2 == 0 else "odd"}
            lines.write(
                json.dumps(fields | kept | {"all_preferences_unprocessed": annotations}) + "\n"
            )
