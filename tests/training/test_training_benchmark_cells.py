"""Cells of benchmarks/mnist.py and cifar10.py: the library's calls, stored whole, resumed, never mixed."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

import heatproof as hp
from heatproof.errors import InputError, RunFolderError

if TYPE_CHECKING:
    from training_cells import Cell, Protocol

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
GAUSSIAN = {"name": "gaussian_augmentation", "noise_std": 0.5}
EQUATION = {"name": "convection_diffusion", "noise_std": 0.5}


@pytest.fixture(autouse=True)
def _on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def _protocol(**given: Any) -> Protocol:
    from training_cells import Protocol

    settings: dict[str, Any] = {
        "title": "digits tiny",
        "data": "digits",
        "network": {"name": "mlp", "widths": [16]},
        "training": {"budget": 4, "batch_size": 64, "learning_rate": 0.05, "device": "cpu"},
        "certification": {"estimation_samples": 50, "selection_samples": 10, "alpha": 0.01},
        "train_rows": 256,
        "validation_rows": 32,
    }
    return Protocol(**settings | given)


def _cell(definition: dict[str, Any], **given: Any) -> Cell:
    from training_cells import Cell

    return Cell(**{"objective": "some", "definition": definition, "noise_std": 0.5, "every": 40, **given})


def _work(path: Path, cell: Cell, protocol: Protocol | None = None, until: float = math.inf) -> str:
    from training_work import work

    return work(protocol or _protocol(), cell, path, until)


def _stored(path: Path, cell: Cell) -> dict[str, Any]:
    from training_cells import CellFolder

    found = CellFolder(path).load(cell)
    assert found is not None
    return found


@pytest.mark.parametrize("definition", [GAUSSIAN, EQUATION], ids=["network", "equation"])
def test_a_cell_is_the_library_s_own_calls(definition: dict[str, Any], tmp_path: Path) -> None:
    from training_work import network_for, objective_for

    cell, protocol = _cell(definition, seed=3), _protocol()
    assert "ACR" in _work(tmp_path, cell, protocol)
    found = _stored(tmp_path, cell)
    data = hp.load("digits")
    train, held_out = (
        hp.Split(part.x[:rows], part.y[:rows], part.index[:rows])
        for part, rows in ((data.train, 256), (data.validation, 32))
    )
    data = replace(data, train=train, validation=held_out)
    objective = objective_for(definition)
    model = network_for(protocol, objective, data, 3)
    settings = hp.TrainingSettings(**protocol.training)
    hp.train(model, data, objective, settings, seed=3)
    timed = objective.equation_noise_std is not None
    test = data.test
    certificates = hp.certify(
        model,
        hp.Split(test.x[::40], test.y[::40], test.index[::40]),
        noise_std=None if timed else 0.5,
        grid_step=data.grid_step,
        seed=3,
        pilot=False,
        **protocol.certification,
    )
    images = found["images"]
    assert images["radius"] == [0.0 if one.abstained else one.radius for one in certificates]
    assert images["label"] == [one.label for one in certificates]
    assert images["target"] == test.y[::40].tolist()
    assert images["row"] == list(range(0, len(test), 40))
    counts = [one.estimation_counts[one.target or 0] for one in certificates]
    assert images["votes"] == counts
    assert found["classifier"] == ("equation" if timed else "network")
    assert found["steps"] * found["evaluations"] == 4 * (256 // 64)
    with torch.no_grad():
        right = (model(test.x).argmax(dim=1) == test.y).double().mean()
    assert found["natural_accuracy"] == float(right)
    assert [one.name for one in tmp_path.iterdir()] == [f"{cell.key}.json"]


def test_a_broken_cell_goes_on_and_ends_as_an_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import training_work

    cell = _cell(GAUSSIAN)
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    _work(tmp_path / "whole", cell)
    moments: Iterator[bool] = iter([])

    def stop(until: float) -> None:
        del until
        if next(moments):
            raise training_work.OutOfTime

    monkeypatch.setattr(training_work, "_in_time", stop)
    ended = []
    for calls in (7, 12, 3, 9):  # in training, in training, in certification (twice)
        moments = iter([*[False] * calls, True])
        ended.append(_work(tmp_path / "broken", cell))
        assert not (tmp_path / "broken" / f"{cell.key}.json").exists()
    assert ended == ["stopped"] * 4
    moments = iter([False] * 1_000)
    _work(tmp_path / "broken", cell)
    whole, broken = (_stored(tmp_path / name, cell) for name in ("whole", "broken"))
    assert broken["images"] == whole["images"]
    assert [one["total"] for one in broken["epochs"]] == [one["total"] for one in whole["epochs"]]
    assert [one.name for one in (tmp_path / "broken").iterdir()] == [f"{cell.key}.json"]


def test_divergence_is_stored_as_a_result(tmp_path: Path) -> None:
    cell = _cell({"name": "natural"})
    protocol = _protocol(
        training={"epochs": 1, "batch_size": 64, "learning_rate": 1e9, "gradient_clip": None, "device": "cpu"}
    )
    assert _work(tmp_path, cell, protocol).startswith("diverged")
    assert "learning_rate" in _stored(tmp_path, cell)["failed"]


def test_a_definition_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="macer"):
        _work(tmp_path, _cell({"name": "macre", "noise_std": 0.5}))


def test_another_definition_is_another_cell(tmp_path: Path) -> None:
    first, second = _cell({**EQUATION, "weight": 1.0}), _cell({**EQUATION, "weight": 2.0})
    assert first.name == second.name == "some-0.5-0"
    assert len({first.key, second.key, _cell(EQUATION, every=20).key, _cell(EQUATION, seed=1).key}) == 4
    from training_cells import CellFolder

    folder = CellFolder(tmp_path)
    folder.store(first, {"images": {}})
    assert folder.load(second) is None
    said = {"objective": "some", "definition": {**EQUATION, "weight": 1.0}, "noise_std": 0.5}
    assert folder.load(first) == {"cell": {**said, "seed": 0, "every": 40}, "images": {}}


def test_a_folder_belongs_to_one_protocol_and_one_process(tmp_path: Path) -> None:
    from training_cells import CellFolder

    path = tmp_path / "cells"
    with (
        CellFolder.open(path, _protocol()),
        pytest.raises(RunFolderError, match="another process"),
        CellFolder.open(path, _protocol()),
    ):
        pass
    with CellFolder.open(path, _protocol()):
        pass
    other = _protocol(training={"budget": 5, "batch_size": 64, "device": "cpu"})
    with pytest.raises(RunFolderError, match="another protocol"), CellFolder.open(path, other):
        pass
    with pytest.raises(RunFolderError, match="other files"), CellFolder.open(tmp_path, _protocol()):
        pass


def test_a_damaged_cell_is_named(tmp_path: Path) -> None:
    from training_cells import CellFolder

    cell = _cell(GAUSSIAN)
    folder = CellFolder(tmp_path)
    for blob in ('{"cell": 1, "ima', "[1]"):
        folder.file(cell).write_text(blob)
        with pytest.raises(RunFolderError, match=cell.key):
            folder.load(cell)


SCRIPT = """
import sys
from training_cells import Cell, Plan, Protocol
from training_run import main

