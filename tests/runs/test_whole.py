"""Files and folders are written whole or not at all; another configuration is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge.errors import UsageError
from judge.runs.identity import refuse_another, refuse_others
from judge.runs.whole import (
    part_of,
    replace_json,
    whole_file,
    whole_files,
    whole_folder,
    write_whole,
)


class Killed(BaseException):
    """What ends a process in the middle of its work."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_the_old_one_or_the_whole_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    replace_json(path, {"a": "é"})
    assert path.read_bytes() == '{\n "a": "é"\n}\n'.encode()
    with pytest.raises(Killed), whole_file(path) as file:
        file.write(b"half")
        raise Killed
    assert path.read_bytes().startswith(b"{") and names(tmp_path) == ["a.json"]


def test_half_a_surrogate_pair_is_written_as_its_escape(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.txt", "é\ud800")
    assert (tmp_path / "a.txt").read_bytes() == "é\\ud800".encode()


def test_a_part_of_a_killed_process_is_replaced(tmp_path: Path) -> None:
    part_of(tmp_path / "a.txt").write_text("what a killed process left, longer than the new file")
    write_whole(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"new" and names(tmp_path) == ["a.txt"]


def test_files_take_their_names_together_or_not_at_all(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    with whole_files(paths) as files:
        for file in files:
            file.write(b"1")
        assert names(tmp_path) == ["a.part", "b.part"]
    with (
        pytest.raises(UsageError, match=r"b holds other pairs\. Choose another --out"),
        whole_files(paths, check=lambda: refuse_others(paths, "other pairs")) as files,
    ):
        for file, data in zip(files, (b"1", b"2"), strict=True):
            file.write(data)
    assert [path.read_bytes() for path in paths] == [b"1", b"1"] and names(tmp_path) == ["a", "b"]


def test_what_the_disk_refuses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt.part").symlink_to("/dev/full")
    with pytest.raises(UsageError, match=r"cannot write .*a.txt: No space left on device"):
        write_whole(tmp_path / "a.txt", b"x")
    assert names(tmp_path) == []
    with pytest.raises(UsageError, match=r"cannot write .*/missing/a.txt: No such file"):
        write_whole(tmp_path / "missing" / "a.txt", b"x")


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "model"
    with pytest.raises(Killed), whole_folder(place) as part:
        (part / "a").write_text("half")
        raise Killed
    assert names(tmp_path) == []
    with whole_folder(place) as part:
        (part / "a").write_text("whole")
    assert names(tmp_path) == ["model"] and names(place) == ["a"]
    with pytest.raises(UsageError, match="exists; name a new folder"), whole_folder(place):
        pass


def test_another_configuration_is_refused_by_its_fields(tmp_path: Path) -> None:
    there = {"seed": 0, "path": "a", "old": 1}
    same = {"seed": 0, "path": Path("a"), "new": [1]}
    refuse_another(tmp_path, there, same, "a run", "Stop", shared=True)
    with pytest.raises(UsageError) as error:
        refuse_another(tmp_path, there, same, "a run", "Stop")
    assert str(error.value) == (
        f"{tmp_path} holds a run of another configuration: new is null there, [1] now;"
        " old is 1 there, null now. Stop"
    )
    with pytest.raises(UsageError, match=r'seed is 0 there, "xx.*xx[.]{3} now'):
        refuse_another(tmp_path, there, {"seed": "x" * 99}, "a run", "Stop", shared=True)
