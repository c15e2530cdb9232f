"""What managers send: run folders, archives of them, files of pairs; and what is refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest

from app.errors import NotAllowed, NotFound, Refused
from app.review.project import Settings
from app.service import Service
from app.service.importing import Imported
from app.service.uploads import Sent, remove_leftovers
from app.unpacking import Unpacked
from tests.app.made import Team, judgment, made_run, pair_row, write_pairs

LIMIT = 1 << 20


def sent(**files: bytes) -> list[Sent]:
    return [Sent(name, io.BytesIO(content)) for name, content in files.items()]


def lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return made.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w:gz", **member: Any) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as packed:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for field, value in member.items():
                setattr(info, field, value)
            packed.addfile(info, io.BytesIO(content))
    return made.getvalue()


@pytest.fixture
def run(tmp_path: Path) -> dict[str, bytes]:
    """A run of four pairs with its input beside it, by name."""
    rows = [pair_row(n) for n in range(4)]
    made = made_run(tmp_path / "demo", rows, [judgment(row["pair_id"]) for row in rows])
    files = {f"demo/{path.name}": path.read_bytes() for path in made.iterdir()}
    return {**files, "demo.jsonl": (tmp_path / "demo.jsonl").read_bytes()}


@pytest.fixture
def empty(team: Team) -> Callable[..., Imported]:
    """Sends files to a project without tasks that ``max`` manages."""
    service, max_ = team.service, team.people["max"]
    team.project_id = service.projects.create(max_, Settings(name="empty"))

    def send(files: list[Sent], limit: int = LIMIT, **how: Any) -> Imported:
        return service.uploads.add(max_, team.project_id, files, limit, **how)

    return send


def tasks(team: Team) -> int:
    return sum(one.tasks for one in team.service.projects.sources(None, team.project_id))


def left_behind() -> list[Path]:
    return list(Path(gettempdir()).glob("review-upload-*"))


@pytest.mark.parametrize("how", ["folder", "zip", "tar", "tgz", "zip of the folder's files"])
def test_a_run_in_every_way_that_it_can_be_sent(
    empty: Callable[..., Imported], team: Team, run: dict[str, bytes], how: str
) -> None:
    packed = {
        "folder": lambda: sent(**run),
        "zip": lambda: sent(**{"demo.zip": zipped(run)}),
        "tar": lambda: sent(**{"demo.tar": tarred(run, "w")}),
        "tgz": lambda: sent(**{"demo.tar.gz": tarred({f"./{k}": v for k, v in run.items()})}),
        "zip of the folder's files": lambda: sent(
            **{"demo.zip": zipped({name.split("/")[-1]: data for name, data in run.items()})}
        ),
    }[how]
    done = empty(packed())
    assert (done.added, done.known, done.refused) == (4, 0, 0)
    (source,) = team.service.projects.sources(None, team.project_id)
    assert (source.name, source.kind) == ("demo", "run")
    assert empty(packed()).known == 4 == tasks(team)
    (task,) = team.service.annotating.take(team.people["max"], team.project_id, 1)
    assert task.has_judge and task.prompt[0].content.startswith("Question")
    assert left_behind() == []


def test_pairs_and_what_is_wrong_with_them_by_file_and_line(
    empty: Callable[..., Imported], team: Team
) -> None:
    content = lines(pair_row(1), {"prompt": "x"}, pair_row(2)) + b"{oops\n"
    done = empty(
        sent(**{"my pairs.jsonl": content, "more.jsonl.gz": gzip.compress(lines(pair_row(3)))})
    )
    assert (done.added, done.refused) == (3, 2)
    first, second = done.reasons
    assert first.startswith("my pairs.jsonl, line 2: missing_field: ")
    assert second.startswith("my pairs.jsonl, line 4: bad_json: ")
    assert [s.name for s in team.service.projects.sources(None, team.project_id)] == [
        "my pairs.jsonl",
        "more.jsonl.gz",
    ]


def test_gold_tasks_and_the_order_of_a_queue(empty: Callable[..., Imported], team: Team) -> None:
    gold = {
        **pair_row(7),
        "preference_strength": 2,
        "preference_statement": "",
        "preference_elaboration": "",
    }
    del gold["pair_id"]
    assert empty(sent(**{"gold.jsonl": lines(gold)}), content="gold").added == 1
    empty(sent(**{"pairs.jsonl": lines(pair_row(1), pair_row(2))}))
    done = empty(sent(**{"disagreements.jsonl": lines({"pair_id": "pair-2"})}), content="queue")
    assert done.known == 1


WRONG: dict[str, tuple[dict[str, bytes], str]] = {
    "nothing": ({}, "no file was sent"),
    "another kind": ({"pairs.xlsx": b"PK"}, "pairs.xlsx: unknown format.*save it as CSV"),
    "no archive": ({"run.zip": b"hello"}, "run.zip is damaged or cut"),
    "half an archive": (
        {"run.zip": zipped({"a.jsonl": lines(pair_row(1)) * 99})[:90]},
        "run.zip is",
    ),
    "half a tar": (
        {"r.tgz": tarred({"a.jsonl": lines(*map(pair_row, range(99)))})[:200]},
        "r.tgz is",
    ),
    "half a gzip": (
        {"a.jsonl.gz": gzip.compress(lines(*map(pair_row, range(99))))[:-9]},
        "^a.jsonl.gz is damaged or cut",
    ),
    "an archive of nothing": ({"run.zip": zipped({})}, "no file was sent"),
    "out of the folder": ({"r.zip": zipped({"../../x.jsonl": b"{}"})}, "leads out of the archive"),
    "from the root": ({"r.zip": zipped({"/etc/x.jsonl": b"{}"})}, "leads out of the archive"),
    "with a drive": ({"r.zip": zipped({"C:\\x.jsonl": b"{}"})}, "leads out of the archive"),
    "a tar out of the folder": ({"r.tgz": tarred({"a/../../x.jsonl": b"{}"})}, "leads out of"),
    "a file out of the folder": ({"../x.jsonl": b"{}"}, "leads out of"),
    "a tar with a link": (
        {"r.tar": tarred({"x.jsonl": b""}, "w", type=tarfile.SYMTYPE, linkname="/etc/passwd")},
        "is a link or a device",
    ),
    "a tar with a hard link": (
        {"r.tar": tarred({"x.jsonl": b""}, "w", type=tarfile.LNKTYPE, linkname="/etc/passwd")},
        "is a link or a device",
    ),
    "a tar with a pipe": (
        {"r.tar": tarred({"x.jsonl": b""}, "w", type=tarfile.FIFOTYPE)},
        "is a link or a device",
    ),
    "a bomb": ({"r.zip": zipped({"x.jsonl": b"0" * (5 * LIMIT)})}, "more than 4 MiB when unpacked"),
    "a bomb in a tar": ({"r.tgz": tarred({"x.jsonl": b"0" * (5 * LIMIT)})}, "more than 4 MiB"),
    "a bomb that nobody keeps": ({"r.tgz": tarred({"x.bin": b"0" * (5 * LIMIT)})}, "more than 4"),
    "a bomb in a file": (
        {"x.jsonl.gz": gzip.compress(b"0" * (5 * LIMIT))},
        "x.jsonl.gz holds more",
    ),
    "a name without end": ({"r.tgz": tarred({"n" * 2_000_000: b""})}, "longer than any name"),
    "many files": (
        {"r.zip": zipped({f"{n}.jsonl": b"" for n in range(2001)})},
        "more than 2,000 f",
    ),
    "very many files": ({"r.zip": zipped({f"{n:060}": b"" for n in range(12_000)})}, "too long"),
    "a file twice": ({"r.tar": tarred({"a.jsonl": b"", "./a.jsonl": b""}, "w")}, "'a.jsonl' twice"),
    "a folder that is a file": (
        {"r.tar": tarred({"a.json": b"", "a.json/b.json": b""}, "w")},
        "twice",
    ),
    "judgments alone": ({"judgments.jsonl": b"{}\n"}, "came without config.json"),
    "a config that is none": ({"run/config.json": b"[]"}, "run/config.json is damaged"),
    "two runs": ({"a/config.json": b"{}", "b/config.json": b"{}"}, "2 run folders at once"),
    "no JSON": ({"x.json": b"{"}, "^x.json is not valid JSON"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_refused_leaves_nothing(new_url: Any, tmp_path: Path, what: str) -> None:
    from app.store.database import Store
    from tests.app.made import Clock, quick_hasher

    service = Service(Store.open(new_url("sqlite")), Clock(), quick_hasher())
    project = service.projects.create(None, Settings(name="demo"))
    service.accounts.create(None, "max", "a long password")
    service.projects.set_role(None, project, "max", "manager")
    who = service.accounts.person(service.accounts.sign_in("max", "a long password"))
    files, why = WRONG[what]
    with pytest.raises(Refused, match=why) as refused:
        service.uploads.add(who, project, sent(**files), LIMIT)
    said = str(refused.value)
    assert "review-upload" not in said and "\n" not in said and len(said) < 300
    assert sum(one.tasks for one in service.projects.sources(None, project)) == 0
    assert left_behind() == []
    service.close()


def test_a_link_in_a_zip(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        link = zipfile.ZipInfo("x.jsonl")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc/passwd")
    with pytest.raises(Refused, match="is a link"):
        Unpacked(tmp_path, LIMIT).add("r.zip", made)
    assert list(tmp_path.iterdir()) == []


def test_databases_and_reports_of_a_run_folder_are_not_unpacked(tmp_path: Path) -> None:
    packed = zipped({"run/review.sqlite": b"x", "run/report.html": b"x", "__MACOSX/._a.json": b"x"})
    unpacked = Unpacked(tmp_path, LIMIT)
    unpacked.add("run.zip", io.BytesIO(packed))
    assert unpacked.files == [] and list(tmp_path.iterdir()) == []


def test_a_run_reads_only_what_was_sent(
    empty: Callable[..., Imported], team: Team, run: dict[str, bytes], tmp_path: Path
) -> None:
    """Its input lies on this machine, where its config says, and is somebody else's."""
    del run["demo.jsonl"]
    assert (tmp_path / "demo.jsonl").exists()
    with pytest.raises(Refused, match=r"the pairs that the run judged, demo\.jsonl, are missing"):
        empty(sent(**run))
    with pytest.raises(Refused, match="has changed since the run judged it"):
        empty(sent(**run, **{"demo.jsonl": lines(pair_row(9))}))
    with pytest.raises(Refused, match=r"judged no pair of other\.jsonl"):
        empty(sent(**run, **{"other.jsonl": lines(pair_row(9))}))
    assert tasks(team) == 0
    moved = lines(*map(pair_row, range(4)))  # the same rows under another name are its pairs
    assert empty(sent(**run, **{"other.jsonl": moved})).added == 4


