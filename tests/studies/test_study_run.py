"""A study runs cell by cell, goes on where it stopped, and refuses a folder that is not its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import heatproof
from heatproof.errors import InputError, RunFolderError, StorageError, UnknownNameError
from heatproof.studies import STUDIES, Cell, Study, StudyTable, find_study, run_study


def _document(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    return found


def test_everything_is_written(squares: Any, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int, note: str = "") -> None:
        del note
        told.append((done, total))

    result = run_study(squares(), tmp_path / "s", progress=tell)
    document = _document(tmp_path / "s")
    assert document["status"] == "complete"
    assert document["study"] == "squares"
    assert document["settings"] == {"seed": 0, "numbers": [1, 2, 3]}
    assert document["heatproof"] == heatproof.__version__
    assert document["cells"]["k=3"] == {"k": 3, "square": 9, "pair": [3, 3]}
    assert [one["outcome"] for one in document["verdicts"]] == ["holds", "refuted"]
    assert all(one["as_expected"] for one in document["verdicts"])
    assert document["environments"][0]["torch"]
    assert set(document["seconds"]["cells"]) == {"k=1", "k=2", "k=3"}
    assert result.resumed == 0
    assert result.summary.answer == "2 claims (holds 1, refuted 1). All are as theory says."
    assert told[-1] == (300, 300)
    assert (50, 300) in told
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_the_page_is_self_contained_and_escaped(squares: Any, tmp_path: Path) -> None:
    page = run_study(squares(), tmp_path / "s").folder.page.read_text(encoding="utf-8")
    assert "Squares &lt;b&gt; against roots" in page
    assert "&lt;i&gt;all&lt;/i&gt;" in page
    assert "<link" not in page
    assert " src=" not in page.partition("<script>")[0]


def test_an_interrupted_study_goes_on_and_ends_the_same(
    squares: Any, tmp_path: Path, calls: list[str], stop_at: set[str]
) -> None:
    whole = run_study(squares(), tmp_path / "whole")
    calls.clear()
    stop_at.add("k=2")
    with pytest.raises(KeyboardInterrupt):
        run_study(squares(), tmp_path / "s")
    assert calls == ["k=1", "k=2"]
    assert [file.name for file in (tmp_path / "s" / "cells").iterdir()] == ["k=1.json"]
    assert _document(tmp_path / "s")["status"] == "running"
    stop_at.clear()
    calls.clear()
    result = run_study(squares(), tmp_path / "s")
    assert calls == ["k=2", "k=3"]
    assert result.resumed == 1
    assert result.summary == whole.summary
    assert _document(tmp_path / "s")["cells"] == _document(tmp_path / "whole")["cells"]
    assert len(_document(tmp_path / "s")["environments"]) == 2
    calls.clear()
    assert run_study(squares(), tmp_path / "s").resumed == 3
    assert calls == []
    assert len(_document(tmp_path / "s")["environments"]) == 2


def test_other_settings_are_refused_with_what_differs(squares: Any, tmp_path: Path, calls: list[str]) -> None:
    run_study(squares(), tmp_path / "s")
    before = (tmp_path / "s" / "study.json").read_bytes()
    calls.clear()
    with pytest.raises(
        RunFolderError, match=r"seed: 0 there, 1 here; numbers: \[1, 2, 3\] there, \[1\] here"
    ):
        run_study(squares.quick(seed=1), tmp_path / "s")
    assert calls == []
    assert (tmp_path / "s" / "study.json").read_bytes() == before


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("heatproof", "0.0.1", 'heatproof: "0.0.1" there'),
        ("study", "cubes", 'study: "cubes" there'),
        ("protocol", 7, "protocol: 7 there, 1 here"),
        ("format", 9, "format: 9 there, 1 here"),
    ],
)
def test_another_origin_is_refused(squares: Any, tmp_path: Path, key: str, value: object, said: str) -> None:
    run_study(squares(), tmp_path / "s")
    changed = {**_document(tmp_path / "s"), key: value}
    (tmp_path / "s" / "study.json").write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(RunFolderError, match=said):
        run_study(squares(), tmp_path / "s")


def test_a_folder_of_other_things_is_left_alone(squares: Any, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "thesis.tex").write_text("mine", encoding="utf-8")
    with pytest.raises(RunFolderError, match="other files"):
        run_study(squares(), tmp_path / "s")
    assert [file.name for file in (tmp_path / "s").iterdir()] == ["thesis.tex"]


def test_one_process_at_a_time(squares: Any, tmp_path: Path) -> None:
    run_study(squares(), tmp_path / "s")
    with FileLock(tmp_path / "s" / ".lock"), pytest.raises(RunFolderError, match="in use"):
        run_study(squares(), tmp_path / "s")


def test_killed_before_study_json_was_there(squares: Any, tmp_path: Path) -> None:
    (tmp_path / "s" / "cells").mkdir(parents=True)
    (tmp_path / "s" / ".lock").touch()
    assert run_study(squares(), tmp_path / "s").resumed == 0


def test_a_write_that_fails_leaves_no_half_cell(
    squares: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def full(file: int) -> None:
        if "k=2" in str(Path(f"/proc/self/fd/{file}").readlink()):
            raise OSError(28, "No space left on device")
        real(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            run_study(squares(), tmp_path / "s")
    assert [file.name for file in (tmp_path / "s" / "cells").iterdir()] == ["k=1.json"]
    assert run_study(squares(), tmp_path / "s").resumed == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"key": "k=2"}', '{"key": "k=1", "result": 1, "seconds": 1}'])
def test_a_damaged_cell_is_named(squares: Any, tmp_path: Path, text: str) -> None:
    run_study(squares(), tmp_path / "s")
    (tmp_path / "s" / "cells" / "k=2.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"k=2\.json.*Remove it"):
        run_study(squares(), tmp_path / "s")


@pytest.mark.parametrize("result", [float("nan"), {1, 2}, object()])
def test_a_result_that_json_cannot_hold_is_refused(
    squares: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: object
) -> None:
    monkeypatch.setattr(squares, "cells", lambda _: [Cell("k=1", lambda _: result)])
    with pytest.raises(InputError, match="k=1: got a result that JSON cannot hold"):
        run_study(squares(), tmp_path / "s")


@pytest.mark.parametrize("key", ["", "A", "a/b", "..", "a b", "x" * 101])
def test_a_key_that_is_no_file_name_is_refused(key: str) -> None:
    with pytest.raises(InputError, match="key"):
        Cell(key, lambda _: None)


@pytest.mark.parametrize("keys", [(), ("a", "a")])
def test_cells_have_each_key_once(
    squares: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: tuple[str, ...]
) -> None:
    monkeypatch.setattr(squares, "cells", lambda _: [Cell(key, lambda _: None) for key in keys])
    with pytest.raises(InputError, match="cells"):
        run_study(squares(), tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_table_has_an_entry_for_each_column() -> None:
    with pytest.raises(InputError, match="1 entries in row 0"):
        StudyTable("t", ("a", "b"), (("1",),))


def test_studies_are_found_by_name() -> None:
    assert find_study("radius").name == "radius"
    with pytest.raises(UnknownNameError, match="radius"):
        find_study("radios")


@pytest.mark.parametrize("kind", STUDIES, ids=lambda kind: kind.name)
def test_every_study_keeps_the_contract(kind: type[Study]) -> None:
    for study in (kind(), kind.quick()):
        keys = [cell.key for cell in study.cells()]
        assert len(keys) == len(set(keys)) > 0
        assert kind.from_mapping(study.to_mapping()) == study
    assert kind.quick(seed=5).seed == 5
    assert kind() != kind.quick()
    assert kind.question.endswith("?")
    assert kind.__doc__
