"""From the regexes of a justification to GBNF, the grammars that llama.cpp obeys."""

from __future__ import annotations

from collections.abc import Iterator

SPACES = "\\x09-\\x0D\\x1C-\\x20\\x85\\xA0\\u1680\\u2000-\\u200A\\u2028\\u2029\\u202F\\u205F\\u3000"
"""White space as GBNF writes it inside the brackets of a class."""
_SPACE, _OTHER = "\\s", "\\S"
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}


def gbnf(pattern: str) -> str:
    r"""Return the grammar of the texts that ``pattern`` matches as a whole.

    The dialect is that of our regexes: literals and their escapes, classes, ``\s``, ``\S``, ``.``,
    groups, ``|``, ``*``, ``+``, ``?``.

    Raises:
        ValueError: for anything else.
    """
    return f"root ::= {' '.join(_parts(pattern))}"


def _parts(pattern: str) -> Iterator[str]:
    place = 0
    while place < len(pattern):
        character = pattern[place]
        if character == "[":
            part, place = _class(pattern, place + 1)
            yield part
            continue
        if character == "\\":
            place += 1
            yield _escaped(pattern[place : place + 1])
        elif character in "*+?" or (character in "()|" and pattern[place : place + 2] != "(?"):
            yield character
        elif character in "(]{}^$":
            raise ValueError(f"no GBNF for {character!r} at {place} of {pattern!r}")
        else:
            yield "[^\\x0A]" if character == "." else f'"{_character(character)}"'
        place += 1


def _escaped(letter: str) -> str:
    if letter in ("s", "S"):
        return f"[{'^' if letter == 'S' else ''}{SPACES}]"
    return f'"{_character(_literal(letter))}"'


def _literal(letter: str) -> str:
    """Return the character that ``letter`` means after a backslash."""
    if letter in _CONTROLS:
        return _CONTROLS[letter]
    if not letter or letter.isalnum():
        raise ValueError(f"no GBNF for the escape \\{letter}")
    return letter


def _class(pattern: str, place: int) -> tuple[str, int]:
    """Return the class whose first character is at ``place``, and where the pattern goes on."""
    negated = pattern[place : place + 1] == "^"
    place += negated
    parts: list[str] = []
    start = place
    while place == start or pattern[place : place + 1] != "]":
        character = pattern[place : place + 1]
        if not character:
            raise ValueError(f"a class without an end: {pattern!r}")
        if character == "\\":
            place += 1
            letter = pattern[place : place + 1]
            parts.append(f"\\{letter}" if letter in ("s", "S") else _character(_literal(letter)))
        elif character == "-" and place > start and pattern[place + 1 : place + 2] != "]":
            parts.append("-")
        else:
            parts.append(_character(character))
        place += 1
    return _written(parts, negated, pattern), place + 1


def _written(parts: list[str], negated: bool, pattern: str) -> str:
    if set(parts) == {_SPACE, _OTHER} and not negated:
        return "."  # any character, a newline too
    if _OTHER in parts:
        raise ValueError(f"no GBNF for a class with \\S: {pattern!r}")
    body = "".join(SPACES if part == _SPACE else part for part in parts)
    return f"[{'^' if negated else ''}{body}]"


def _character(character: str) -> str:
    """Return a character as GBNF reads it inside quotes and brackets."""
    if character.isascii() and (character.isalnum() or character in " @"):
        return character
    code = ord(character)
    return f"\\x{code:02X}" if code < 256 else f"\\U{code:08X}"
