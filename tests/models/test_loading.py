"""Models of strangers: nothing is left to chance, no code of theirs runs, faults are one line."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from judge.chat_template import LONGEST, TemplateFault, render
from judge.config import BatchConfig
from judge.conversation import ConversationBuilder
from judge.errors import UsageError
from judge.infer.engines.registry import load_engine
from judge.infer.scorers.load import load_scorer
from judge.models import resolve_model
from judge.models.loading import load_causal, load_classifier, load_config, load_tokenizer
from judge.prompt import PromptBuilder, load_template
from tests import reward_models


def judge_from(folder: Path) -> None:
    load_engine(BatchConfig(input="-", out="-", model=str(folder), template="guided.v1"))


@pytest.fixture
def causal(tmp_path: Path) -> Path:
    return reward_models.write_causal(tmp_path / "model")


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


NORM = "model.layers.1.input_layernorm.weight"


def renamed(tensors: dict[str, Any]) -> None:
    tensors["model.layers.1.norm.weight"] = tensors.pop(NORM)


WEIGHTS = [
    (lambda tensors: tensors.pop(NORM), rf"lacks {NORM}: a damaged Llama"),
    (renamed, rf"lacks {NORM}"),
    (lambda tensors: tensors.update({NORM: torch.ones(3)}), rf"{NORM} is \(3,\), .* \(32,\)"),
    (
        lambda tensors: tensors.update({"model.layers.2.input_layernorm.weight": torch.ones(32)}),
        r"holds model\.layers\.2\.input_layernorm\.weight that no part of Llama",
    ),
]
"""Checkpoints that would be loaded with random weights, or without some of their own."""


@pytest.mark.parametrize(("edit", "message"), WEIGHTS)
def test_weights_that_are_missing_or_unknown_are_one_line_for_a_judge(
    edit: Callable[[dict[str, Any]], object], message: str, causal: Path
) -> None:
    judge_from(causal)
    change(causal, edit)
    with pytest.raises(UsageError, match=message) as caught:
        judge_from(causal)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("edit", "message"), WEIGHTS)
def test_and_for_a_reward_model(
    edit: Callable[[dict[str, Any]], object], message: str, tmp_path: Path
) -> None:
    folder = reward_models.write_classifier(tmp_path / "model")
    change(folder, edit)
    with pytest.raises(UsageError, match=message):
        load_scorer(str(folder))


def test_a_reward_model_is_no_judge_and_a_judge_no_reward_model(
    causal: Path, tmp_path: Path
) -> None:
    folder = reward_models.write_classifier(tmp_path / "reward")
    with pytest.raises(UsageError, match=r"lacks lm_head\.weight|holds score\.weight"):
        load_causal(str(folder))
    with pytest.raises(UsageError, match=r"lacks score\.weight"):
        load_classifier(str(causal))
    new_head = load_classifier(str(causal), brought=lambda key: key.startswith("score"))
    assert new_head.score.weight.shape == (2, 32)


# --- code and pickles ----------------------------------------------------------------------------


@pytest.fixture
def hostile(causal: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose code leaves a mark when it runs, and somebody who answers "y" to all."""
    mark = causal.parent / "ran"
    code = f"open({str(mark)!r}, 'w').close()\n"
    for name in ("configuration_x.py", "modeling_x.py", "tokenization_x.py"):
        (causal / name).write_text(code)
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    settings = json.loads((causal / "config.json").read_text())
    settings["auto_map"] = {
        "AutoConfig": "configuration_x.XConfig",
        "AutoModelForCausalLM": "modeling_x.X",
        "AutoModelForSequenceClassification": "modeling_x.X",
    }
    (causal / "config.json").write_text(json.dumps(settings | {"model_type": "x_of_its_own"}))
    settings = json.loads((causal / "tokenizer_config.json").read_text())
    settings |= {"tokenizer_class": "X", "auto_map": {"AutoTokenizer": ["tokenization_x.X", None]}}
    (causal / "tokenizer_config.json").write_text(json.dumps(settings))
    return causal


@pytest.mark.parametrize(
    "load", [judge_from, lambda f: load_scorer(str(f)), lambda f: load_config(str(f))]
)
def test_code_of_a_model_folder_never_runs(load: Callable[[Path], Any], hostile: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be loaded: .*") as caught:
        load(hostile)
    assert "\n" not in str(caught.value)
    assert not (hostile.parent / "ran").exists()


def test_code_of_a_tokenizer_never_runs(hostile: Path) -> None:
    mark = hostile.parent / "ran"
    try:
        load_tokenizer(str(hostile))  # without its code it is the library's plain class
    except UsageError as error:
        assert "\n" not in str(error)
    assert not mark.exists()


class Payload:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('the pickle ran')",))


@pytest.mark.parametrize("content", ["payload", "text", "empty"])
def test_pickled_weights_that_are_no_weights_are_one_line(content: str, causal: Path) -> None:
    (causal / "model.safetensors").unlink()
    file = causal / "pytorch_model.bin"
    if content == "payload":
        file.write_bytes(pickle.dumps({"model.norm.weight": Payload()}, protocol=2))
    else:
        file.write_text("no pickle" if content == "text" else "")
    with pytest.raises(UsageError, match="cannot be loaded: ") as caught:
        judge_from(causal)
    assert "\n" not in str(caught.value)


# --- chat templates ------------------------------------------------------------------------------

MESSAGES = [{"role": "user", "content": "Why?"}]
BAD_TEMPLATES = {
    "{{ 1 // 0 }}": "ZeroDivisionError",
    "{{ messages[0]['content'] + 3 }}": "TypeError",
    "{{ raise_exception('no') }}": "no",
    "{% for x in messages %}": "Unexpected end of template",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}": "RecursionError",
    "{{ 'a' * 2000000000 }}": "takes more than 512 MB",
    "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(31) %}"
    "{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}": "takes more than 512 MB",
    "{{ 'a' * 2000000 }}": f"prints more than {LONGEST:,} characters",
}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(resolve_model("mini"))


@pytest.mark.parametrize(("template", "said"), BAD_TEMPLATES.items())
def test_whatever_a_chat_template_does_is_one_line(
    template: str, said: str, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", template)
    with pytest.raises(TemplateFault) as caught:
        render(tokenizer, MESSAGES, reply=True)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="the chat template refuses one user message"):
        PromptBuilder(tokenizer, load_template("guided.v1"))
    with pytest.raises(UsageError, match="the chat template refuses the turns user, assistant"):
        ConversationBuilder(tokenizer)


def test_memory_is_limited_while_a_template_is_rendered_alone() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    tokenizer = AutoTokenizer.from_pretrained(resolve_model("mini"))
    assert "Why?" in render(tokenizer, MESSAGES, reply=True)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_bad_template_in_a_model_folder_ends_a_command_with_one_line(causal: Path) -> None:
    shutil.rmtree(causal / "chat_template.jinja", ignore_errors=True)
    (causal / "chat_template.jinja").write_text("{{ 1 // 0 }}")
    config = BatchConfig(input="-", out="-", model=str(causal), template="guided.v1")
    with pytest.raises(UsageError, match=r"refuses one user message: ZeroDivisionError"):
        load_engine(config)
