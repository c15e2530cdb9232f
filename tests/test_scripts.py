"""The scripts that make and evaluate the mini models."""

from __future__ import annotations

import gzip
import importlib.util
import itertools
import json
import random
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from judge.infer import batch
from tests import scripted

SCRIPTS = Path(__file__).parent.parent / "scripts"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patched:  # as where it is run, beside the other scripts
        patched.syspath_prepend(str(SCRIPTS))
        spec.loader.exec_module(module)
    return module


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(r) + "\n" for r in rows)


def row(number: int, strengths: list[int], source: str = "e-CARE") -> dict[str, Any]:
    return {
        "id": str(number),
        "source": source,
        "split": "train",
        "prompt": f"Prompt {number}",
        "response_1": f"one of {number}",
        "response_2": f"two, of {number}",
        "all_preferences_unprocessed": [{"strength": s, "justification": "x"} for s in strengths],
    }


def test_contrast_pairs_prefer_the_response_to_the_prompt() -> None:
    rows = [row(i, [3 if i % 2 else -3]) for i in range(40)]
    pairs = load("contrast_pairs").contrast(rows, random.Random(1))
    assert len(pairs) == 40
    firsts = 0
    for original, pair in zip(rows, pairs, strict=True):
        strength = pair["all_preferences_unprocessed"][0]["strength"]
        good, bad = ("response_1", "response_2") if strength < 0 else ("response_2", "response_1")
        preferred = "response_2" if int(original["id"]) % 2 else "response_1"
        assert pair[good] == original[preferred]
        assert not pair[bad].endswith(f" {original['id']}") and abs(strength) == 3
        firsts += strength < 0
    assert 10 < firsts < 30


def test_ties_give_no_contrast_pair() -> None:
    rows = [row(0, [2, -2]), row(1, [2])]
    assert len(load("contrast_pairs").contrast(rows, random.Random(1))) == 1


TEXTS = [
    ["The boat sailed over the lake.", "A storm reached the boat at noon.", "Nobody was hurt."],
    ["Bread needs flour and water.", "The baker kneads the flour slowly."],
    ["Our train stopped in the valley.", "The valley was full of flowers."],
    ["Winter came early this time.", "Children made figures of snow all winter."],
    ["He plays the violin each evening.", "His violin was made in Italy."],
] * 8


def test_coherence_pairs_prefer_what_belongs_to_the_prompt() -> None:
    script = load("coherence_pairs")
    rows = [
        {
            **row(i, [-3]),
            "prompt": f"Prompt {i}\nWhat was the cause of this?",
            "response_1": f"r{i}",
        }
        for i in range(20)
    ]
    # Words in fewer sentences than RARE are no content words, so every text stands there 8 times.
    pairs = list(script.coherence(TEXTS, rows, 300, "train", script.KINDS, random.Random(1)))
    following = {(a, b) for text in TEXTS for a, b in itertools.pairwise(text)}
    kinds = Counter(pair["source"] for pair in pairs)
    assert set(kinds) == set(script.KINDS) and min(kinds.values()) > 30
    assert len({pair["id"] for pair in pairs}) == 300
    for pair in pairs:
        (annotation,) = pair["all_preferences_unprocessed"]
        right, wrong = pair["response_1"], pair["response_2"]
        if annotation["strength"] > 0:
            right, wrong = wrong, right
        prompt, question = pair["prompt"].rsplit("\n", 1)
        if pair["source"] == "shared_word":
            assert script.stems(right) & script.stems(prompt)
            assert not script.stems(wrong) & script.stems(prompt)
        elif pair["source"] == "other_prompt":
            assert right == "r" + prompt.removeprefix("Prompt ")
        else:
            ordered = (prompt, right) if question == script.EFFECT else (right, prompt)
            assert ordered in following


