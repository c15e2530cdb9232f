"""Run the same commands in two checkouts and compare what they write, byte for byte.

    python benchmarks/same_bytes.py OLD_CHECKOUT NEW_CHECKOUT [--work FOLDER] [--compare]

For changes that may change no result: each checkout runs a fixed list of commands with the mini
models and fixed seeds, in one process of its own, on inputs made here. Then every file is compared,
JSON by its values, a report by the data of its figures and its tables. What may differ, and why, is
:data:`MAY_DIFFER`. ``--compare`` compares what an earlier call left in the work folder.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAY_DIFFER = {
    "version": "the package's version",
    "git_revision": "the commit of the checkout",
    "examples_per_second": "a clock",
    "seconds_this_session": "a clock",
    "memory_bytes": "what the process held, other sessions' caches included",
    "trainer_state.json": "its size in a checkpoint's seal: it holds durations",
    "versions": "of libraries",
    "libraries": "likewise",
    "seconds": "a clock",
    "load_seconds": "a clock",
    "pairs_per_second": "a clock",
    "tokens_per_second": "a clock",
    "train_runtime": "a clock",
    "train_samples_per_second": "a clock",
    "train_steps_per_second": "a clock",
    "eval_runtime": "a clock",
    "eval_samples_per_second": "a clock",
    "eval_steps_per_second": "a clock",
    "started": "a clock",
    "finished": "a clock",
    "date": "a clock",
    "mfu": "from a clock",
}
"""Names of JSON fields, at any depth, that are left out of the comparison."""
NOT_COMPARED = {
    ".lock": "the number of a process",
    "events.out.tfevents": "TensorBoard's lines carry times and the machine's name",
    "training_args.bin": "a pickle that names classes of the package by their modules",
    "rng_state": "a pickle of PyTorch's generators, whose order of dictionaries may vary",
    "optimizer.pt": "a zip with times; the weights after it are compared",
    "scheduler.pt": "likewise",
}
"""Beginnings of files' names that are left out."""
CLOCKED = ("tokens a second", "peak memory", "pairs/s", "tokens/s")
"""What a line of a page or a table that shows a rate or the memory says."""
CLOCKED_PLOTS = ("rates", "memory")
"""Plots of a training's page that show them."""
COMMANDS = """
batch pairs.jsonl --mode verdict --scorer mini-bt --model mini --limit 12 --out out/verdict
batch pairs.jsonl --max-new-tokens 12 --seed 5 MINI --limit 4 --out out/justify
batch pairs.jsonl --max-new-tokens 12 --temperature 1 --seed 5 \
  --orders given MINI --limit 2 --out out/drawn
batch bad.jsonl --mode verdict --model mini --out out/bad
score pairs.jsonl --model mini-regression --limit 12 --out out/score
compare out/verdict out/score --out out/comparison
batch arena.jsonl --mode verdict --model mini --limit 24 --out out/arena
rank out/arena --resamples 50
data stats pairs.jsonl --out out/stats
data check pairs.jsonl --against bad.jsonl --out out/check
data prepare pairs.jsonl --val-share 0.2 --set all STYLES --out out/sets
data prepare pairs.jsonl --val-share 0.2 --style statement_only --style label_only --out out/labels
data prepare pairs.jsonl --val-share 0.2 --kind preference --out out/preference
data prepare rated.jsonl --val-share 0.2 --kind preference --from ratings --out out/rated
data prepare rated.jsonl --val-share 0.2 --kind regression --out out/regression
train justifier --config smoke data=out/sets output_dir=out/justifier TEN
train reward --config reward_smoke data=out/preference output_dir=out/bt objective=scaled_bt TEN
train reward --config reward_smoke data=out/regression output_dir=out/ratings RATINGS TEN
"""
PLOTS = re.compile(r'<script type="application/json" id="plots">(.*?)</script>', re.S)
_SHORT = {
    "TEN": "max_steps=10 save_steps=10 eval_steps=5",
    "MINI": "--model mini",
    "STYLES": "--style elaboration_first --style statement_first",
    "RATINGS": "objective=regression",
}
for _name, _long in _SHORT.items():
    COMMANDS = COMMANDS.replace(_name, _long)
"""In an order in which each command finds what it reads."""


def write_inputs(folder: Path, examples: Path) -> None:
    """Write what the commands read: the examples, rows that fail, rated responses."""
    for name in ("pairs.jsonl", "arena.jsonl"):
        (folder / name).write_bytes((examples / name).read_bytes())
    rows = [json.loads(line) for line in (folder / "pairs.jsonl").read_bytes().splitlines()]
    bad: list[Any] = [{**rows[0], "id": "same", "response_2": rows[0]["response_1"]}, "no object"]
    bad += [{**rows[1], "response_1": ""}, {**rows[2], "prompt": None}, rows[3], rows[3]]
    bad += [{**rows[4], "response_1": "word " * 4000}]
    rated = []
    names = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
    for number, row in enumerate(rows):
        for side in (1, 2):
            ratings = {name: (number * side + place) % 5 for place, name in enumerate(names)}
            rated.append({"prompt": row["prompt"], "response": row[f"response_{side}"], **ratings})
    for name, written in (("bad.jsonl", bad), ("rated.jsonl", rated)):
        text = "".join(json.dumps(row) + "\n" for row in written)
        (folder / name).write_text(text, encoding="utf-8")