def test_only_managers_send(team: Team, tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "p.jsonl", [pair_row(90)]).read_bytes()
    for name in ("ann", "ada"):
        with pytest.raises(NotAllowed):
            team.service.uploads.add(
                team.people[name], team.project_id, sent(**{"p.jsonl": pairs}), LIMIT
            )
    other = team.service.projects.create(None, Settings(name="other"))
    with pytest.raises(NotFound):
        team.service.uploads.add(team.people["max"], other, sent(**{"p.jsonl": pairs}), LIMIT)


def test_who_may_make_projects(team: Team, service: Service) -> None:
    assert service.projects.may_create(team.people["max"])
    for name in ("ann", "ada"):
        assert not service.projects.may_create(team.people[name])
        with pytest.raises(NotAllowed):
            service.projects.create(team.people[name], Settings(name="mine"))
    made = service.projects.create(team.people["max"], Settings(name="mine"))
    assert service.projects.get(team.people["max"], made).role == "manager"


def test_where_there_is_no_project_anyone_makes_the_first(service: Service) -> None:
    service.accounts.create(None, "manager", "a long password")
    who = service.accounts.person(service.accounts.sign_in("manager", "a long password"))
    assert service.projects.may_create(who)
    made = service.projects.create(who, Settings(name="first"))
    assert service.projects.get(who, made).role == "manager"


def test_what_a_killed_server_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    theirs = [f"review-upload-{os.getppid()}-a", "review-upload-a", "review-upload--a"]
    left = [
        f"review-upload-{ended.pid}-a",
        f"review-upload-{os.getpid()}-b",
        f"review-upload-{10**30}-c",
    ]
    for name in (*theirs, *left):
        (tmp_path / name / "run").mkdir(parents=True)
        (tmp_path / name / "run" / "config.json").write_text("{}")
    assert remove_leftovers() == 2
    assert {path.name for path in tmp_path.iterdir()} == {*theirs, left[2]}
    assert remove_leftovers() == 0
