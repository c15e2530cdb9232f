"""How a configuration asks a model: what it answers, how it writes, its chat template."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from judge.errors import UsageError
from judge.grammar import Answer
from judge.infer.engines.protocol import Sampling
from judge.infer.engines.thought import ADVICE, thinks
from judge.prompt import Chat

if TYPE_CHECKING:
    from judge.config import JudgeConfig


def sampling_of(config: JudgeConfig) -> Sampling:
    """Return how an engine writes."""
    return Sampling(config.max_new_tokens, config.temperature, config.seed)


def chat_of(
    config: JudgeConfig, tokenizer: Any, trained: bool, note: Callable[[str], None]
) -> Chat:
    """Return how the chat template of a model is used.

    Args:
        trained: whether the model was trained to judge: to answer right away.
        note: told where a model may think before it answers.
    """
    told = "enable_thinking" in config.chat_template_kwargs
    if config.mode == "justify" and not trained and not told and thinks(tokenizer):
        note(f"{config.model} may think before it answers: {ADVICE}")
    return Chat(config.chat_template_kwargs, thinks=not trained)


def checked(answer: Answer, config: JudgeConfig) -> Answer:
    """Return ``answer``, what the model of ``config`` was trained to say.

    Raises:
        UsageError: when that is a label alone and a justification is asked for.
    """
    if answer == "label" and config.mode == "justify":
        raise UsageError(
            f"model {config.model} was trained on labels alone and writes no justification:"
            " --mode verdict"
        )
    return answer
