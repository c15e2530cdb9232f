"""The vLLM scorer: what it asks of vLLM 0.32, and what it makes of the answer.

vLLM is not installed here, so a stand-in takes the calls: it has the signatures of 0.32.0 and runs
the same checkpoint by transformers. The real one is tested in tests/vllm/test_scoring.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from transformers import LlamaForSequenceClassification

from judge.errors import RowError, UsageError
from judge.infer.scorers.load import load_scorer
from judge.reward import Rewards
from tests import reward_models as tiny
from tests.scripted_scorers import FIVE
from tests.small_base import write_adapter


@dataclass
class PoolingParams:
    use_activation: bool | None = None


@dataclass
class PoolerConfig:
    task: str | None = None
    pooling_type: str | None = None
    seq_pooling_type: str | None = None
    tok_pooling_type: str | None = None
    use_activation: bool | None = None


class LLM:
    """The part of vLLM's class that scoring uses; an activation would squash the outputs."""

    made: ClassVar[list[LLM]] = []

    def __init__(
        self,
        model: str,
        *,
        runner: str = "auto",
        convert: str = "auto",
        dtype: str = "auto",
        seed: int = 0,
        enforce_eager: bool = False,
        pooler_config: PoolerConfig | None = None,
        **kwargs: Any,
    ) -> None:
        assert set(kwargs) <= {"max_model_len", "enable_prefix_caching"}
        assert (runner, convert, dtype) == ("pooling", "classify", "float32")
        assert kwargs["enable_prefix_caching"] is False
        self.pooler_config = pooler_config
        self.model_config = SimpleNamespace(max_model_len=tiny.CONTEXT - 12)
        self.classifier = LlamaForSequenceClassification.from_pretrained(model).eval()
        self.made.append(self)

    def classify(
        self,
        prompts: list[dict[str, list[int]]],
        *,
        pooling_params: PoolingParams | None = None,
        use_tqdm: bool = True,
        lora_request: Any = None,
        tokenization_kwargs: dict[str, Any] | None = None,
    ) -> list[SimpleNamespace]:
        assert self.pooler_config is not None and pooling_params is not None
        raw = pooling_params.use_activation is False
        assert self.pooler_config.seq_pooling_type == "LAST"
        answers = []
        for prompt in prompts:
            ids = torch.tensor([prompt["prompt_token_ids"]])
            assert ids.shape[1] <= self.model_config.max_model_len
            with torch.inference_mode():
                logits = self.classifier(input_ids=ids).logits[0]
            values = logits if raw else torch.sigmoid(logits)
            answers.append(SimpleNamespace(outputs=SimpleNamespace(probs=values.tolist())))
        return answers


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """A second thread has nothing to do in models of this size, and waits for the first."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    package, configuration = ModuleType("vllm"), ModuleType("vllm.config")
    package.__dict__.update(LLM=LLM, PoolingParams=PoolingParams)
    configuration.__dict__.update(PoolerConfig=PoolerConfig)
    monkeypatch.setitem(sys.modules, "vllm", package)
    monkeypatch.setitem(sys.modules, "vllm.config", configuration)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    yield
    LLM.made.clear()


def test_an_adapter_over_our_own_base_is_scored_merged(
    cached: Path, tmp_path: Path, stand_in: None
) -> None:
    """vLLM's classifiers take no adapter: the whole model is written into the cache."""
    folder = write_adapter(tmp_path / "bt", outputs=1)
    scorer = load_scorer(str(folder), engine="vllm")
    found = scorer.score(tiny.pairs()[:3])
    assert (cached.parent / "merged").is_dir() and scorer.describe()["base_digest"]
    for ours, theirs in zip(load_scorer(str(folder)).score(tiny.pairs()[:3]), found, strict=True):
        assert isinstance(ours, Rewards) and isinstance(theirs, Rewards)
        assert ours.pair == pytest.approx(theirs.pair, abs=1e-4)


@pytest.mark.parametrize("outputs", [("reward",), FIVE])
def test_the_rewards_are_those_of_the_transformers_scorer(
    outputs: tuple[str, ...], tmp_path: Path, stand_in: None
) -> None:
    objective = "bt" if len(outputs) == 1 else "regression"
    card = tiny.card(objective, *outputs)
    folder = tiny.write_classifier(tmp_path / "m", len(outputs), card=card)
    pairs = tiny.pairs()
    found = load_scorer(str(folder), engine="vllm").score(pairs)
    for ours, theirs in zip(load_scorer(str(folder)).score(pairs), found, strict=True):
        assert isinstance(ours, Rewards) and isinstance(theirs, Rewards)
        assert ours.pair == pytest.approx(theirs.pair, abs=2e-5)
        assert ours.scored.attributes.keys() == theirs.scored.attributes.keys()
        assert (ours.scored.probability is None) == (theirs.scored.probability is None)


def test_identity_counts_and_the_engine_s_own_limit(tmp_path: Path, stand_in: None) -> None:
    folder = tiny.write_classifier(tmp_path / "m")
    scorer = load_scorer(str(folder), engine="vllm")
    described = scorer.describe()
    assert (described["engine"], described["dtype"]) == ("vllm", "float32")
    assert described["context"] == tiny.CONTEXT - 12
    assert described["model_digest"] == load_scorer(str(folder)).describe()["model_digest"]
    said = scorer.score([tiny.pair(1, "q", "a", "word " * 600), tiny.pair(2, "q", "a", "b")])
    assert isinstance(said[0], RowError) and said[0].reason == "prompt_too_long"
    assert isinstance(said[1], Rewards)
    assert scorer.scorer.counts.prompt_tokens > 0 == scorer.scorer.counts.padding_tokens


def test_what_only_transformers_runs(tmp_path: Path, stand_in: None) -> None:
    causal = tiny.write_causal(tmp_path / "nemotron-reward")
    with pytest.raises(UsageError, match="the logit form runs on the transformers engine only"):
        load_scorer(str(causal), engine="vllm")
    assert LLM.made == []


def test_a_model_that_vllm_refuses_is_one_line(
    tmp_path: Path, stand_in: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(self: LLM, model: str, **options: Any) -> None:
        raise ValueError("1 validation error for ModelConfig\n  a page of it")

    monkeypatch.setattr(LLM, "__init__", refuses)
    folder = tiny.write_classifier(tmp_path / "m")
    with pytest.raises(UsageError, match="cannot be loaded: 1 validation error for") as raised:
        load_scorer(str(folder), engine="vllm")
    assert "\n" not in str(raised.value)


def test_without_vllm_the_command_says_what_it_needs(tmp_path: Path) -> None:
    if "vllm" in sys.modules:
        pytest.skip("vllm is loaded")
    from typer.testing import CliRunner

    from judge.cli import app
    from tests.scripted import row, write_rows

    folder = tiny.write_classifier(tmp_path / "m")
    source = write_rows(tmp_path / "in.jsonl", [row(1)])
    command = ["score", source, "--out", tmp_path / "run", "--model", folder, "--engine", "vllm"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "vllm", None)  # not installed
        done = CliRunner().invoke(app, list(map(str, command)))
    assert done.exit_code == 2 and "vllm" in done.stderr