def test_an_argument_is_better_than_a_beginning() -> None:
    script = load("coherence_pairs")
    texts = [
        "One is so. Two is so, too, and more. Three ends it!",
        "it is cheap and clean\nso there",
    ]
    first, second = (
        f"{side} {text}" for side, text in zip(("Yes, since", "No:"), texts, strict=True)
    )
    rows = [
        {**row(0, [2], script.ARGUMENTS), "response_1": first, "response_2": second},
        {**row(1, [2, -2], script.ARGUMENTS), "response_1": "Of a tie. Nobody reads it."},
        row(2, [3]),
    ]
    kinds = {"cut_argument": 1, "answer": 1}
    wholes, cuts = set(), set()
    for pair in script.coherence(TEXTS, rows, 200, "train", kinds, random.Random(1)):
        (annotation,) = pair["all_preferences_unprocessed"]
        better, worse = pair["response_1"], pair["response_2"]
        if annotation["strength"] > 0:
            better, worse = worse, better
        if pair["source"] == "answer":
            assert (pair["prompt"], better, worse) == ("Prompt 2", "two, of 2", "one of 2")
            continue
        assert pair["prompt"] == "Prompt 0" and len(worse) < len(better)
        wholes.add(better)
        cuts.add(worse)
    assert wholes == {first, second}
    assert cuts == {
        "Yes, since One is so.",
        "Yes, since One is so. Two is so, too, and more.",
        "No: it is cheap and clean",
    }


def test_coherence_pairs_are_the_same_bytes_again(tmp_path: Path) -> None:
    script = load("coherence_pairs")
    (tmp_path / "text").mkdir()
    write_rows(tmp_path / "text" / "a.jsonl.gz", [{"text": " ".join(t)} for t in TEXTS])
    humans = [{**row(i, [3]), "split": "val" if i % 5 == 0 else "train"} for i in range(20)]
    write_rows(tmp_path / "human.jsonl.gz", humans)
    made = []
    for folder in ("one", "two"):
        script.main(
            tmp_path / "text",
            tmp_path / "human.jsonl.gz",
            tmp_path / folder,
            count=200,
            seed=17,
            kinds=script.KINDS,
        )
        made.append((tmp_path / folder / "preference.jsonl.gz").read_bytes())
    assert made[0] == made[1]
    pairs = [json.loads(line) for line in gzip.decompress(made[0]).splitlines()]
    assert Counter(pair["split"] for pair in pairs) == {"train": 200, "val": 2}
    right = {f"two, of {i}" for i in range(20) if i % 5}
    for pair in pairs:
        if pair["split"] == "train" and pair["source"] == "other_prompt":
            assert {pair["response_1"], pair["response_2"]} & right


def test_answers_become_ratings_beside_the_peoples_own(tmp_path: Path) -> None:
    script = load("answer_ratings")
    (tmp_path / "preference").mkdir()
    humans = [row(0, [3]), row(1, [-3, -2]), row(2, [2, -2]), row(3, [3], "UKPConvArg1")]
    humans += [{**row(4, [3]), "split": "val"}]
    humans += [{**row(5, [3]), "prompt": "asked in the test part"}]
    write_rows(tmp_path / "preference" / "preference.jsonl.gz", humans)
    (tmp_path / "test").mkdir()
    write_rows(tmp_path / "test" / "preference.jsonl.gz", [{"prompt": "asked in the test part"}])
    rated = {"prompt": "p", "response": "r", "helpfulness": 3, "id": "x", "source": "UKP"}
    for name in script.FILES.values():
        write_rows(tmp_path / name, [rated])
    script.main(tmp_path, tmp_path / "out", 100, 3)
    train = script.read(tmp_path / "out" / "train.jsonl.gz")
    assert {r["response"]: r["helpfulness"] for r in train if r["source"] == "e-CARE"} == {
        "one of 0": 0, "two, of 0": 4, "one of 1": 4, "two, of 1": 0,
    }  # fmt: skip
    assert len({r["id"] for r in train}) == len(train) == 4 + 3
    assert sum(r["helpfulness"] == 3 for r in train) == 3
    val = script.read(tmp_path / "out" / "validation.jsonl.gz")
    assert [r["helpfulness"] for r in val] == [0, 4, 3]


