"""Writes a prepared folder: whole or not at all, and never over another configuration's."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from judge.errors import UsageError

MANIFEST = "manifest.json"
_INDENTED = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


def digest(file: Path) -> str:
    """Return the sha256 of a file's bytes, in hex.

    Raises:
        UsageError: when it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None


def refuse_another_config(output: Path, identity: dict[str, Any]) -> None:
    """Raise UsageError when ``output`` holds training sets that ``identity`` would not reproduce.

    The message names the fields that differ.
    """
    manifest = output / MANIFEST
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is a file; expected a folder")
    if not manifest.exists():
        found = [name for name in ("train.jsonl", "val.jsonl") if (output / name).exists()]
        if found:
            raise UsageError(
                f"{output}: holds {found[0]} without a manifest; use fresh to overwrite"
            )
        return
    try:
        before = orjson.loads(manifest.read_bytes())
        old = {f"{p}.{k}": v for p in identity for k, v in before[p].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise UsageError(f"{manifest}: is no manifest; use fresh to overwrite") from None
    new = {
        f"{part}.{key}": value for part, values in identity.items() for key, value in values.items()
    }
    differ = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if differ:
        raise UsageError(
            f"{output}: prepared before with another {', '.join(differ)}; use fresh to overwrite"
        )


def rows_as_bytes(lines: Sequence[bytes]) -> bytes:
    """Return JSON lines as a file's content."""
    return b"".join(line + b"\n" for line in lines)


def write_all(output: Path, files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    """Write the files and then the manifest, each by temporary file and rename.

    The old manifest goes first: a folder with a manifest is always a complete one.

    Raises:
        UsageError: when the folder cannot be written.
    """
    contents = {**files, MANIFEST: orjson.dumps(manifest, option=_INDENTED)}
    temporary = {name: output / f".{name}.{os.getpid()}.tmp" for name in contents}
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            with temporary[name].open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        (output / MANIFEST).unlink(missing_ok=True)
        for name, path in temporary.items():
            path.replace(output / name)
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from None
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
