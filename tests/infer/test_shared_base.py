"""One base in memory for a judge and reward models: whose turn it is, the weights are theirs."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from judge.config import BatchConfig
from judge.errors import UsageError
from judge.infer import shared_base
from judge.infer.engines.protocol import MODES, Sampling
from judge.infer.engines.registry import load_engine
from judge.infer.engines.transformers.engine import TransformersEngine
from judge.infer.scorers.load import load_scorer
from judge.infer.scorers.pairs import PairScorer
from judge.infer.scorers.transformers import TransformersScorer
from judge.models.loading import load_tokenizer
from judge.prompt import Prompt, load_template
from judge.verdict import Verdict
from tests import reward_models
from tests.small_base import Tiny, write_adapter

TEMPLATE = load_template("pairwise_justifier.v1")


def judge_of(model: Path | str, **options: Any) -> TransformersEngine:
    options = {"dtype": "float32", "max_new_tokens": 6, **options}
    engine = load_engine(BatchConfig(input="-", out="-", model=str(model), **options))
    assert isinstance(engine, TransformersEngine)
    return engine.bound(TEMPLATE)


def scorer_of(model: Path) -> PairScorer:
    return load_scorer(str(model))


def inner(scorer: PairScorer) -> TransformersScorer:
    assert isinstance(scorer.scorer, TransformersScorer)
    return scorer.scorer


PAIRS = reward_models.pairs()[:3]


def prompts_of(engine: TransformersEngine) -> list[Prompt]:
    return engine.builder.build([p for pair in PAIRS for p in (pair, pair.flipped())])


def said_by(engine: TransformersEngine) -> list[Any]:
    return engine.judge(prompts_of(engine), "verdict")


@pytest.fixture
def three(cached: Path, tmp_path: Path) -> dict[str, Path]:
    """A judge's adapter and those of two reward models, over the tiny base."""
    return {
        "judge": write_adapter(tmp_path / "judge", seed=1),
        "bt": write_adapter(tmp_path / "bt", seed=2, outputs=1),
        "regression": write_adapter(tmp_path / "regression", seed=3, rank=2, outputs=1),
    }


def uses_of(three: dict[str, Path]) -> dict[str, Callable[[], Any]]:
    engine = judge_of(three["judge"])
    scorers = {name: scorer_of(three[name]) for name in ("bt", "regression")}
    return {
        "judge": lambda: said_by(engine),
        **{name: lambda s=s: s.score(PAIRS) for name, s in scorers.items()},
    }


def test_the_judge_and_both_scorers_have_one_decoder(three: dict[str, Path]) -> None:
    scorers = [inner(scorer_of(three[name])) for name in ("bt", "regression")]
    engine = judge_of(three["judge"])
    plain = judge_of("small-base")
    decoders = {id(each.model.base_model) for each in (engine, plain, *scorers)}
    assert len(decoders) == 1
    assert type(scorers[0].model).__name__ == "LlamaForSequenceClassification"
    assert scorers[0].model.score is not scorers[1].model.score


def test_whatever_the_order_of_turns_the_results_are_the_same_bytes(
    three: dict[str, Path],
) -> None:
    alone = {}
    for name in three:
        alone[name] = uses_of(three)[name]()
        gc.collect()
    uses = uses_of(three)
    for name in ("regression", "bt", "bt", "judge", "bt", "judge", "judge", "regression", "judge"):
        assert uses[name]() == alone[name], name
    assert len({str(result) for result in alone.values()}) == 3


def by_peft(auto: Any, base: Path, *folders: Path, **options: Any) -> Any:
    model = auto.from_pretrained(base, dtype=torch.float32, **options)
    for folder in folders:
        model = PeftModel.from_pretrained(model, folder).merge_and_unload()
    return model.eval()


