"""Archives and files that a browser sent, laid out in a folder, or refused as they are.

Nothing is believed that an archive says of itself: names, sizes and counts are checked while it is
read, and what is read is counted as it comes out of the compression.
"""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from app.errors import Refused
from judge.formats.sources import table_format

MOST_FILES = 2000
DEEPEST, LONGEST_NAME = 8, 200
BLOCK = 1 << 16
LARGEST_HEADER = 1 << 20
"""Bytes of a list of names, or of one name: more is no archive of a run."""
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_DAMAGED = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error)
_BROKEN = (*_DAMAGED, zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError)


@dataclass
class Unpacked:
    """What was laid out so far, and how much may still come.

    Args:
        folder: where files go; it is empty.
        limit: bytes of everything together, uncompressed.
    """

    folder: Path
    limit: int
    files: list[Path] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Names of files of other kinds."""
    read: int = 0
    """Bytes that came out of archives and files."""

    def add(self, name: str, content: IO[bytes]) -> None:
        """Lay out one file, or unpack an archive.

        Args:
            name: as the browser said it, with folders where a folder was chosen.

        Raises:
            Refused: it is too large, damaged, or holds anything but files and folders.
        """
        if not name.lower().endswith(ARCHIVES):
            self._put(name, name, content)
            return
        base = Path(_parts(name, name)[-1]).name
        stem = base[: -next(len(end) for end in ARCHIVES[::-1] if base.lower().endswith(end))]
        try:
            if name.lower().endswith(".zip"):
                self._unzip(base, stem, content)
            else:
                self._untar(base, stem, content)
        except Refused:
            raise
        except _BROKEN as error:
            said = " ".join(str(error).split())[:200] or type(error).__name__
            raise Refused(f"{base} is damaged or cut: {said}") from None

    def _unzip(self, base: str, stem: str, content: IO[bytes]) -> None:
        with zipfile.ZipFile(_Careful(base, content)) as packed:
            for entry in _few(base, packed.infolist()):
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if entry.is_dir():
                    _parts(entry.filename.rstrip("/"), base)
                    continue
                if kind not in (0, stat.S_IFREG):
                    raise Refused(_no_file(base, entry.filename))
                if entry.flag_bits & 1:
                    raise Refused(f"{base} asks for a password; pack it without one")
                with packed.open(entry) as file:
                    self._put(entry.filename, base, file, stem)

    def _untar(self, base: str, stem: str, content: IO[bytes]) -> None:
        plain = base.lower().endswith(".tar")
        stream = _Counting(content if plain else gzip.GzipFile(fileobj=content), self, base)
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as packed:
            for member in _few(base, packed):
                if member.isdir():
                    if member.name.strip("./"):
                        _parts(member.name, base)
                    continue
                file = packed.extractfile(member) if member.isreg() else None
                if file is None or member.issparse():
                    raise Refused(_no_file(base, member.name))
                self._put(member.name, base, file, stem, counted=True)

    def _put(
        self, name: str, said: str, content: IO[bytes], inside: str = "", counted: bool = False
    ) -> None:
        parts = _parts(name, said)
        if not _wanted(parts):
            self.ignored.append("/".join(parts))
            return
        path = self.folder.joinpath(inside, *parts)
        if len(self.files) >= MOST_FILES:
            raise Refused(f"{said}: more than {MOST_FILES:,} files; expected one run folder")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            target = path.open("xb")
        except (FileExistsError, NotADirectoryError):
            raise Refused(f"{said} holds {'/'.join(parts)!r} twice") from None
        self.files.append(path)
        with target:
            while block := content.read(BLOCK):
                if not counted:
                    self.count(len(block), said)
                target.write(block)

    def count(self, size: int, said: str) -> None:
        """Count bytes that were read.

        Raises:
            Refused: there are more than the limit.
        """
        self.read += size
        if self.read > self.limit:
            raise Refused(f"{said}: more than {self.limit >> 20:,} MiB when unpacked")


class _Member(tarfile.TarInfo):
    """A member whose name is refused before it is read into memory where it is endless."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        names = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
        long_names = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
        if self.type in (*names, *long_names) and self.size > LARGEST_HEADER:
            raise Refused("a name in the archive is longer than any name")
        return super()._proc_member(archive)  # type: ignore[misc]


class _Careful(io.RawIOBase):
    """A file of which nobody reads much at once: a ZIP's list of names is read as a whole."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self._name = name
        self._file = file
        self._size = file.seek(0, io.SEEK_END)
        file.seek(0)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, all that are left where ``size`` is negative."""
        wanted = self._size - self._file.tell() if size < 0 else size
        if wanted > LARGEST_HEADER:
            raise Refused(f"{self._name}: its list of files is too long; expected one run folder")
        return self._file.read(wanted)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place in the file."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Return that it can be read in any order."""
        return True

    def readable(self) -> bool:
        """Return that it can be read."""
        return True


class _Counting(io.RawIOBase):
    """A stream that counts what comes out of it, also of files that nobody keeps."""

    def __init__(self, stream: Any, counted: Unpacked, name: str) -> None:
        self._stream = stream
        self._counted = counted
        self._name = name

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        block: bytes = self._stream.read(BLOCK if size < 0 else size)
        self._counted.count(len(block), self._name)
        return block

    def readable(self) -> bool:
        """Return that it can be read."""
        return True


def _few(base: str, entries: Any) -> Iterator[Any]:
    for number, entry in enumerate(entries):
        if number >= MOST_FILES:
            raise Refused(f"{base}: more than {MOST_FILES:,} files; expected one run folder")
        yield entry


def _parts(name: str, said: str) -> tuple[str, ...]:
    """Return the parts of a file's name below the folder.

    Raises:
        Refused: it leads anywhere else, or no system could hold it.
    """
    path = PurePosixPath(name)
    parts = tuple(part for part in path.parts if part != ".")
    wrong = path.is_absolute() or ".." in parts or "\\" in name or ":" in name
    if wrong or not parts or not name.isprintable():
        raise Refused(f"{said}: {name[:80]!r} leads out of the archive, or is not a file name")
    if len(parts) > DEEPEST or any(len(part.encode()) > LONGEST_NAME for part in parts):
        raise Refused(f"{said}: {name[:80]!r} is too deep, or too long a name")
    return parts


def _wanted(parts: tuple[str, ...]) -> bool:
    """Return whether anyone would read the file: no database, no report, no system's own notes."""
    own = any(part.startswith("._") or part == "__MACOSX" for part in parts)
    return not own and bool(table_format(Path(parts[-1])))


def _no_file(base: str, name: str) -> str:
    return f"{base}: {name[:80]!r} is a link or a device; expected files and folders alone"