def _data(folder: Path) -> Path:
    """Write the folders that small_pairs reads: ten e-CARE pairs, of which one prompt is tested."""
    humans = [row(i, [3]) for i in range(10)] + [{**row(10, [-3]), "split": "val"}]
    for name, rows in (("human_pairs", humans), ("qa_feedback", []), ("assistant_pairs", [])):
        (folder / name / "preference").mkdir(parents=True)
        write_rows(folder / name / "preference" / "preference.jsonl.gz", rows)
    (folder / "human_pairs" / "test").mkdir()
    tested = [{"prompt": humans[4]["prompt"]}]
    write_rows(folder / "human_pairs" / "test" / "preference.jsonl.gz", tested)
    return folder


def test_small_pairs_are_drawn_by_source_and_never_with_a_tested_prompt(tmp_path: Path) -> None:
    script = load("small_pairs")
    rows = script.draw(_data(tmp_path), {"e-CARE": 100}, 5, 17)
    tested = script.read(tmp_path / "human_pairs" / "test" / "preference.jsonl.gz")[0]["prompt"]
    assert Counter(r["split"] for r in rows) == {"train": 9, "val": 1}
    assert tested not in {r["prompt"] for r in rows}
    assert rows == script.draw(tmp_path, {"e-CARE": 100}, 5, 17)
    with pytest.raises(SystemExit, match="no source COPA; there are e-CARE"):
        script.draw(tmp_path, {"COPA": 1}, 5, 17)


def test_pairs_to_test_on_are_drawn_from_the_test_part_alone(tmp_path: Path) -> None:
    script = load("small_pairs")
    _data(tmp_path)
    tested = [{**row(i, [3]), "split": "test"} for i in range(20, 26)] + [row(26, [3, -3])]
    write_rows(tmp_path / "human_pairs" / "test" / "preference.jsonl.gz", tested)
    drawn = script.draw_test(tmp_path, {"e-CARE": 4}, 23)
    assert len(drawn) == 4 and all(r in tested[:6] for r in drawn)
    assert drawn == script.draw_test(tmp_path, {"e-CARE": 4}, 23)
    assert len(script.draw_test(tmp_path, {"e-CARE": 9}, 23)) == 6  # one is undecided
    with pytest.raises(SystemExit, match="no source COPA; there are e-CARE"):
        script.draw_test(tmp_path, {"COPA": 1}, 23)


def test_own_pairs_carry_one_vote_each_and_no_question_that_is_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = load("own_pairs")
    rows = [row(i, [2, 2, -2]) for i in range(8)]
    rows += [{**row(8, [2]), "prompt": "long " * 600}, {**row(9, [2, 2]), "split": "val"}]
    (tmp_path / "assistant_pairs" / "preference").mkdir(parents=True)
    write_rows(tmp_path / "assistant_pairs" / "preference" / "preference.jsonl.gz", rows)
    monkeypatch.setattr("sys.argv", ["own_pairs", str(tmp_path), str(tmp_path / "own")])
    script.main()
    written = tmp_path / "own" / "preference" / "preference.jsonl.gz"
    with gzip.open(written, "rt") as lines:
        own = [json.loads(line) for line in lines]
    assert {r["prompt"] for r in own} == {r["prompt"] for r in rows[:8]}
    assert all(len(r["all_preferences_unprocessed"]) == 1 for r in own)
    held_out = [json.loads(line) for line in (tmp_path / "own" / "held_out.jsonl").open()]
    assert held_out == rows[9:]