def test_a_judge_says_what_the_model_merged_by_peft_says(
    three: dict[str, Path], cached: Path
) -> None:
    uses = uses_of(three)
    uses["bt"]()
    engine = judge_of(three["judge"])
    merged = by_peft(AutoModelForCausalLM, cached, three["judge"])
    alone = TransformersEngine(merged, load_tokenizer(str(cached)), {}, TEMPLATE, Sampling(6))
    prompts = prompts_of(engine)
    for mode in MODES:
        for one, other in zip(*(e.judge(prompts, mode) for e in (engine, alone)), strict=True):
            assert isinstance(one, Verdict) and isinstance(other, Verdict)
            assert one.elaboration == other.elaboration
            assert one.distribution and other.distribution
            expected = pytest.approx(other.distribution.log_probs, abs=1e-4)
            assert one.distribution.log_probs == expected
    plain = judge_of("small-base").judge(prompts, "verdict")
    assert plain != said_by(engine), "the adapter changes nothing"


@pytest.mark.parametrize("name", ["bt", "regression"])
def test_a_scorer_gives_the_rewards_of_the_model_merged_by_peft(
    name: str, three: dict[str, Path], cached: Path
) -> None:
    uses = uses_of(three)
    uses["judge"]()
    model = by_peft(AutoModelForSequenceClassification, cached, three[name], num_labels=1)
    scorer = scorer_of(three[name])
    for rows, rewards in zip(scorer.build(PAIRS), uses[name](), strict=True):
        assert isinstance(rows, list)
        with torch.inference_mode():
            expected = [float(model(input_ids=torch.tensor([row])).logits) for row in rows]
        assert rewards.pair == pytest.approx(expected, abs=1e-4)


def test_an_adapter_upon_an_adapter_is_both(
    three: dict[str, Path], cached: Path, tmp_path: Path
) -> None:
    upper = write_adapter(tmp_path / "upper", str(three["judge"]), seed=7)
    engine, lower = judge_of(upper), judge_of(three["judge"])
    assert engine.model.base_model is lower.model.base_model
    merged = by_peft(AutoModelForCausalLM, cached, three["judge"], upper)
    prompt = prompts_of(engine)[0]
    with torch.inference_mode(), engine._turn:
        found = engine.model(input_ids=torch.tensor([prompt.ids])).logits
        expected = merged(input_ids=torch.tensor([prompt.ids])).logits
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    described = engine.describe()
    assert described["base_digest"].startswith(described["base_digest"][:16] + "+")


def test_an_interruption_between_two_turns_leaves_nobodys_weights(
    three: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    uses = uses_of(three)
    expected = {name: use() for name, use in uses.items()}
    add_to = shared_base.Update.add_to
    left = iter(range(5))

    def interrupted(self: Any, values: torch.Tensor) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        add_to(self, values)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shared_base.Update, "add_to", interrupted)
        uses["judge"]()
    for name in ("regression", "judge", "bt"):
        assert uses[name]() == expected[name]


def test_nobody_is_let_in_during_anothers_turn(three: dict[str, Path]) -> None:
    engine, scorer = judge_of(three["judge"]), scorer_of(three["bt"])
    with engine._turn, pytest.raises(RuntimeError, match="in the middle of another one's turn"):
        scorer.score(PAIRS)
    waited = threading.Thread(target=lambda: scorer.score(PAIRS))
    with engine._turn:
        waited.start()
        waited.join(0.3)
        assert waited.is_alive()
    waited.join(30)
    assert not waited.is_alive()


def test_a_base_goes_with_the_last_model_over_it(three: dict[str, Path], cached: Path) -> None:
    def there() -> int:
        gc.collect()
        return sum(folder == str(cached) for folder, _ in shared_base._BASES)

    uses = uses_of(three)
    assert there() == 1
    del uses
    assert there() == 0


def test_another_number_format_is_another_base(three: dict[str, Path]) -> None:
    one, other = judge_of(three["judge"]), judge_of(three["judge"], dtype="bfloat16")
    assert one.model is not other.model and other.model.dtype == torch.bfloat16
    assert [v.strength for v in said_by(other)]
    merged = dict(one.model.named_parameters())
    with one._turn, other._turn:
        for name, rounded in other.model.named_parameters():
            assert torch.equal(rounded, merged[name].bfloat16()), name


