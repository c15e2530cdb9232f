"""Byte streams as UTF-8, whatever Unicode encoding their file is in, and unpacked where gzipped.

What a spreadsheet calls "Unicode text" and what PowerShell pipes is UTF-16. Any other encoding
(Latin-1) cannot be told from its bytes: its rows fail as ``bad_encoding``.
"""

from __future__ import annotations

import codecs
import gzip
import io
from typing import IO, Any, cast

_PIECE = 1 << 20
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_GZIP = b"\x1f\x8b"


def is_gzipped(head: bytes) -> bool:
    """Say whether the first bytes of a file are gzip's, whatever the file is called."""
    return head.startswith(_GZIP)


def unpacked(stream: IO[bytes]) -> IO[bytes]:
    """Return the content of a gzipped stream, read as it is asked for."""
    return cast("IO[bytes]", gzip.GzipFile(fileobj=stream, mode="rb"))


def as_utf8(stream: IO[bytes]) -> IO[bytes]:
    """Return a stream of text as UTF-8: itself, or one that reads it in UTF-16 or UTF-32.

    Half a surrogate pair stays one: the row that holds it fails, not the file.

    Raises:
        EOFError: from the stream, when it ends in the middle of a character.
    """
    if not hasattr(stream, "peek"):
        stream = cast("IO[bytes]", io.BufferedReader(cast(Any, stream)))
    encoding = _encoding(cast(Any, stream).peek(4)[:4])
    if encoding is None:
        return stream
    return cast("IO[bytes]", io.BufferedReader(_Recoded(stream, encoding), _PIECE))


def _encoding(head: bytes) -> str | None:
    """Return the encoding of a text by its first four bytes, None for UTF-8.

    By its mark; without one by where the zeros of its first characters stand, which are ASCII.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    zeros = tuple(byte == 0 for byte in head)
    return {(False, True, False, True): "utf-16-le", (True, False, True, False): "utf-16-be"}.get(
        cast(Any, zeros)
    )


class _Recoded(io.RawIOBase):
    """A stream's text in UTF-8, a piece at a time."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
        self._ready = b""
        self._begun = self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._ended:
            self._fill()
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()

    def _fill(self) -> None:
        data = self._stream.read(_PIECE)
        self._ended = not data
        try:
            text = self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            what = "ends in the middle of a character" if self._ended else f"is broken: {error}"
            raise EOFError(f"the text, in {error.encoding}, {what}") from None
        if not self._begun and text:
            text, self._begun = text.removeprefix("\ufeff"), True
        self._ready = text.encode("utf-8", "surrogatepass")
