"""Data sets of the Hugging Face hub as records, streamed; offline from the caches.

Offline, ``datasets`` finds only data sets that it has prepared without a ``data_dir``, and in the
newest revision that it has (its issue 6837), so annotated data is first looked for among the files
that the hub's client has fetched (:func:`fetched_files`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.errors import UsageError
from judge.formats.records import DamagedInput, Record
from judge.masking import Masking

Rows = Iterable[Mapping[str, Any]]
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubSource:
    """A data set of the hub: ``owner/name`` or ``owner/name/folder``."""

    name: str
    split: str | None = None
    subset: str | None = None
    revision: str | None = None
    """A commit, tag or branch; unset: the newest there is."""

    def identity(self) -> str:
        pinned = f":{self.revision}" if self.revision else ""
        return f"hub:{self.name}:{self.subset}:{self.split}{pinned}"

    def count(self) -> int | None:
        return None

    def records(self) -> Iterator[Record]:
        splits = self.splits()
        if self.split is None and len(splits) > 1:
            raise UsageError(f"{self.name} has splits {', '.join(splits)}; choose with --split")
        split = next(iter(splits)) if self.split is None else self.split
        if split not in splits:
            raise UsageError(f"{self.name} has no split {split}; it has {', '.join(splits)}")
        return rows_as_records(self.name, splits[split])

    def splits(self) -> dict[str, Rows]:
        """Return the rows of every split; nothing but the list of files is fetched yet.

        Raises:
            UsageError: without the ``datasets`` package, when the hub (offline: the cache) has no
                such data set, or has it in another revision.
        """
        try:
            from datasets import load_dataset_builder
        except ModuleNotFoundError:
            raise UsageError(
                f"no file {self.name}; reading from the hub needs"
                " `pip install 'pairwise-justifier[hub]'`"
            ) from None
        repository, folder = hub_folder(self.name)
        try:
            builder = load_dataset_builder(
                repository, name=self.subset, data_dir=folder, revision=self.revision
            )
            found: dict[str, Rows] = builder.as_streaming_dataset()
        except Exception as error:  # the hub's client raises a dozen kinds, network ones included
            reason = Masking(os.environ.get("HF_TOKEN"))(str(error), 200)
            raise UsageError(
                f"{self.name} is neither a file nor a data set that the hub gives out: {reason}"
            ) from None
        self._check_revision(builder)
        return found

    def _check_revision(self, builder: Any) -> None:
        """Refuse another revision: the cache, asked for when the hub is away, gives its latest."""
        pinned, there = self.revision, str(builder.hash)
        from_cache = type(builder).__module__.startswith("datasets.packaged_modules.cache")
        if pinned is None or pinned == there or not (from_cache or _COMMIT.fullmatch(pinned)):
            return
        raise UsageError(
            f"{self.name} was asked for in revision {pinned}, but the cache holds {there};"
            " fetch it online, or give the revision that is there"
        )


def rows_as_records(name: str, rows: Rows) -> Iterator[Record]:
    """Yield the rows of one split.

    Raises:
        DamagedInput: when the stream breaks off.
    """
    number = 0
    try:
        for number, row in enumerate(rows, start=1):
            yield Record(number, row)
    except Exception as error:  # the hub's client and each of its parsers raise their own kinds
        raise DamagedInput(name, number, error) from None


def hub_folder(name: str) -> tuple[str, str | None]:
    """Return ``owner/name`` and the folder after it, if any."""
    owner, slash, rest = name.partition("/")
    short, _, folder = rest.partition("/")
    return owner + slash + short, folder or None


def fetched_files(repository: str, folder: str | None, revision: str | None) -> Path | None:
    """Return the folder of a data set whose files were fetched; None when online or without any.

    Both ``hf download --repo-type dataset`` and ``load_dataset`` fetch files.
    """
    from huggingface_hub import is_offline_mode, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if not is_offline_mode():
        return None
    try:
        there = snapshot_download(
            repository,
            repo_type="dataset",
            revision=revision,
            local_files_only=True,
            allow_patterns=f"{folder}/*" if folder else None,
        )
    except (
        LocalEntryNotFoundError,
        ValueError,
    ):  # not fetched, not whole, or no name of a data set
        return None
    found = Path(str(there), folder or "")
    return found if found.is_dir() else None
