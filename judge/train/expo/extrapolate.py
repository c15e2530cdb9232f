"""ExPO: a checkpoint of weak + factor * (strong - weak), written file by file.

Source: HelpSteer2-Preference (arXiv 2410.01257), section 5; the method is arXiv 2404.16792.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

from judge.errors import UsageError
from judge.models import JUDGE_FILE
from judge.models.checkpoint import CONFIG, Checkpoint, open_checkpoint
from judge.models.shards import INDEX, elements, write_file
from judge.runs.identity import refuse_another
from judge.runs.whole import PART, refused_in_one_line, replace_json
from judge.train.expo.config import ExpoConfig
from judge.train.expo.matching import HEAD_ROW, OutputRow, TensorMatch, match
from judge.train.expo.record import ExpoRecord, WeakAndStrong

_IDENTITY = "expo.json"
"""In the unfinished folder: what it is being made from."""


def run(config: ExpoConfig) -> ExpoRecord:
    """Write the checkpoint of ``config``; return its record.

    The folder appears whole: it is made beside its place and moved there at the end. The same
    command after an interruption keeps what is done; a finished folder stays as it is.

    Raises:
        UsageError: when the models do not fit, the folder holds anything else, or neither or both
            of a finite factor and a search are asked for.
    """
    if (config.factor is None) == (config.search is None):
        raise UsageError("give either a factor or a file to search it on")
    if config.factor is not None and not math.isfinite(config.factor):
        raise UsageError(f"factor {config.factor} is not a finite number")
    weak = open_checkpoint(config.weak, config.base)
    strong = open_checkpoint(config.strong, config.base)
    matches = match(weak, strong)
    output = Path(config.output_dir)
    identity = _identity(config, weak, strong)
    finished = _finished(output, identity)
    if finished is not None:
        return finished
    work = _workplace(output, identity)
    factor, accuracy = _chosen(config, matches, strong, work)
    by_row = any(isinstance(pair.weak, OutputRow) for pair in matches.values())
    record = ExpoRecord(
        names=WeakAndStrong(weak=weak.folder.name, strong=strong.folder.name),
        **identity,
        factor=factor,
        accuracy=accuracy,
        weak_output=HEAD_ROW if by_row else None,
    )
    _write_weights(work, matches, strong, factor)
    _write_beside(work, strong, record)
    with refused_in_one_line(output):
        work.rename(output)
        (output / _IDENTITY).unlink()
    return record


def _chosen(
    config: ExpoConfig, matches: dict[str, TensorMatch], strong: Checkpoint, work: Path
) -> tuple[float, float | None]:
    """Return the factor, after a search with the accuracy that it was chosen for."""
    if config.factor is not None:
        return config.factor, None
    from judge.train.expo.search import run_search  # loads transformers, which a factor does not

    pairs = Path(str(config.search))
    best = run_search(matches, strong, pairs, config.search_limit, work).best
    return best.factor, best.accuracy


def _identity(config: ExpoConfig, weak: Checkpoint, strong: Checkpoint) -> dict[str, Any]:
    """Return what decides the result: another identity, another checkpoint."""
    asked: dict[str, Any] = {"factor": config.factor}
    if config.search is not None:
        try:
            pairs = hashlib.sha256(Path(config.search).read_bytes()).hexdigest()[:16]
        except OSError as error:
            raise UsageError(f"cannot read {config.search}: {error.strerror}") from None
        asked = {"search": f"sha256:{pairs}", "limit": config.search_limit}
    return {"weak": weak.digest(), "strong": strong.digest(), "asked": asked}


def _finished(output: Path, identity: dict[str, Any]) -> ExpoRecord | None:
    """Return the record of ``output`` when it holds this very checkpoint, None when nothing."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    try:
        record = ExpoRecord.model_validate(json.loads((output / JUDGE_FILE).read_bytes())["expo"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{output} exists and holds no ExPO checkpoint; choose another") from None
    before = record.model_dump(include=set(identity))
    refuse_another(output, before, identity, "an ExPO checkpoint", "Choose another folder")
    return record


def _workplace(output: Path, identity: dict[str, Any]) -> Path:
    """Return the unfinished folder beside ``output``: what was done for this identity is in it."""
    work = output.absolute().parent / f".{output.name}.partial"
    try:
        if json.loads((work / _IDENTITY).read_bytes()) == identity:
            for torn in work.glob(f"*{PART}"):
                torn.unlink()
            return work
    except (OSError, ValueError):
        pass
    with refused_in_one_line(work):
        if work.exists():
            shutil.rmtree(work)
        work.mkdir(parents=True)
    replace_json(work / _IDENTITY, identity)
    return work


def _write_weights(
    work: Path, matches: dict[str, TensorMatch], strong: Checkpoint, factor: float
) -> None:
    """Write the files of ``strong`` anew, each whole or not at all; those that are there stay."""
    names = {file: [n for n in held if n in matches] for file, held in strong.shards.files.items()}
    placed = {name for held in names.values() for name in held}
    last = list(names)[-1]
    names[last] += [name for name in matches if name not in placed]  # the head of an adapter
    waiting = [file for file in names if not (work / file).exists()]
    needed = sum(matches[name].strong.nbytes for file in waiting for name in names[file])
    free = shutil.disk_usage(work).free
    if needed > free:
        raise UsageError(f"{work}: {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")
    for file in waiting:
        write_file(
            work / file,
            {name: matches[name].strong for name in names[file]},
            strong.shards.metadata[file],
            lambda name: matches[name].combined(factor, name),
        )
    if strong.shards.index is not None:
        sizes = {"total_size": sum(pair.strong.nbytes for pair in matches.values())}
        if "total_parameters" in strong.shards.index:
            sizes["total_parameters"] = sum(elements(pair.strong) for pair in matches.values())
        places = {name: file for file, held in names.items() for name in held}
        index = {
            "metadata": strong.shards.index | sizes,
            "weight_map": dict(sorted(places.items())),
        }
        replace_json(work / INDEX, index)


def _write_beside(work: Path, strong: Checkpoint, record: ExpoRecord) -> None:
    """Write configuration, tokenizer and the rest of ``strong``, and the record."""
    with refused_in_one_line(work):
        for name, path in strong.beside().items():
            shutil.copyfile(path, work / name)
    replace_json(work / CONFIG, strong.config)
    replace_json(work / JUDGE_FILE, {**strong.card, "expo": record.to_json()})
