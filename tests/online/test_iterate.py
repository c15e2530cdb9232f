"""Iterative DPO on a random tiny Llama: rounds end to end, kills, other recipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from judge.errors import RowError, UsageError
from judge.models import resolve_model
from judge.online import reward_file
from judge.online.iterative import pairs, parts
from judge.online.iterative.prompts import prompts_in
from judge.online.iterative.run import run
from judge.online.reward_file import WINDOW, score_into, source_of
from judge.pair import Message
from judge.reward import Reward
from judge.runs.jsonlines import append_synced
from judge.runs.whole import write_whole
from judge.train.align.iterate_config import IterateConfig
from judge.train.align.rollouts import RewardSource
from judge.train.config import load_recipe
from judge.train.progress import UNWATCHED, Unwatched
from tests.train.reward_sets import tiny_base


class Length:
    """A reward source: as many letters ``e`` as a response has; it counts what it is asked."""

    def __init__(self, name: str = "e") -> None:
        self.name, self.asked = name, 0

    def rewards(self, conversations: Sequence[Sequence[Message]]) -> list[Reward | RowError]:
        self.asked += len(conversations)
        return [Reward(value=float(c[-1].content.count(self.name))) for c in conversations]

    def describe(self) -> dict[str, Any]:
        return {"engine": "scripted", "name": self.name}


class Heard(Unwatched):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_rewards_go_on_where_they_were_cut(tmp_path: Path) -> None:
    said = [(Message(role="assistant", content="e" * n),) for n in range(WINDOW + 6)]
    file, source = tmp_path / "deep" / "rewards.jsonl", Length()
    whole = score_into(file, said, lambda: source, UNWATCHED)
    assert [one.reward for one in whole] == [float(n) for n in range(WINDOW + 6)]
    written = file.read_bytes()
    assert score_into(file, said, _never, UNWATCHED) == whole
    file.write_bytes(b"".join(written.splitlines(keepends=True)[: WINDOW + 3]) + b'{"rew')
    assert score_into(file, said, lambda: source, UNWATCHED) == whole
    assert file.read_bytes() == written and source.asked == WINDOW + 6 + 6
    other = Length("x")
    file.write_bytes(b"".join(written.splitlines(keepends=True)[: WINDOW + 3]))
    assert score_into(file, said, lambda: other, UNWATCHED)[-1].reward == 0.0
    assert other.asked == WINDOW + 6 and source_of(file)["name"] == "x"


def _never(*asked: Any, **named: Any) -> RewardSource:
    raise AssertionError("the reward model was loaded for nothing")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random policy that writes words of thirty, and ends after a few."""
    torch.manual_seed(3)
    tokenizer = AutoTokenizer.from_pretrained(resolve_model("mini"))
    folder = tiny_base(tmp_path_factory.mktemp("policy") / "base", tokenizer)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight) * 0.1)
    with torch.no_grad():  # the first dimension stays large: a bias of the output layer
        model.get_input_embeddings().weight[:, 0] = 8.0
        model.lm_head.weight[:, 0] = -5.0
        model.lm_head.weight[1000:1030, 0] = 0.0
        model.lm_head.weight[tokenizer.eos_token_id, 0] = 0.4
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompts")
    for side, count in (("train", 8), ("val", 5)):
        rows = (
            {
                "prompt_id": f"{side}-{i}",
                "messages": [{"role": "user", "content": f"Name {i} things"}],
            }
            for i in range(count)
        )
        (folder / f"{side}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest = {"options": {"kind": "prompts"}, "outputs": {}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def recipe(base: Path, prompts: Path, output: Path, *overrides: str) -> IterateConfig:
    fields = [f"model={base}", f"data={prompts}", f"output_dir={output}", *overrides]
    return load_recipe("iterate_smoke", ["prompts_per_round=5", *fields], IterateConfig)


def loading(*sources: Length) -> Callable[..., RewardSource]:
    rest = iter(sources)
    return lambda *asked: next(rest)


@pytest.fixture(scope="module")
def finished(base: Path, prompts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "rounds"
    heard = Heard()
    run(recipe(base, prompts, output), heard, lambda *asked: Length())
    assert [line for line in heard.notes if "held-out" in line][-1].startswith("round 3, ")
    return output


def tree(folder: Path) -> dict[str, bytes]:
    """The bytes of all results, the folder's own name left out."""
    names = ("responses.jsonl", "train.jsonl", "val.jsonl", "model.safetensors")
    return {
        str(file.relative_to(folder)): file.read_bytes().replace(str(folder).encode(), b"OUT")
        for file in sorted(folder.rglob("*"))
        if (file.name in names or file.name.startswith("rewards_"))
        and "checkpoint" not in str(file)
    }


def test_rounds_leave_answers_pairs_policies_and_figures(finished: Path, base: Path) -> None:
    rounds = json.loads((finished / "rounds.json").read_text())
    assert rounds["policy"] == str(finished / "round-2" / "policy")
    first, second, last = rounds["rounds"]
    assert first["policy"] == str(base) and first["gain"] is None
    assert second["policy"] == str(finished / "round-1" / "policy")
    assert last["policy"] == rounds["policy"] and last["pairs"] is None
    assert 1 <= second["gain"]["prompts"] <= 4 and first["held_out"]["prompts"] == 4
    assert first["prompts"]["prompts"] == 5 and first["prompts"]["answers"] <= 15
    assert first["training"]["steps"] == 2
    for number, round in ((1, first), (2, second)):
        folder = finished / f"round-{number}"
        lines = (folder / "pairs" / "train.jsonl").read_text().splitlines()
        counts = round["pairs"]["train"]
        assert (
            len(lines) == counts["pairs"]
            and counts["pairs"] + sum(counts["left_out"].values()) == 5
        )
        for row in map(json.loads, lines):
            chosen, rejected = (row[n][0]["content"].count("e") for n in ("chosen", "rejected"))
            assert chosen == row["reward_chosen"] > row["reward_rejected"] == rejected
        started = json.loads((folder / "policy" / "recipe.json").read_text())
        assert started["model"] == round["policy"] and started["loss"] == "regular"
    asked = [
        [json.loads(line)["id"] for line in path.read_text().splitlines()]
        for path in (finished / f"round-{n}" / "answers" / "train.jsonl" for n in (1, 2))
    ]
    assert asked == [[f"train-{i}" for i in range(5)], [f"train-{i % 8}" for i in range(5, 10)]]
    assert not (finished / "round-3" / "pairs" / "train.jsonl").exists()


def test_a_finished_run_loads_nothing_and_more_rounds_go_on(
    finished: Path, base: Path, prompts: Path, tmp_path: Path
) -> None:
    import shutil

    before = tree(finished)
    told = run(recipe(base, prompts, finished), UNWATCHED, lambda *asked: _never())
    assert tree(finished) == before and told.policy.endswith("round-2/policy")
    figures = json.loads((finished / "rounds.json").read_text())
    assert told.model_dump(mode="json") == figures
    copy = tmp_path / "one"
    run(recipe(base, prompts, copy, "rounds=1"), UNWATCHED, lambda *asked: Length())
    again = {k: v for k, v in tree(copy).items() if k in before}
    assert again and all(before[name] == content for name, content in again.items())
    shutil.rmtree(copy)


KILLED = """
import os, signal, sys
from judge.errors import RowError
from judge.train.align.iterate_config import IterateConfig
from judge.train.config import load_recipe
from judge.online.iterative import run as rounds, parts
from tests.online.test_iterate import Length
what, *fields = sys.argv[1:]
def die(*a, **k):
    os.kill(os.getpid(), signal.SIGKILL)
if what == "answers":
    from judge.runs.folder import RunDir
    append, calls = RunDir.append, []
    def torn(self, failures, results):
        append(self, failures, results[:7])
        open(self.path / "responses.jsonl", "a").write('{"id": "tr')
        die()
    RunDir.append = torn
else:
    from judge.train import faults
    sealed = faults.seal
    def torn(folder, size):
        sealed(folder, size)
        if folder.name == "checkpoint-1":
            die()
    faults.seal = torn
recipe = load_recipe("iterate_smoke", ["prompts_per_round=5", *fields], IterateConfig)
rounds.run(recipe, load=lambda *asked: Length())
"""


class Killed(BaseException):
    """Stands for a signal where starting another process would take too long."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_anywhere_the_rounds_end_with_the_same_bytes(
    finished: Path, base: Path, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the answers and in the training by SIGKILL, in the rewards and before the manifest."""
    output = tmp_path / "killed"
    fields = [f"model={base}", f"data={prompts}", f"output_dir={output}"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    asked = recipe(base, prompts, output)

    def killed(what: str) -> None:
        command = [sys.executable, "-c", KILLED, what, *fields]
        assert subprocess.run(command, check=False, env=env).returncode == -9, what

    def torn(path: Path, data: bytes) -> None:
        append_synced(path, data[: len(data) // 2])
        raise Killed

    def before_the_manifest(path: Path, content: bytes | str) -> None:
        if path.name == "manifest.json":
            raise Killed
        write_whole(path, content)

    killed("answers")
    for module, name, patched in (
        (reward_file, "append_synced", torn),
        (pairs, "write_whole", before_the_manifest),
    ):
        with monkeypatch.context() as here, pytest.raises(Killed):
            here.setattr(module, name, patched)
            run(asked, UNWATCHED, lambda *asked: Length())
    killed("training")
    run(asked, UNWATCHED, lambda *asked: Length())
    assert tree(output) == tree(finished)
    whole, again = (json.loads((f / "rounds.json").read_text()) for f in (finished, output))
    for one in (*whole["rounds"], *again["rounds"]):
        one.pop("policy")
    assert whole["rounds"] == again["rounds"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_parts_in_processes_of_their_own_give_the_same(
    finished: Path, base: Path, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``launch`` and ``answers.command``: files of options, commands, what is done is left."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent.parent))
    monkeypatch.setenv("OUR_MODULE", "judge.cli")
    words = json.dumps([sys.executable, "-m", "$OUR_MODULE"])
    own = (f"launch={words}", f"answers.command={words}", "rounds=1")
    asked = recipe(base, prompts, tmp_path / "out", *own)
    run(asked, UNWATCHED, lambda *asked: Length())
    before, again = tree(finished), tree(tmp_path / "out")
    first = {name for name in before if name.startswith("round-1")}
    assert first and {name: again[name] for name in first} == {n: before[n] for n in first}
    assert (tmp_path / "out" / "round-1" / "policy.yaml").is_file()
    monkeypatch.setattr(parts, "_run", _never)
    run(asked, UNWATCHED, _never)


def test_a_command_that_fails_is_told(base: Path, prompts: Path, tmp_path: Path) -> None:
    false = sys.executable, "-c", "raise SystemExit(7)"
    for words, said in (
        (false, r"ended with 7; the same command"),
        (("no-such",), "cannot be run"),
    ):
        own = f"answers.command={json.dumps(words)}"
        with pytest.raises(UsageError, match=said):
            run(recipe(base, prompts, tmp_path / str(len(words)), own), UNWATCHED, _never)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("samples=4", "samples is 3 there, 4 now"),
        ("beta=0.2", "beta is 0.1 there, 0.2 now"),
        ("reward.model=small-bt", "reward is"),
        ("answers.temperature=0.5", "answers is"),
    ],
)
def test_another_recipe_is_refused_in_the_same_folder(
    finished: Path, base: Path, prompts: Path, override: str, said: str
) -> None:
    with pytest.raises(UsageError, match=f"holds rounds of another configuration: {said}"):
        run(recipe(base, prompts, finished, override), UNWATCHED, lambda *asked: Length())


def test_another_reward_model_under_the_same_name_is_refused(
    base: Path, prompts: Path, tmp_path: Path
) -> None:
    output = tmp_path / "rounds"
    with pytest.raises(UsageError, match='rewards of another configuration: name is "e" there'):
        run(recipe(base, prompts, output), UNWATCHED, loading(Length(), Length("a")))


def test_a_round_without_a_pair_stops_and_says_why(
    base: Path, prompts: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        UsageError, match=r"round 1: no pair of the train prompts \(\d+ equal_rewards"
    ):
        run(recipe(base, prompts, tmp_path / "o"), UNWATCHED, loading(Length("no such text")))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("samples=1", "samples: Input should be greater than or equal to 2"),
        ("loss=scaled", "loss: Input should be 'regular'"),
        ("answers.temperature=0", "temperature: Input should be greater than 0"),
        ("random_init={}", "random_init: a policy that answers needs"),
        ("lora={start: x}", "lora.start: the policy that answers"),
    ],
)
def test_a_recipe_is_checked(
    base: Path, prompts: Path, tmp_path: Path, override: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        recipe(base, prompts, tmp_path / "o", override)


def test_a_line_that_is_no_prompt_is_named(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text('{"prompt_id": "a", "messages": [{"role": "assistant", "content": "x"}]}\n')
    with pytest.raises(UsageError, match="line 1: messages: expected a conversation that ends"):
        prompts_in(file)
    file.write_text("")
    with pytest.raises(UsageError, match="no prompt"):
        prompts_in(file)


def test_other_data_is_refused(base: Path, prompts: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"options": {"kind": "preference"}}))
    with pytest.raises(UsageError, match="needs `judge data prepare --kind prompts`"):
        run(recipe(base, tmp_path, tmp_path / "o"))