def plan(quick):
    protocol = Protocol(
        "digits tiny", "digits", {"name": "mlp", "widths": [16]},
        {"epochs": 1, "batch_size": 64, "device": "cpu"}, {"estimation_samples": 50, "selection_samples": 10},
        train_rows=128, validation_rows=32,
    )
    named = [("ours", {"name": "gaussian_augmentation", "noise_std": .5}), ("natural", {"name": "natural"}),
             ("consistency", {"name": "no_such_objective"})]
    return Plan(protocol, tuple(Cell(name, said, .5, 0, 90) for name, said in named), 90)

if __name__ == "__main__":
    sys.exit(main("", {"tiny": plan}, lambda plan, summary: []))
"""


def test_the_command_fills_a_folder_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny_benchmark.py").write_text(SCRIPT)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        from tiny_benchmark import plan  # type: ignore[import-not-found]
        from training_run import main

        monkeypatch.setattr(sys, "argv", ["benchmark", "--protocol", "tiny", "--json", *words])
        code = main("", {"tiny": plan}, lambda *_: [])
        return code, *capsys.readouterr()

    assert run("--minutes", "1e-9")[0] == 1  # nothing is begun
    command = [sys.executable, "tiny_benchmark.py", "--protocol", "tiny", "--json", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS)}
    first = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert first.returncode == 2, first.stderr
    assert "no_such_objective" in first.stderr  # one cell fails, the others are done
    code, printed, beside = run("--only", "ours", "natural")
    assert (code, beside) == (0, "")  # nothing was left to do
    found = json.loads(printed)
    assert found["cells"] == {"wanted": 3, "done": 2, "diverged": {}}
    assert {row["objective"] for row in found["levels"][0]["rows"]} == {"ours", "natural"}
    assert found["levels"][0]["differences"]["natural"]["seeds"] == 1
    with pytest.raises(SystemExit):
        run("--only", "our")
    assert "allowed: consistency, natural, ours" in capsys.readouterr().err
