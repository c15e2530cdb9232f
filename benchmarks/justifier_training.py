"""Tokens that the judge's fine-tuning forwards, packed and padded, and the memory of its loss.

    python benchmarks/justifier_training.py [--examples 32] [--batch 8] [--repeats 3] [--data DIR]

All ways train the same model on the same examples of mixed lengths with the same examples a step,
in float32: padded in the order of the draw, padded in batches of like length, packed. Rates are
reported, in time of the processor (OMP_NUM_THREADS=1); counts are gated. Without --data the
examples are this project's, some with a response repeated; with it, a folder of `judge data
prepare`. Then one forward and backward pass over 2,048 tokens with a vocabulary of 128,256, each in
a process of its own: the loss from whole logits, as transformers makes them, and from the
completion alone in tiles, as the judge is trained. Gated: the padded draw forwards at least 1.3
times the tokens of packed rows, losses of both within 1e-4, and the memory above the weights at
least 5 times smaller.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, set_seed
from transformers.utils import logging
from trl.trainer.utils import add_fused_lm_head

from judge.data.prepare import PrepareConfig
from judge.data.prepare import run as prepare
from judge.prompt import PromptBuilder, load_template
from judge.train.compute.head import score_positions
from judge.train.config import JustifierConfig
from judge.train.finetune import load_tokenizer
from judge.train.sft.examples import IGNORED, ExampleSet, JustifierCollator, read_rows, tokenize
from judge.train.sft.training import build_trainer, load_model, sft_arguments

EXAMPLES = Path(__file__).parent.parent / "examples" / "pairs.jsonl"
WAYS: dict[str, dict[str, Any]] = {
    "padded": {"packing": False, "group_by_length": False},
    "grouped": {"packing": False},
    "packed": {"packing": True},
}
VOCABULARY, TOKENS, COMPLETION = 128_256, 2048, 150


def mixed_set(folder: Path) -> Path:
    """Prepare the example pairs, some with a response repeated, as a training set in ``folder``."""
    lines = EXAMPLES.read_text(encoding="utf-8").splitlines()
    pairs = []
    for i, line in enumerate(lines * 2):
        row = json.loads(line)
        repeated = "\n\n".join([row["response_2"]] * (1 + (i * 7) % 4))
        pairs.append(row | {"pair_id": f"{i}", "response_2": repeated})
    source = folder / "pairs.jsonl"
    source.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
    prepare(
        PrepareConfig(
            input=str(source), output_dir=str(folder / "sets"), styles=("elaboration_first",)
        )
    )
    return folder / "sets"


def train(recipe: JustifierConfig, model: Any, builder: PromptBuilder, data: ExampleSet) -> Any:
    """Return processor seconds, losses and counted tokens of one pass over ``data``."""
    arguments = sft_arguments(recipe)
    trainer = build_trainer(recipe, arguments, copy.deepcopy(model), builder, data, data)
    collate, counts = trainer.data_collator, Counter[str]()

    class Counting:
        packed = collate.packed

        def __call__(self, items: list[Any]) -> Any:
            batch = collate(items)
            counts["forwarded"] += batch["input_ids"].numel()
            counts["real"] += sum(len(item["input_ids"]) for item in items)
            counts["longest"] = max(counts["longest"], batch["input_ids"].numel())
            return batch

    trainer.data_collator = Counting()
    trainer.remove_callback(PrinterCallback)
    started = time.process_time()
    trainer.train()
    seconds = time.process_time() - started
    return seconds, [r["loss"] for r in trainer.state.log_history if "loss" in r], counts


def compare(options: argparse.Namespace, folder: Path) -> float:
    """Train in all ways in turn and print what each did; check the losses.

    Returns the tokens forwarded in padded rows of the draw, by those in packed ones.
    """
    data = Path(options.data) if options.data else mixed_set(folder)
    recipe = JustifierConfig(
        model=options.model,
        data=str(data),
        output_dir=str(folder / "run"),
        bf16=False,
        max_length=4096,
        learning_rate=1e-5,
        global_batch_size=options.batch * 2,
        per_device_batch_size=options.batch,
        eval_steps=10**6,
        save_steps=10**6,
    )
    tokenizer = load_tokenizer(recipe)
    builder = PromptBuilder(tokenizer, load_template(recipe.template))
    rows = read_rows(data / "train.jsonl", None, options.examples)
    examples = tokenize(rows, builder, recipe.max_length, 1.0)
    set_seed(recipe.seed)
    model = load_model(recipe, tokenizer)
    found: dict[str, list[Any]] = {name: [] for name in WAYS}
    for _ in range(options.repeats + 1):  # the first warms up
        for name, fields in WAYS.items():
            changed = recipe.model_copy(update=fields)
            found[name].append(train(changed, model, builder, examples))
    lengths = sorted(examples.lengths)
    print(
        f"model {options.model}, {len(examples)} examples of {lengths[0]} to {lengths[-1]} tokens "
        f"(median {lengths[len(lengths) // 2]}), {options.batch} a row, float32"
    )
    rates = {}
    for name, runs in found.items():
        rates[name] = len(examples) / statistics.median(seconds for seconds, _, _ in runs[1:])
        counts = runs[0][2]
        padding = 1 - counts["real"] / counts["forwarded"]
        print(
            f"{name + ':':9}{rates[name]:8.2f} examples a processor second, "
            f"{counts['forwarded']:,} tokens forwarded, {padding:.1%} of them padding, "
            f"{counts['longest']:,} in the longest batch"
        )
    apart = max(
        abs(a - b) for a, b in zip(found["padded"][0][1], found["packed"][0][1], strict=True)
    )
    for name in ("padded", "grouped"):
        fewer = found[name][0][2]["forwarded"] / found["packed"][0][2]["forwarded"]
        faster = rates["packed"] / rates[name]
        print(f"packed against {name}: {fewer:.3f} times fewer tokens, {faster:.2f} times as fast")
    print(f"losses of {len(found['packed'][0][1])} steps at most {apart:.1e} apart")
    if apart > 1e-4:
        raise SystemExit("gate: losses within 1e-4")
    return float(found["padded"][0][2]["forwarded"] / found["packed"][0][2]["forwarded"])


def loss_of(way: str) -> None:
    """Print megabytes that one forward and backward pass added to the process, and the loss."""
    torch.manual_seed(1)
    size = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1}
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=VOCABULARY, num_attention_heads=2, num_key_value_heads=2, **size)
    )
    add_fused_lm_head(model)
    score_positions(model)
    ids = torch.randint(VOCABULARY, (TOKENS,)).tolist()
    prompt = TOKENS - COMPLETION
    item = {
        "index": 0,
        "input_ids": ids,
        "labels": [IGNORED] * prompt + ids[prompt:],
        "weights": [1.0] * TOKENS,
        "branch": -1,
    }
    for parameter in model.parameters():  # their room is no part of the loss
        parameter.grad = torch.zeros_like(parameter)
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark begins anew
    before = memory("VmHWM")
    if way == "whole":
        loss = model(input_ids=torch.tensor([ids]), labels=torch.tensor([item["labels"]])).loss
    else:
        batch = JustifierCollator(False, 0, False)([item])
        inputs = {k: v for k, v in batch.items() if k not in ("index", "labels")}
        loss = -model(**inputs, fused_lm_head=True).log_probs.mean()
    loss.backward()
    print(json.dumps({"megabytes": memory("VmHWM") - before, "loss": loss.item()}))


def memory(name: str) -> float:
    """Return a figure of /proc/self/status (Linux) in megabytes."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if name in line)


