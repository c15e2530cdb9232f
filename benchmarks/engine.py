"""Pairs a second of the transformers engine against the naive loop, in one run, on mixed lengths.

    python benchmarks/engine.py [--pairs 40] [--mode verdict|justify] [--dtype auto|bfloat16]

The naive loop is what a first script does: for one pair and one order at a time, apply the chat
template, call ``generate`` (in ``justify`` mode under outlines' own processor for the same regex:
both write the same texts), decode, parse. Its model is loaded by transformers alone, in the same
type: ``auto`` sets the engine's default on a CPU (float32 with the fastest products that it has)
against plain float32, ``bfloat16`` sets bfloat16 against bfloat16, which is what a script gets that
asks ``from_pretrained`` for nothing. The ratio of the medians is gated (at least 3); absolute rates
depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import outlines
import torch
from outlines.backends import get_regex_logits_processor
from transformers import AutoModelForCausalLM

from judge.infer.engines.registry import load_engine
from judge.infer.engines.transformers.engine import TransformersEngine
from judge.models import resolve_model
from judge.pair import Pair, parse_prompt
from judge.prompt import PromptBuilder, load_template
from judge.verdict import JUSTIFY_REGEX, parse_completion, parse_statement

EXAMPLES = Path(__file__).parent.parent / "examples" / "pairs.jsonl"


def mixed_pairs(count: int) -> list[Pair]:
    """Return ``count`` pairs of mixed lengths: the examples, some with responses repeated."""
    rows = [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    pairs = []
    for i in range(count):
        row, copies = rows[i % len(rows)], 1 + (i // len(rows)) % 3
        pairs.append(
            Pair(
                pair_id=str(i),
                prompt=parse_prompt(row["prompt"]),
                response_1="\n\n".join([row["response_1"]] * copies),
                response_2="\n\n".join([row["response_2"]] * copies),
            )
        )
    return pairs


def naive(
    causal: Any, engine: TransformersEngine, builder: PromptBuilder, pairs: list[Pair], mode: str
) -> tuple[int, int]:
    """Judge one order of one pair at a time; return (tokens forwarded, replies unparsed)."""
    forwarded = unparsed = 0
    model = outlines.from_transformers(causal, engine.tokenizer)
    constraint = get_regex_logits_processor("outlines_core", model, JUSTIFY_REGEX)
    limit = engine.sampling.max_new_tokens if mode == "justify" else 16
    for pair in pairs:
        for prompt in builder.build([pair, pair.flipped()]):
            ids = torch.tensor([prompt.ids])
            constraint.reset()
            with torch.inference_mode():
                output = causal.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=limit,
                    do_sample=False,
                    logits_processor=[constraint] if mode == "justify" else None,
                    pad_token_id=engine.tokenizer.pad_token_id,
                )[0]
            new = output[len(prompt.ids) :]
            forwarded += len(prompt.ids) + len(new) - 1
            text = engine.tokenizer.decode(new, skip_special_tokens=True)
            parsed: Any = parse_completion(text) or parse_statement(text)
            unparsed += parsed is None
    return forwarded, unparsed


def main() -> None:
    """Run both ways in turn and print the ratio and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--mode", choices=("verdict", "justify"), default="verdict")
    parser.add_argument("--dtype", choices=("auto", "bfloat16"), default="auto")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--max-new-tokens", type=int, default=48)
    parser.add_argument("--least", type=float, default=3.0, help="smallest ratio that passes")
    options = parser.parse_args()

    from judge.config import BatchConfig

    config = BatchConfig(
        input=str(EXAMPLES),
        out="runs/bench",
        model=options.model,
        mode=options.mode,
        dtype=options.dtype,
        max_new_tokens=options.max_new_tokens,
    )
    engine = load_engine(config)
    assert isinstance(engine, TransformersEngine)
    plain = torch.bfloat16 if options.dtype == "bfloat16" else torch.float32
    causal = AutoModelForCausalLM.from_pretrained(resolve_model(options.model), dtype=plain)
    engine = engine.bound(load_template("pairwise_justifier.v1"))
    builder = engine.builder
    pairs = mixed_pairs(options.pairs)
    prompts = builder.build([p for pair in pairs for p in (pair, pair.flipped())])
    engine.judge(prompts[:8], options.mode)  # warm-up, and the constraint's compilation
    naive(causal, engine, builder, pairs[:2], options.mode)

    ours, theirs = [], []
    for _ in range(options.repeats):
        before = engine.counts.to_json()
        started = time.perf_counter()
        engine.judge(prompts, options.mode)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        forwarded, unparsed = naive(causal, engine, builder, pairs, options.mode)
        theirs.append(time.perf_counter() - started)
    after = engine.counts.to_json()
    ran, padded = (after[n] - before[n] for n in ("forwarded_tokens", "padding_tokens"))
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(
        f"model {options.model}, mode {options.mode}, dtype {options.dtype}, "
        f"{len(pairs)} pairs, both orders"
    )
    print(
        f"engine: {len(pairs) / statistics.median(ours):8.2f} pairs/s, "
        f"{ran:,} tokens forwarded in batches, "
        f"{padded / ran:.1%} of them padding, 0 unparsed"
    )
    print(
        f"naive:  {len(pairs) / statistics.median(theirs):8.2f} pairs/s, "
        f"{forwarded:,} tokens forwarded one row at a time, {unparsed} of {2 * len(pairs)} unparsed"
    )
    print(f"ratio:  {ratio:8.2f}")
    if ratio < options.least:
        raise SystemExit(f"the ratio {ratio:.2f} is under {options.least}")


if __name__ == "__main__":
    main()
