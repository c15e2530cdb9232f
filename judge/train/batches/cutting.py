"""Prompts that are too long to train on, cut in the middle; a completion is never cut.

What is cut, until the example fits: first the conversation, down to :data:`LEAST` characters; then
both responses to one common length, so that neither loses more than the other keeps, down to
:data:`LEAST` characters as well. A text loses its middle, where :data:`MARK` stands instead: its
beginning and its end stay. The template's own words, the names of the responses among them, are
never touched. Both orders of an example are cut alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from judge.prompt import VARIABLES, PromptBuilder, Template

MARK = "\n[...]\n"
"""Stands where a text was cut."""
LEAST = 200
"""Characters of a text that stay in any case; an example that is still too long is dropped."""

Texts = tuple[str, str, str]
"""Conversation, Response 1 and Response 2 as a filled template holds them."""


def cut_prompts(
    contents: Sequence[str], rooms: Sequence[int], builder: PromptBuilder
) -> list[list[int]] | None:
    """Return prompt ids of one example's filled templates, cut so that each has room.

    Args:
        contents: the user turn in given order and, with twins, in flipped order.
        rooms: how many ids each prompt may have.
        builder: makes the ids.

    Returns:
        One list of ids for each of ``contents``, or None where no cut is enough or the texts cannot
        be told from the template.
    """
    found = [split(builder.template, content) for content in contents]
    texts = found[0]
    if texts is None or found[1:] not in ([], [(texts[0], texts[2], texts[1])]):
        return None

    def encoded(shorter: Texts) -> list[list[int]] | None:
        turns = (shorter, (shorter[0], shorter[2], shorter[1]))[: len(contents)]
        frames = builder.frame([join(builder.template, turn) for turn in turns])
        fits = all(len(ids) <= room for ids, room in zip(frames, rooms, strict=True))
        return frames if fits else None

    prompt, first, second = texts
    by_prompt = _longest(
        LEAST, len(prompt), lambda keep: encoded((cut(prompt, keep), first, second))
    )
    if by_prompt is not None:
        return by_prompt
    rest = cut(prompt, LEAST)
    return _longest(
        LEAST,
        max(len(first), len(second)),
        lambda keep: encoded((rest, cut(first, keep), cut(second, keep))),
    )


def cut(text: str, keep: int) -> str:
    """Return ``text`` in at most ``keep`` characters, without its middle."""
    if len(text) <= keep:
        return text
    tail = (keep - len(MARK)) // 2
    head = keep - len(MARK) - tail
    return text[:head] + MARK + text[len(text) - tail :]


def split(template: Template, content: str) -> Texts | None:
    """Return the texts that ``template`` was filled with, None where they cannot be told apart.

    They can where the template's words between them stand only once: a filled-in ``@Response`` is
    neutralised before.
    """
    literals = re.split(r"\{\w+\}", template.text.strip())
    if any(content.count(literal) != 1 for literal in literals if literal):
        return None
    pattern = re.escape(template.text.strip())
    for name in VARIABLES:
        pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>.*)")
    match = re.fullmatch(pattern, content, re.DOTALL)
    return None if match is None else (match["prompt"], match["response_1"], match["response_2"])


def join(template: Template, texts: Texts) -> str:
    """Return the user turn of ``texts`` (see :func:`judge.prompt.render_content`)."""
    return template.fill(dict(zip(VARIABLES, texts, strict=True))).strip()


def _longest(
    least: int, most: int, attempt: Callable[[int], list[list[int]] | None]
) -> list[list[int]] | None:
    """Return the attempt with the largest number from ``least`` to ``most`` that succeeds."""
    best = attempt(least)
    if best is None:
        return None
    while least < most:
        middle = (least + most + 1) // 2
        found = attempt(middle)
        if found is None:
            most = middle - 1
        else:
            best, least = found, middle
    return best
