"""The whole pipeline: files, manifest, determinism, refusals, and the real data."""

import hashlib
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from judge.annotated import AnnotatedPair
from judge.consensus import consensus
from judge.data.output import UNFINISHED
from judge.data.prepare import PrepareConfig, run
from judge.errors import UsageError
from judge.formats.annotated import read_annotated
from judge.verdict import flip_names, flip_strength, parse_completion, render_statement


def row(number, split="train", prompt=None, strengths=(-2,), **more):
    return {
        "split": split,
        "id": f"p{number}",
        "source": "s",
        "prompt": prompt or f"Question {number}?",
        "response_1": f"one {number}",
        "response_2": f"two {number}, @Response 1",
        "all_preferences_unprocessed": [
            {"strength": s, "justification": "@Response 1 is better. @Response 2 lies."}
            for s in strengths
        ],
        **more,
    }


@pytest.fixture
def source(tmp_path):
    rows = [
        row(0, preference_strength=-2),
        row(1, preference_strength=1),
        *[row(n) for n in range(2, 6)],
        row(6, prompt="Shared?"),
        row(7, prompt="shared? ", split="validation"),
        row(8, strengths=(-3, -1, 2, 3)),
        row(9, strengths=(-1, 1)),
        row(10, strengths=(-100,)),
        row(11, response_2="one 11"),
        row(12, split="test"),
        row(13, strengths=(9,)),
    ]
    path = tmp_path / "preference.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows) + "{\n")
    return str(path)


def lines(path: Path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_row_read_is_kept_or_dropped(source, tmp_path):
    manifest = run(PrepareConfig(input=source, output_dir=str(tmp_path / "out"))).to_json()
    assert manifest["sides"]["train"]["pairs"] == {
        "s": {
            "read": 11,
            "kept": 6,
            "dropped": {
                "identical_responses": 1,
                "no_valid_annotation": 1,
                "prompt_in_val": 1,
                "spread": 1,
                "zero": 1,
            },
        }
    }
    assert manifest["sides"]["val"]["pairs"]["s"] == {"read": 1, "kept": 1, "dropped": {}}
    assert manifest["sides"]["train"]["neutralised"] == {"names": 6, "pairs": 6}
    assert manifest["sides"]["train"]["statement_positions"]["first"] == 6
    assert manifest["sides"]["train"]["released_strength"] == {"differs": 1, "same": 1}
    assert manifest["problems"]["counts"] == {
        "bad_json": 1,
        "no_annotations": 1,
        "strength_off_scale": 1,
    }
    assert [p["line"] for p in manifest["problems"]["listed"]] == [14, 14, 15]
    assert manifest == json.loads((tmp_path / "out/manifest.json").read_text())
    for name, output in manifest["outputs"].items():
        content = (tmp_path / "out" / name).read_bytes()
        assert output == {
            "rows": len(content.splitlines()),
            "sha256": hashlib.sha256(content).hexdigest(),
        }


def test_rows_and_their_flipped_copies_are_neighbours(source, tmp_path):
    styles = ("elaboration_first", "label_only")
    run(PrepareConfig(input=source, output_dir=str(tmp_path / "out"), styles=styles))
    rows = lines(tmp_path / "out/train.jsonl")
    assert len(rows) == 6 * 2 * 2
    assert list(rows[0]) == [
        *("pair_id", "order", "style", "strength", "prompt", "completion", "source")
    ]
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        assert (first["pair_id"], first["style"]) == (second["pair_id"], second["style"])
        assert (first["order"], second["order"]) == ("given", "flipped")
        assert first["strength"] == -2
        assert second["strength"] == 2
    number = rows[0]["pair_id"].removeprefix("p")
    assert rows[0]["prompt"] == [
        {
            "role": "user",
            "content": f"Question {number}? @Response 1:\none {number}\n@Response 2:\n"
            f"two {number}, (at)Response 1\n"
            "Between @Response 1 and @Response 2, which is better?",
        }
    ]
    assert rows[1]["completion"] == [
        {
            "role": "assistant",
            "content": "@Response 1 lies.\n@Response 2 is better than @Response 1.",
        }
    ]
    assert [r["pair_id"] for r in rows[::4]] != sorted(r["pair_id"] for r in rows[::4])


def test_same_bytes_every_run_and_another_seed_another_order(source, tmp_path):
    def bytes_of(name, **options):
        run(PrepareConfig(input=source, output_dir=str(tmp_path / name), **options))
        return [file.read_bytes() for file in sorted((tmp_path / name).iterdir())]

    assert bytes_of("a") == bytes_of("b") == bytes_of("a")
    assert bytes_of("c", seed=18)[2] != bytes_of("a")[2]
    assert [p.name for p in sorted((tmp_path / "a").iterdir())] == [
        *("disagreements.jsonl", "manifest.json", "train.jsonl", "val.jsonl")
    ]


def test_another_configuration_is_refused(source, tmp_path):
    out = tmp_path / "out"
    run(PrepareConfig(input=source, output_dir=str(out)))
    before = (out / "train.jsonl").read_bytes()
    other = {"input": source, "output_dir": str(out), "seed": 3, "flipped": False}
    with pytest.raises(UsageError, match=r"options\.flipped is .*; options\.seed is 17 there, 3"):
        run(PrepareConfig(**other))
    assert (out / "train.jsonl").read_bytes() == before
    run(PrepareConfig(**other, fresh=True))
    Path(source).write_text(json.dumps(row(1)) + "\n")
    with pytest.raises(UsageError, match=r": input\.preference\.jsonl is [^;]* now\. Choose"):
        run(PrepareConfig(**other))
    (out / "manifest.json").unlink()
    with pytest.raises(UsageError, match="without a manifest"):
        run(PrepareConfig(**other))


def test_the_order_of_the_file_is_irrelevant(source, tmp_path):
    run(PrepareConfig(input=source, output_dir=str(tmp_path / "a")))
    rows = Path(source).read_text().splitlines()
    Path(source).write_text("\n".join(reversed(rows)) + "\n")
    run(PrepareConfig(input=source, output_dir=str(tmp_path / "b")))
    for name in ("train.jsonl", "val.jsonl", "disagreements.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_released_consensus_is_compared(tmp_path):
    def three(*strengths):
        return [{"strength": s, "statement": "S.", "elaboration": "E."} for s in strengths]

    rows = [
        row(0, strengths=(1, 1, 2), preference_strength=1, three_most_similar_preferences=[]),
        row(1, strengths=(1, 1, 2), preference_strength=2),
        # The released files hold pairs that the rules drop: spread 4, and zeros.
        row(2, strengths=(-3, -1, 2, 3), preference_strength=1),
        row(3, strengths=(-1, 1), preference_strength=0),
        row(
            4,
            strengths=(1, 1, 2, 3),
            preference_strength=1,
            three_most_similar_preferences=three(1, 2, 1),
        ),
        row(5, strengths=(2, 3, 3, 3), three_most_similar_preferences=three(2, 3, 3)),
    ]
    source = tmp_path / "preference.jsonl"
    source.write_text("".join(json.dumps(r) + "\n" for r in rows))
    out = tmp_path / "out"
    manifest = run(PrepareConfig(input=str(source), output_dir=str(out), val_share=0)).to_json()
    train = manifest["sides"]["train"]
    assert train["released_strength"] == {"differs": 1, "same": 4}
    assert train["released_similar"] == {"differs": 1, "same": 1}
    found = {line["pair_id"]: line for line in lines(out / "disagreements.jsonl")}
    assert found.keys() == {"p1", "p5"}
    assert found["p1"] == {
        "side": "train",
        "pair_id": "p1",
        "source": "s",
        "differ": ["strength"],
        "ours": {"strength": 1, "similar": [1, 1, 2]},
        "released": {"strength": 2, "similar": None},
        "annotations": [1, 1, 2],
    }
    assert found["p5"]["differ"] == ["similar"]
    # Another run without any leaves no old list behind.
    source.write_text(json.dumps(rows[0]) + "\n")
    run(PrepareConfig(input=str(source), output_dir=str(out), val_share=0, fresh=True))
    assert not (out / "disagreements.jsonl").exists()


def test_the_ablations_keep_more_or_other_pairs(source, tmp_path):
    def kept(**options):
        manifest = run(
            PrepareConfig(input=source, output_dir=str(tmp_path / "o"), fresh=True, **options)
        )
        return manifest.to_json()["sides"]["train"]["pairs"]["s"]

    assert kept()["dropped"]["spread"] == 1
    assert "spread" not in kept(max_spread=None)["dropped"]
    assert kept(max_spread=None)["kept"] == 6  # nobody gave the overall 1
    assert kept(max_spread=None, styles=("statement_only",))["kept"] == 7
    assert kept(similar=None)["dropped"]["spread"] == 1
    everyone = kept(similar=None, max_spread=None, styles=("statement_only",))
    assert everyone["dropped"]["zero"] == 2  # -3 -1 2 3, and -1 1


def test_strict_stops_at_the_first_problem(source, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=r"^preference\.jsonl, line 14: strength_off_scale: "):
        run(PrepareConfig(input=source, output_dir=str(out), strict=True))
    assert not out.exists()


def test_many_problems_are_counted_and_the_first_listed(tmp_path):
    source = tmp_path / "p.jsonl"
    good = "".join(json.dumps(row(n)) + "\n" for n in range(2))
    source.write_text(good + "{\n" * 300)
    manifest = run(PrepareConfig(input=str(source), output_dir=str(tmp_path / "out"))).to_json()
    problems = manifest["problems"]
    assert problems["counts"] == {"bad_json": 300}
    assert [p["line"] for p in problems["listed"]] == list(range(3, 203))
    assert {p["file"] for p in problems["listed"]} == {"p.jsonl"}


def test_a_file_with_a_source_a_row_has_a_short_manifest(tmp_path):
    source = tmp_path / "p.jsonl"
    source.write_text("".join(json.dumps(row(n, source=f"s{n}")) + "\n" for n in range(300)))
    manifest = run(
        PrepareConfig(input=str(source), output_dir=str(tmp_path / "out"), val_share=0)
    ).to_json()
    pairs = manifest["sides"]["train"]["pairs"]
    assert len(pairs) == 201
    assert pairs["(other sources)"]["read"] == 100


def test_an_interruption_leaves_the_folder_as_it_was(source, tmp_path):
    out = tmp_path / "out"

    def interrupt(rows):
        assert (out / UNFINISHED).is_dir()
        if rows == 5:
            raise KeyboardInterrupt

    config = PrepareConfig(input=source, output_dir=str(out))
    with pytest.raises(KeyboardInterrupt):
        run(config, interrupt)
    assert not out.exists()
    run(config)
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        run(config.model_copy(update={"seed": 3, "fresh": True}), interrupt)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


def test_what_a_killed_process_left_is_cleared(source, tmp_path):
    out = tmp_path / "out"
    (out / UNFINISHED).mkdir(parents=True)
    (out / UNFINISHED / "00.spill").write_bytes(b"half")
    run(PrepareConfig(input=source, output_dir=str(out)))
    assert not (out / UNFINISHED).exists()


def test_two_processes_do_not_prepare_one_folder(source, tmp_path):
    config = PrepareConfig(input=source, output_dir=str(tmp_path / "out"))

    def second(rows):
        if rows == 1:
            with pytest.raises(UsageError, match="prepared by another process"):
                run(config)

    assert run(config, second) == run(config)


def test_a_folder_that_cannot_be_written_is_named(source, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="out: cannot be written: Not a directory"):
        run(PrepareConfig(input=source, output_dir=str(tmp_path / "file" / "out")))


def test_memory_does_not_grow_with_the_rows(tmp_path):
    """Four times the rows, 6 MB more of them, and a tenth of that more memory at the most."""
    import tracemalloc

    def peak(rows):
        source = tmp_path / f"{rows}.jsonl"
        with source.open("w") as file:
            for number in range(rows):
                file.write(json.dumps(row(number, response_1="x" * 4000)) + "\n")
        config = PrepareConfig(input=str(source), output_dir=str(tmp_path / f"out{rows}"))
        tracemalloc.start()
        try:
            run(config)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # what is imported and compiled once
    assert peak(2000) - peak(500) < 600_000


def test_usage_errors(source, tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        run(PrepareConfig(input=str(tmp_path / "absent"), output_dir=str(tmp_path / "out")))
    with pytest.raises(UsageError, match="no prompt template"):
        run(PrepareConfig(input=source, output_dir=str(tmp_path / "out"), template="x"))
    empty = tmp_path / "empty.jsonl"
    empty.write_text(json.dumps(row(1, strengths=(-1, 1))) + "\n")
    with pytest.raises(UsageError, match=r"no training example .* zero 1"):
        run(PrepareConfig(input=str(empty), output_dir=str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()
    for wrong in ({"styles": ()}, {"styles": ("x",)}, {"similar": 0}, {"unknown": 1}):
        with pytest.raises(ValidationError):
            PrepareConfig(**{"input": "i", "output_dir": "o", **wrong})


@pytest.mark.shared
def test_the_helpsteer2_sample(tmp_path, shared):
    """Twelve validation rows; the val side alone is not trainable."""
    source = shared / "data" / "helpsteer2_sample"
    rows = [item for item in read_annotated(str(source)) if isinstance(item, AnnotatedPair)]
    assert len(rows) == 12
    agreed = [consensus(r.annotations) for r in rows]
    by_hand = [-3, -1, 1, "zero", "zero", "zero", 2, -1, -2, 1, "zero", -2]
    assert [a.strength or a.dropped for a in agreed] == by_hand
    with pytest.raises(UsageError, match="no training example"):
        run(PrepareConfig(input=str(source), output_dir=str(tmp_path / "out")))


@pytest.mark.shared
def test_human_pairs(tmp_path, shared):
    styles = ("statement_only", "elaboration_first")
    out = tmp_path / "out"
    source = str(shared / "data" / "human_pairs")
    manifest = run(PrepareConfig(input=source, output_dir=str(out), styles=styles)).to_json()
    train = manifest["sides"]["train"]
    assert sum(source["read"] for source in train["pairs"].values()) == 25_161
    assert train["pairs"]["e-CARE"]["dropped"] == {"prompt_in_val": 141}
    assert not manifest["problems"]["counts"]
    for source in train["pairs"].values():
        assert source["read"] == source["kept"] + sum(source["dropped"].values())
    rows = lines(out / "train.jsonl")
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        text = first["completion"][0]["content"]
        assert second["completion"][0]["content"] == flip_names(text)
        assert second["strength"] == flip_strength(first["strength"])
        parsed = parse_completion(text)
        assert parsed is not None
        assert parsed[0] == first["strength"]
        assert bool(parsed[1]) == (first["style"] == "elaboration_first")
        assert text.endswith(render_statement(first["strength"]))
