"""Judges of bare labels: what is read where they answer, and what it means."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from judge.errors import UsageError
from judge.grammar import label_distribution
from judge.infer.engines.statement_reader import StatementReading
from judge.models import answer_of, default_template, served_answer
from judge.prompt import PromptBuilder, load_template
from judge.verdict import STRENGTHS


def test_a_label_says_a_side_and_no_degree() -> None:
    found = label_distribution(math.log(0.6), math.log(0.2))
    assert dict(zip(STRENGTHS, map(math.exp, found.log_probs), strict=True)) == pytest.approx(
        {-3: 0, -2: 0.75, -1: 0, 1: 0, 2: 0.25, 3: 0}
    )
    assert found.strength == -2 and found.probability == pytest.approx(0.75)
    assert found.off_grammar == pytest.approx(0.2)  # other words than a label
    assert found.flipped() == label_distribution(math.log(0.2), math.log(0.6))


def test_every_engine_reads_a_label_at_the_end_of_the_prompt(mini_tokenizer: Any) -> None:
    builder = PromptBuilder(mini_tokenizer, load_template("pairwise_justifier.v1"))
    reading = StatementReading(builder, "label")
    one, two = builder.encode(["1", "2"])
    assert [(fork.path, fork.children) for fork in reading.forks] == [((), (one[0], two[0]))]
    found = reading.distribution([{one[0]: math.log(0.1), two[0]: math.log(0.3)}])
    assert found == label_distribution(math.log(0.1), math.log(0.3))


def test_a_tokenizer_without_two_labels_is_refused() -> None:
    class Labels:
        def encode(self, texts: Any) -> list[list[int]]:
            return [[0] if text in "12" else [ord(c) for c in text] for text in texts]

    with pytest.raises(UsageError, match="labels 1 and 2"):
        StatementReading(Labels(), "label")
    assert StatementReading(Labels()).forks[0].path  # statements can be told apart


def test_what_a_model_answers_is_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    about = {"template": "pairwise_justifier.v1", "answer": "label"}
    (tmp_path / "judge.json").write_text(json.dumps(about))
    assert answer_of(str(tmp_path)) == "label" == served_answer([None, "other", str(tmp_path)])
    assert default_template(str(tmp_path)) == "pairwise_justifier.v1"
    assert answer_of("mini") == "statement" == served_answer(["anything"])
    (tmp_path / "judge.json").write_text('{"answer": "label"}')
    with pytest.raises(UsageError, match="expected an object with a template"):
        answer_of(str(tmp_path))