def run_here() -> None:
    """Run the commands with the package that Python finds; what they say goes into ``said``."""
    from typer.testing import CliRunner

    from judge.cli import app

    Path("said").mkdir(exist_ok=True)
    for number, line in enumerate(COMMANDS.strip().splitlines()):
        words = line.split()
        done = CliRunner().invoke(app, words)
        named = f"{number:02}_{'_'.join(words[:2]).replace('/', '_')}.txt"
        text = f"exit code {done.exit_code}\n{done.stdout}"
        Path("said", named).write_text(text, encoding="utf-8")
        print(line, done.exit_code, flush=True)
        if done.exit_code not in (0, 3):
            print(done.output, repr(done.exception), flush=True)


def run_in(checkout: Path, work: Path, examples: Path) -> None:
    """Run the commands with the package of ``checkout`` in the folder ``work``."""
    work.mkdir(parents=True)
    write_inputs(work, examples)
    fixed = {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "HF_HUB_OFFLINE": "1"}
    fixed |= {"PYTHONHASHSEED": "0", "PYTHONPATH": str(checkout.resolve())}  # TRL's cards have sets
    environment = {**os.environ, **fixed}
    here = str(Path(__file__).resolve())
    subprocess.run([sys.executable, here, "--here"], cwd=work, env=environment, check=True)


def read(path: Path) -> Any:
    """Return what is compared of a file."""
    if path.suffix == ".jsonl":
        lines = path.read_bytes().splitlines()
        return [plain(json.loads(line)) if line.strip() else "" for line in lines]
    if path.suffix == ".json":
        return plain(json.loads(path.read_bytes()))
    if path.suffix == ".html":
        text = path.read_text(encoding="utf-8")
        plots = PLOTS.search(text)
        text = re.sub(r"<script.*?</script>|<style>.*?</style>|<meta [^>]*>", "", text, flags=re.S)
        data = json.loads(plots[1]) if plots else {}
        shown = {name: plot for name, plot in data.items() if name not in CLOCKED_PLOTS}
        return [without_clocks(text), plain(shown)]
    if path.suffix in (".txt", ".md"):
        return without_clocks(path.read_text(encoding="utf-8"))
    return path.read_bytes()


def plain(value: Any) -> Any:
    """Return a JSON value without the fields that may differ."""
    if isinstance(value, dict):
        return {name: plain(v) for name, v in value.items() if name not in MAY_DIFFER}
    return [plain(item) for item in value] if isinstance(value, list) else value


def without_clocks(text: str) -> list[str]:
    """Return the lines of a text for people without durations, rates, dates and memory.

    The last column of a comparison's table of systems is seconds a pair, to three places; the
    other figures stand in ``comparison.json``, too, and are compared there.
    """
    text = re.sub(r"[\d.,]+ ?(s|ms|seconds|minutes)\b", "TIME", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(,\d+)?", "DATE", text)
    text = re.sub(r"\[DATE,\d+\]", "DATE", text)
    text = re.sub(r"[ \d]+\.\d{3}( \*)?( │|</td></tr>)$", "TIME", text, flags=re.M)
    return [line for line in text.splitlines() if not any(word in line for word in CLOCKED)]


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Yield a line for each place in which two values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            if name not in old or name not in new:
                yield f"{where}.{name} only in {'the old' if name in old else 'the new'}"
            else:
                yield from differences(old[name], new[name], f"{where}.{name}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, f"{where}[{place}]")
    elif old != new:
        shown = [repr(v) if len(repr(v)) < 100 else f"{repr(v)[:97]}..." for v in (old, new)]
        yield f"{where}: {shown[0]} -> {shown[1]}"


def compare(old: Path, new: Path) -> int:
    """Print what differs between two work folders; return in how many files."""
    names = {
        path.relative_to(folder)
        for folder in (old, new)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(tuple(NOT_COMPARED))
    }
    bad = 0
    for name in sorted(names):
        if not (old / name).exists() or not (new / name).exists():
            found = [f": only in {'the old' if (old / name).exists() else 'the new'}"]
        elif (old / name).read_bytes() == (new / name).read_bytes():
            continue
        else:
            found = list(differences(read(old / name), read(new / name)))
        bad += bool(found)
        for line in found[:12]:
            print(f"{name}{line}")
        if len(found) > 12:
            print(f"{name}: and {len(found) - 12} more")
    print(f"{len(names)} files compared, {bad} differ")
    return bad


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("old", type=Path, nargs="?")
    parser.add_argument("new", type=Path, nargs="?")
    parser.add_argument("--work", type=Path, default=Path("work/same_bytes"))
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        run_here()
        return
    sides = {"old": asked.old, "new": asked.new}
    if not asked.compare:
        if asked.old is None or asked.new is None:
            parser.error("give two checkouts")
        for name, checkout in sides.items():
            if not (asked.work / name).exists():
                run_in(checkout, asked.work / name, asked.old / "examples")
    raise SystemExit(1 if compare(asked.work / "old", asked.work / "new") else 0)


if __name__ == "__main__":
    main()