def test_an_adapter_over_any_folder_shares_it_too(
    tiny: Tiny, three: dict[str, Path], tmp_path: Path
) -> None:
    judge = write_adapter(tmp_path / "own", str(tiny.made))
    bt = write_adapter(tmp_path / "own_bt", str(tiny.made), seed=2, outputs=1)
    engine, scorer = judge_of(judge), scorer_of(bt)
    assert engine.model.base_model is inner(scorer).model.base_model
    assert scorer.score(PAIRS) == scorer_of(three["bt"]).score(PAIRS)


def test_what_is_no_plain_lora_is_merged_by_peft_into_a_model_of_its_own(
    three: dict[str, Path], cached: Path, tmp_path: Path
) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(5)
    model = AutoModelForCausalLM.from_pretrained(cached, dtype=torch.float32)
    dora = LoraConfig(r=2, use_dora=True, target_modules=["q_proj"], task_type="CAUSAL_LM")
    adapted: Any = get_peft_model(model, dora, adapter_name="default")
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    adapted.save_pretrained(tmp_path / "dora")
    engine, shared = judge_of(tmp_path / "dora"), judge_of("small-base")
    assert engine.model is not shared.model
    ids = torch.tensor([prompts_of(engine)[0].ids])
    with torch.inference_mode():
        expected = adapted(input_ids=ids).logits
        torch.testing.assert_close(
            engine.model(input_ids=ids).logits, expected, rtol=1e-4, atol=1e-4
        )
        assert not torch.allclose(shared.model(input_ids=ids).logits, expected, atol=1e-3)


# --- what can go wrong ---------------------------------------------------------------------------


def weights(edit: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        file = folder / "adapter_model.safetensors"
        tensors = load_file(file)
        edit(tensors)
        save_file(tensors, file, {"format": "pt"})

    return change


def settings(**fields: Any) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        file = folder / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | fields))

    return change


A = "base_model.model.model.layers.1.mlp.up_proj.lora_A.weight"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "adapter_model.safetensors").unlink(), "not a whole safetensors file"),
        (
            lambda f: (f / "adapter_model.safetensors").write_bytes(
                (f / "adapter_model.safetensors").read_bytes()[:-9]
            ),
            "not a whole safetensors file",
        ),
        (weights(lambda t: t.pop(A)), "up_proj needs a matrix lora_A and a matrix lora_B"),
        (
            weights(lambda t: t[A].fill_(float("nan"))),
            "up_proj.weight holds a value that is not a number",
        ),
        (
            weights(lambda t: t.update({A: torch.ones(4, 7)})),
            r"up_proj is \[96, 4\] x \[4, 7\], the base's weight \[96, 128\]",
        ),
        (
            weights(lambda t: t.update({A.replace("layers.1", "layers.5"): t.pop(A)})),
            "needs a matrix lora_A|layers.5",
        ),
        (settings(lora_alpha="much"), "expected PEFT's configuration of a LoRA adapter"),
        (lambda f: (f / "adapter_config.json").write_text("{"), "expected an object with base_m"),
    ],
    ids=["gone", "cut", "half", "nan", "shape", "name", "alpha", "config"],
)
@pytest.mark.parametrize("kind", ["judge", "bt"])
def test_a_damaged_adapter_is_one_line(
    kind: str, damage: Callable[[Path], object], message: str, three: dict[str, Path]
) -> None:
    damage(three[kind])
    with pytest.raises(UsageError, match=message) as caught:
        _ = judge_of(three[kind]) if kind == "judge" else scorer_of(three[kind])
    assert "\n" not in str(caught.value)


def test_an_adapter_of_a_wider_model_is_one_line(three: dict[str, Path], tmp_path: Path) -> None:
    config = json.loads((three["judge"] / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "mini"
    (three["judge"] / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match=r"the adapter of model\.layers\.0\.\S+ is \["):
        judge_of(three["judge"])
