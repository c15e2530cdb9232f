"""A model's chat template, rendered within limits: it is a program that came with the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from judge.errors import first_line
from judge.plaintext import DATE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MEMORY = 512 << 20
"""Bytes that a process may grow by while a template is rendered; Linux alone keeps to it."""
LONGEST = 1_000_000
"""Characters that a template may print, which is thousands of times what templates print."""


class TemplateFault(Exception):
    """A chat template did not print a conversation; ``str()`` is one line that says why."""


def render(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[dict[str, str]],
    reply: bool,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """Return what the tokenizer's chat template prints for ``messages``.

    Args:
        reply: open the assistant's turn after them.
        options: what the template is told besides (``enable_thinking``).

    Raises:
        TemplateFault: when it refuses the messages, fails in any other way, or goes beyond the
            limits above.
    """
    from jinja2 import TemplateError

    try:
        with _limited_memory():
            text: Any = tokenizer.apply_chat_template(
                list(messages),
                tokenize=False,
                add_generation_prompt=reply,
                **{"date_string": DATE, **options},
            )
    except TemplateError as error:
        raise TemplateFault(str(error)) from None
    except MemoryError:
        raise TemplateFault(f"it takes more than {MEMORY >> 20} MB") from None
    except Exception as error:  # it is a program: it may raise anything
        raise TemplateFault(f"{type(error).__name__}: {first_line(error)}") from None
    if not isinstance(text, str) or len(text) > LONGEST:
        raise TemplateFault(f"it prints more than {LONGEST:,} characters")
    return text


@contextmanager
def _limited_memory() -> Iterator[None]:
    """Let the process grow by ``MEMORY`` at most inside the block, where the system can."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError, ValueError):
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + MEMORY
    if before[0] != resource.RLIM_INFINITY:
        limit = min(limit, before[0])
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