def compare_memory() -> float:
    """Print what the loss takes with whole logits and in tiles; return the ratio."""
    found = {}
    for way in ("whole", "tiles"):
        command = [sys.executable, __file__, "--loss", way]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[way] = json.loads(done.stdout.splitlines()[-1])
    print(f"{TOKENS:,} tokens, {COMPLETION} of them completion, vocabulary {VOCABULARY:,}, float32")
    for way, figures in found.items():
        print(f"{way + ':':9}{figures['megabytes']:8,.0f} MB above the weights and gradients")
    ratio = float(found["whole"]["megabytes"] / found["tiles"]["megabytes"])
    apart = abs(found["whole"]["loss"] - found["tiles"]["loss"])
    print(f"ratio:{ratio:8.1f}; losses {apart:.1e} apart")
    if apart > 1e-4:
        raise SystemExit("gate: losses within 1e-4")
    return ratio


def main() -> None:
    """Run both comparisons; exit with an error under the gates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=32)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--data", help="folder of prepared examples")
    parser.add_argument("--loss", choices=("whole", "tiles"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if options.loss:
        loss_of(options.loss)
        return
    with tempfile.TemporaryDirectory() as folder:
        fewer = compare(options, Path(folder))
    smaller = compare_memory()
    if fewer < 1.3 or smaller < 5:
        raise SystemExit("gates: at least 1.3 times fewer tokens, 5 times less memory")


if __name__ == "__main__":
    main()