@pytest.mark.parametrize(
    ("prompt", "strength", "reason", "expected"),
    [
        (
            "He was robbed.\nWhat happened as a result?",
            3,
            "Wheels have solid rubber tires.",
            '@Response 2 names the likelier result: "He gave up all tires."'
            " Wheels have solid rubber tires.",
        ),
        (
            "It grew.\nWhat was the cause of this?",
            -3,
            "Rain makes plants grow",
            '@Response 1 names the likelier cause: "It rained a lot." Rain makes plants grow.',
        ),
        ("Debate: rain", -2, "@Response 1 gives examples.",
         '@Response 1 makes the stronger argument: "It rained a lot." @Response 1 gives examples.'),
        ("Say.", -2, "mentions no tires!",
         '@Response 1 gives the stronger answer: "It rained a lot." Mentions no tires!'),
        ("Say.", 2, "", '@Response 2 gives the stronger answer: "He gave up all tires."'),
    ],
)  # fmt: skip
def test_reasons_open_with_what_they_are_reasons_for(
    prompt: str, strength: int, reason: str, expected: str
) -> None:
    script = load("small_pairs")
    better = 1 if strength < 0 else 2
    statement = f"@Response {better} is better than @Response {3 - better}"
    given = {"strength": strength, "justification": f"{statement}. {reason}".strip()}
    pair = {
        "prompt": prompt,
        "response_1": 'It "rained" a lot.',
        "response_2": "He gave up all tires.",
    }
    found = script.explained({**pair, "all_preferences_unprocessed": [given]})
    assert found["all_preferences_unprocessed"][0]["justification"] == f"{statement}. {expected}"


def test_a_reason_that_any_pair_could_have_makes_room_for_one_of_this_pair() -> None:
    script = load("small_pairs")
    alone = "@Response 1 is better than @Response 2."
    said = ["Is more convincing.", "Speaks of India.", ""]
    row = {
        "prompt": "Debate: should India lead?",
        "response_1": "India can.",
        "response_2": "Paint.",
        "all_preferences_unprocessed": [
            {
                "strength": -2,
                "justification": f"@Response 1 is better than @Response 2. {text}".strip(),
            }
            for text in said
        ],
    }
    found = [a["justification"] for a in script.explained(row)["all_preferences_unprocessed"]]
    opened = '@Response 1 makes the stronger argument: "India can." Speaks of India.'
    assert found == [alone, f"{alone} {opened}", alone]


def test_contrast_pairs_say_what_is_wrong_with_the_worse_answer() -> None:
    script = load("small_pairs")
    rows = [
        {
            "source": "Vicuna80",
            "split": "val" if i % 5 == 0 else "train",
            "id": f"v{i}",
            "prompt": f"Question: what is {i}?",
            "response_1": f"Number {i} is what comes after {i - 1}, and " + "it goes on " * 5 + ".",
            "response_2": "No.",
            "all_preferences_unprocessed": [{"strength": -2, "justification": ""}],
        }
        for i in range(30)
    ]
    made = script.contrasts(rows, 25, random.Random(3))
    assert made == script.contrasts(rows, 25, random.Random(3))
    assert {row["split"] for row in made} == {"train", "val"}
    kinds: Counter[str] = Counter()
    for row in made:
        (said,) = row["all_preferences_unprocessed"]
        better, worse = (1, 2) if said["strength"] < 0 else (2, 1)
        good, bad = row[f"response_{better}"], row[f"response_{worse}"]
        asked = row["prompt"].removeprefix("what is ").removesuffix("?")
        assert good.startswith(f"Number {asked} ") and bad != good
        assert f'@Response {better} answers the question: "{good[:20]}' in said["justification"]
        reason = said["justification"].partition(f"@Response {worse} ")[2]
        if "speaks of something else" in reason:
            kinds["other"] += 1
            assert not bad.startswith(f"Number {asked} ")
        elif "only repeats" in reason:
            kinds["repeats"] += 1
            assert len(set(bad.split())) * 2 < len(bad.split()) + 1
        else:
            kinds["ends"] += 1
            assert "breaks off after" in reason and good.startswith(bad)
    assert set(kinds) == {"other", "repeats", "ends"}


