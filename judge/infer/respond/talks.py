"""Questions to answers, turn by turn: each turn sees what the model itself answered before."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from judge.errors import RowError
from judge.infer.engines.writing import Answer, Waiting, Writer
from judge.infer.respond.drawn import Drawn
from judge.pair import Message
from judge.runs.responses import NoResponse, Responses


@dataclass
class _Talk:
    """A conversation on its way."""

    drawn: Drawn
    messages: tuple[Message, ...]
    answers: list[Answer] = field(default_factory=list)
    failure: NoResponse | None = None

    @property
    def goes_on(self) -> bool:
        return self.failure is None and len(self.answers) < self.drawn.question.turns

    def take(self, said: Answer | RowError) -> None:
        """Add an answer and what the user says next, or note why there is none."""
        drawn, turn = self.drawn, len(self.answers) + 1
        if isinstance(said, RowError):
            several = drawn.question.turns > 1
            self.failure = NoResponse(
                line=drawn.line,
                id=drawn.question.id,
                sample=drawn.sample,
                reason=said.reason,
                detail=said.detail,
                turn=turn if several else None,
            )
            return
        self.answers.append(said)
        if self.goes_on:
            reply = Message(role="assistant", content=said.text)
            next_turn = Message(role="user", content=drawn.question.later[turn - 1])
            self.messages = (*self.messages, reply, next_turn)


class TurnByTurn:
    """Answers questions with one writer; the worker of a run of answers.

    Args:
        seed: of all draws.
        model: what its lines call the model.
    """

    def __init__(self, writer: Writer, seed: int, model: str) -> None:
        self.writer = writer
        self._seed = seed
        self._model = model

    def work(
        self, windows: Iterator[Sequence[tuple[int, Drawn]]]
    ) -> Generator[list[Responses | NoResponse]]:
        for window in windows:
            yield self.answer([drawn for _, drawn in window])

    def answer(self, questions: Sequence[Drawn]) -> list[Responses | NoResponse]:
        """Return the responses to each question, or the failure of the first turn without one."""
        talks = [_Talk(drawn, drawn.question.prompt) for drawn in questions]
        while going := [talk for talk in talks if talk.goes_on]:
            waiting = [self.waiting(talk.drawn, talk.messages, len(talk.answers)) for talk in going]
            for talk, said in zip(going, self.writer.write(waiting), strict=True):
                talk.take(said)
        return [talk.failure or self._responses(talk) for talk in talks]

    def waiting(self, drawn: Drawn, messages: tuple[Message, ...], turn: int = 0) -> Waiting:
        """Return the conversation that waits for the answer of a turn, from 0."""
        return Waiting(messages, drawn.seed(self._seed, turn))

    def describe(self) -> dict[str, Any]:
        return {f"engine.{name}": value for name, value in self.writer.describe().items()}

    def counts(self) -> dict[str, dict[str, int]]:
        return {"engine": self.writer.counts.to_json()}

    def _responses(self, talk: _Talk) -> Responses:
        question, answers = talk.drawn.question, talk.answers
        thoughts = tuple(answer.thinking for answer in answers)
        return Responses(
            id=question.id,
            sample=talk.drawn.sample,
            prompt=question.messages,
            responses=tuple(answer.text for answer in answers),
            model=self._model,
            finish=tuple(answer.finish for answer in answers),
            tokens=tuple(answer.tokens for answer in answers),
            length=tuple(len(answer.text) for answer in answers),
            category=question.category,
            reference=question.reference,
            thinking=thoughts if any(thoughts) else (),
            # A later turn's conversation holds the earlier ones' texts, too.
            neutralised=answers[-1].neutralised,
        )
