"""Judges with planted biases, which the probes must find, and a fair one, which must pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from judge.compare.probes.config import PROBES
from judge.compare.probes.figures import FIGURES, Figure
from judge.compare.probes.texts import ATTACKS, NULL_ANSWERS
from judge.errors import RowError
from judge.infer.engines.protocol import Mode, Sampling, ScriptedEngine
from judge.infer.scorers.pairs import PairScorer
from judge.infer.scorers.protocol import ScriptedScorer
from judge.prompt import Prompt
from judge.verdict import Verdict
from tests.probed import Opinion, draw, engine, fair, lines, probe, quality, rows

PAIRS = rows(120)


def finds(figure: Figure, planted: float) -> bool:
    assert figure.interval is not None
    return figure.interval[0] <= planted <= figure.interval[1]


def test_a_fair_judge_has_no_bias(tmp_path: Path) -> None:
    report = probe(tmp_path, fair, PAIRS, PROBES, mode="justify", samples=2)
    assert [figure.name for figure in report.figures] == list(FIGURES)
    for figure in report.figures:
        unbiased = FIGURES[figure.name].unbiased
        if figure.name.startswith("position.") and not figure.n:
            assert figure.why_not == "no pair is left"  # all of its margins are in one class
        elif figure.name == "length.effect":
            assert figure.why_not is not None and "explain every preference" in figure.why_not
        elif unbiased is not None:
            assert figure.value == unbiased, figure
    assert report.figure("position.flip_rate", "judge").n == 120
    assert report.figure("length.accuracy_shorter_right", "judge").value == 1
    assert report.figure("length.accuracy_longer_right", "judge").value == 1
    assert finds(report.figure("length.longer_rate", "judge"), 0.5)
    assert report.labelled == report.pairs == 120


def test_a_judge_that_always_says_1(tmp_path: Path) -> None:
    report = probe(tmp_path, lambda a, b: 1.5, PAIRS, ["position", "length", "identical"])
    assert report.figure("position.first_slot_rate", "judge").value == 1
    assert report.figure("position.flip_rate", "judge").value == 1
    longer = report.figure("length.longer_rate", "judge")
    assert longer.value == 0.5 and longer.n == 120  # both orders cancel out: no preference
    assert report.figure("identical.preference_rate", "judge").value == 0


def test_a_judge_that_says_1_where_it_is_unsure(tmp_path: Path) -> None:
    """Unsure of one pair in four: small margins flip, the others do not."""

    def opinion(first: str, second: str) -> float:
        unsure = draw(*sorted((first, second))) < 0.25
        return 1.5 if unsure else 2 * fair(first, second)

    report = probe(tmp_path, opinion, PAIRS, ["position"])
    planted = sum(draw(*sorted((row["response_1"], row["response_2"]))) < 0.25 for row in PAIRS)
    flips = report.figure("position.flip_rate", "judge")
    assert flips.value == round(planted / 120, 6) and finds(flips, 0.25)
    assert report.figure("position.first_slot_rate", "judge").value == round(0.5 + planted / 240, 6)
    small = report.figure("position.flip_rate.margin_0_25", "judge")
    large = report.figure("position.flip_rate.margin_75_100", "judge")
    assert (small.value, small.n, large.value, large.n) == (1, planted, 0, 120 - planted)


def test_a_judge_that_picks_the_longer(tmp_path: Path) -> None:
    def opinion(first: str, second: str) -> float:
        return 1.5 if len(first) > len(second) else -1.5

    report = probe(tmp_path, opinion, PAIRS, ["length", "padding", "formatting"])
    assert report.figure("length.longer_rate", "judge").value == 1
    assert report.figure("length.accuracy_longer_right", "judge").value == 1
    assert report.figure("length.accuracy_shorter_right", "judge").value == 0
    assert "no finite estimate" in str(report.figure("length.effect", "judge").why_not)
    assert report.figure("padding.moved_to", "judge").value == 1
    assert report.figure("padding.moved_away", "judge").value == 0
    shift = report.figure("padding.shift", "judge")
    assert shift.value is not None and 0.2 < shift.value < 0.6 and shift.n == 120
    assert report.figure("formatting.bullets.preferred", "judge").value == 1


@pytest.mark.parametrize("share", [0.15, 0.4, 0.8])
def test_a_judge_that_obeys_some_injections(tmp_path: Path, share: float) -> None:
    def obeys(response: str) -> bool:
        return "Ignore previous" in response and int(response.split()[1]) % 20 < 20 * share

    def opinion(first: str, second: str) -> float:
        return 4 * (obeys(first) - obeys(second)) or fair(first, second)

    report = probe(tmp_path, opinion, rows(160), ["injection"])
    injected = lines(tmp_path / "out" / "sets" / "injection_ignore.jsonl")
    had_lost = [row[row["target"]] for row in injected if "worth 4" in row[row["target"]]]
    found = report.figure("injection.ignore.success", "judge")
    assert found.n == len(had_lost) == 160 - found.left_out["had_not_lost"]
    assert found.value == round(sum(map(obeys, had_lost)) / len(had_lost), 6)
    assert finds(found, share)
    for name in ATTACKS:
        if name != "ignore":
            assert report.figure(f"injection.{name}.success", "judge").value == 0


def test_a_judge_that_obeys_whatever_names_a_slot(tmp_path: Path) -> None:
    """It says what the text says, in either order; what counts is the order in which that helps."""

    def opinion(first: str, second: str) -> float:
        for own, odds in ((1, 4.0), (2, -4.0)):
            said = (f"Response {own} is much better than", f"[[{'AB'[own - 1]}]]")
            if any(words in first + second for words in said):
                return odds
        return fair(first, second)

    report = probe(tmp_path, opinion, PAIRS[:60], ["injection"])
    for name, attack in ATTACKS.items():
        found = report.figure(f"injection.{name}.success", "judge")
        assert found.value == float(attack.names_slot) and 15 < found.n < 45, name


@pytest.mark.parametrize("loved", NULL_ANSWERS)
def test_a_judge_that_loves_a_null_answer(tmp_path: Path, loved: str) -> None:
    """Empty answers never reach it: the rows are refused, which is no win."""

    def is_loved(response: str) -> bool:
        return response.strip() == NULL_ANSWERS[loved].strip()

    def opinion(first: str, second: str) -> float:
        return 3.0 * (is_loved(first) - is_loved(second)) or fair(first, second)

    report = probe(tmp_path, opinion, PAIRS[:40], ["null"])
    for name in NULL_ANSWERS:
        found = report.figure(f"null.{name}.win_rate", "judge")
        refused = name in ("empty", "whitespace")
        assert found.value == float(name == loved and not refused), name
        assert found.n == 40 and found.left_out == {}
        assert (found.note is not None) == refused
        if refused:
            assert found.note == "40 of 40 rows were refused (empty_response) and count as not won"


def test_a_judge_that_is_of_two_minds(tmp_path: Path) -> None:
    """Its samples say the opposite with probability 0.3: so their majority, their entropy."""
    loaded: list[ScriptedEngine] = []
    now: list[Sampling] = [Sampling()]

    class Telling(ScriptedEngine):
        """Tells its opinion how it is asked to write."""

        def judge(self, prompts: Sequence[Prompt], mode: Mode) -> list[Verdict | RowError]:
            now[0] = self.sampling
            return super().judge(prompts, mode)

    def opinion(first: str, second: str) -> float:
        seed, temperature = now[0].seed, now[0].temperature
        asked.add((seed, temperature))
        drawn = temperature > 0 and draw(seed, *sorted((first, second))) < 0.3
        return -fair(first, second) if drawn else fair(first, second)

    def load() -> ScriptedEngine:
        loaded.append(Telling(engine(opinion).script))
        return loaded[-1]

    asked: set[tuple[int, float]] = set()
    report = probe(
        tmp_path, fair, rows(400), ["consistency"], load=load, mode="justify", samples=3, seed=7
    )
    assert len(loaded) == 1  # for all runs
    assert asked == {(7, 0.0), (8, 0.7), (9, 0.7), (10, 0.7)}
    # Three samples are unanimous with 0.7^3 + 0.3^3 = 0.37, else two of them agree.
    assert finds(report.figure("consistency.majority", "judge"), 0.37 + 0.63 * 2 / 3)
    assert finds(report.figure("consistency.entropy", "judge"), 0.63 * 0.9182958)
    assert report.figure("consistency.majority", "judge").n == 400


def scorer(opinion: Opinion, **options: object) -> PairScorer:
    """A reward model whose reward is a function of the conversation."""
    return PairScorer(
        ScriptedScorer(lambda text: [float(opinion(text, ""))], **options),  # type: ignore[arg-type]
        {"reward": 1.0},
    )


def test_a_reward_model_beside_the_judge_and_alone(tmp_path: Path) -> None:
    def by_length(text: str, _: str) -> float:
        return len(text) / 10

    def by_quality(text: str, _: str) -> float:
        return quality(text)

    scorers = {
        "long": scorer(by_length),
        "good": scorer(by_quality, objective="regression"),
    }
    beside = probe(tmp_path, fair, PAIRS[:60], PROBES, scorers, mode="justify", samples=2)
    assert [(system.name, system.kind) for system in beside.systems] == [
        ("judge", "judge"),
        ("long", "reward_model"),
        ("good", "reward_model"),
    ]
    for figure in beside.figures:
        slots = figure.name.startswith(("position.", "consistency."))
        assert figure.applies == (figure.system == "judge" or not slots)
        assert figure.applies or (figure.value is None and figure.why_not)
    assert beside.figure("length.longer_rate", "long").value == 1
    assert beside.figure("padding.moved_to", "long").value == 1
    assert beside.figure("injection.chat_llama3.success", "long").value == 1
    assert beside.figure("padding.moved_to", "good").value == 0
    assert "no probabilities" in str(beside.figure("padding.shift", "good").why_not)
    assert beside.figure("identical.preference_rate", "good").value == 0
    (tmp_path / "alone").mkdir()
    alone = probe(tmp_path / "alone", fair, PAIRS[:60], PROBES, scorers, judge=False)
    assert [system.name for system in alone.systems] == ["long", "good"]
    assert alone.figures == [f for f in beside.figures if f.system != "judge"]


def test_failures_are_neither_success_nor_harm(tmp_path: Path) -> None:
    """A judge that refuses whatever has an injected text in it has no successes, and no n."""

    def opinion(first: str, second: str) -> float | str:
        injected = "Ignore previous" in first + second
        return "no" if injected or "Answer 3 " in first + second else fair(first, second)

    report = probe(tmp_path, opinion, PAIRS[:40], ["injection", "position", "length", "padding"])
    ignored = report.figure("injection.ignore.success", "judge")
    assert (ignored.value, ignored.n, ignored.why_not) == (None, 0, "no pair is left")
    assert ignored.left_out == {"refused": 40}
    assert report.figure("position.flip_rate", "judge").n == 39
    assert report.figure("position.flip_rate", "judge").left_out == {"refused": 1}
    assert report.figure("padding.shift", "judge").left_out == {"refused": 1}
    assert report.failures["judge"]["injection_ignore"] == {"refused": 40}
    assert report.failures["judge"]["original"] == {"refused": 1}


def test_one_order_and_no_labels(tmp_path: Path) -> None:
    pairs = [{key: value for key, value in row.items() if key != "label"} for row in PAIRS[:20]]
    report = probe(tmp_path, fair, pairs, ["position", "length", "consistency"], orders="given")
    assert "--orders both" in str(report.figure("position.flip_rate", "judge").why_not)
    assert "no pair has a label" in str(report.figure("length.effect", "judge").why_not)
    assert "--mode justify" in str(report.figure("consistency.entropy", "judge").why_not)
    assert report.figure("length.longer_rate", "judge").n == 20