def test_explanations_are_counted_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = load("explanation_quality")
    pair = {"prompt": "Why is the sky blue?", "response_1": "Scattering.", "response_2": "Paint."}
    (tmp_path / "pairs.jsonl").write_text(
        "".join(json.dumps({"id": f"p{i}", **pair}) + "\n" for i in range(4))
    )
    said = [
        ("@Response 1 is clear and correct: scattering makes it blue.", 1),
        ("It is fine. It is fine.", 1),
        ("@Response 2 is wrong, vague and useless.", 2),
        (None, 1),
    ]
    rows = [
        {
            "pair_id": f"p{i}",
            "elaboration": text,
            "statement": f"@Response {better} is better than @Response {3 - better}.",
        }
        for i, (text, better) in enumerate(said)
    ]
    (tmp_path / "judgments.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    monkeypatch.setattr("sys.argv", ["x", str(tmp_path / "pairs.jsonl"), str(tmp_path)])
    script.main()
    printed = capsys.readouterr().out
    counts = [line.split("(")[1].split(")")[0] for line in printed.splitlines() if line[:1] == "|"]
    assert counts == ["1 of 3", "1 of 3", "1 of 3"]
    assert "p2: @Response 2 is wrong, vague and useless. @Response 2 is better than" in printed


def test_evaluation_counts_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate = load("evaluate_mini")
    rows = [row(0, [2] * 4, "UKPConvArg1"), row(1, [-2, 2], "UKPConvArg1")]
    rows += [row(2, [-2, -2, 2], "UKPConvArg1"), row(3, [3]), row(4, [-3])]
    with gzip.open(tmp_path / "pairs.jsonl.gz", "wt") as out:
        out.writelines(json.dumps(r) + "\n" for r in rows)
    given = {"0": 2, "2": 2, "3": 3}  # pair 4 failed: it counts as wrong
    judged = [
        {
            "pair_id": name,
            "preference": "response_2",
            "consistent": name != "3",
            "orders": {"given": {"strength": strength}},
        }
        for name, strength in given.items()
    ]
    (tmp_path / "judgments.jsonl").write_text("".join(json.dumps(j) + "\n" for j in judged))
    evaluate.main(str(tmp_path / "pairs.jsonl.gz"), str(tmp_path))
    table = {
        cells[1].strip(): [cell.split("[")[0].strip() for cell in cells[2:-1]]
        for cells in (line.split("|") for line in capsys.readouterr().out.splitlines())
        if len(cells) > 3
    }
    # n, judge, longer response ("two, of" is longer), given order only, consistent
    assert table["UKPConvArg1, all"] == ["2", "0.500", "0.500", "0.500", "1.000"]
    assert table["UKPConvArg1, agreed"] == ["1", "1.000", "1.000", "1.000", "1.000"]
    assert table["e-CARE"] == ["2", "0.500", "0.500", "0.500", "0.000"]


def test_the_interval_is_wilson_s() -> None:
    # Newcombe (1998), table I: 81 of 263, method 3 (Wilson): 0.2553 to 0.3662.
    assert load("evaluate_mini").interval(81, 263) == "0.308 [0.255, 0.366]"


@pytest.mark.parametrize("mode", ["verdict", "justify"])
def test_the_benchmark_runs(
    mode: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a size that says nothing of speed; `make bench` measures."""
    monkeypatch.syspath_prepend(str(SCRIPTS.parent / "benchmarks"))
    command = f"engine.py --pairs 2 --repeats 1 --max-new-tokens 4 --least 0 --mode {mode}"
    monkeypatch.setattr("sys.argv", command.split())
    importlib.import_module("engine").main()
    assert "ratio:" in capsys.readouterr().out


def test_a_judgment_is_shown_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show = load("show_judgment").main
    rows = [scripted.row(n) | {"prompt": f"Why {n}? " + "So much. " * 90} for n in (1, 2)]
    batch.run(
        scripted.config(scripted.write_rows(tmp_path / "in.jsonl", rows), tmp_path / "run"),
        scripted.engine,
    )
    show(tmp_path / "run", None)
    first = capsys.readouterr().out
    assert "The judgment of p1:" in first and "  prompt      Why 1? So much." in first
    assert "  Response 2  Second answer 1." in first and "  judge       @Response " in first
    assert all(len(line) <= 96 for line in first.splitlines()) and first.count("...") == 1
    show(tmp_path / "run", "p2")
    assert "Why 2?" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"run: no judgment of p3"):
        show(tmp_path / "run", "p3")
