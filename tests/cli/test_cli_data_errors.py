"""The user's own data and networks: what is wrong with them is said before anything is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Runner = Callable[..., tuple[int, str, str]]
Check = Callable[[tuple[int, str, str]], str]

ROWS, FEATURES, CLASSES = 60, 5, 3
SETTINGS = ("--set", "network={name: mlp, widths: [4]}", "--set", "training.batch_size=8")


def _arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, FEATURES)).astype(np.float32)
    return {"x": x, "y": np.arange(ROWS, dtype=np.int64) % CLASSES}


def _save(path: Path, **changes: np.ndarray) -> Path:
    np.savez(path, **{**_arrays(), **changes})  # type: ignore[arg-type]
    return path


def _train(heatproof: Runner, config: Path, data: Path, *more: object) -> tuple[int, str, str]:
    return heatproof("train", config, "--set", f"data={data}", *SETTINGS, *more)


def test_data_that_cannot_be_read(config: Path, tmp_path: Path, heatproof: Runner, refused: Check) -> None:
    out = ("--out", tmp_path / "run")
    assert "no such file" in refused(_train(heatproof, config, tmp_path / "none.npz", *out))
    whole = _save(tmp_path / "whole.npz").read_bytes()
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole[: len(whole) // 2])
    assert "truncated or damaged" in refused(_train(heatproof, config, cut, *out))
    cut.write_text("no archive", encoding="utf-8")
    assert "no .npz, whatever its name" in refused(_train(heatproof, config, cut, *out))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"y": np.full(ROWS, 7, dtype=np.int64)}, "got"),
        ({"y": np.arange(ROWS, dtype=np.int64) % CLASSES - 1}, "labels outside"),
        ({"x": np.full((ROWS, FEATURES), np.nan, dtype=np.float32)}, "NaN or infinite"),
        ({"x": np.full((ROWS, FEATURES), np.inf, dtype=np.float32)}, "NaN or infinite"),
        ({"x": np.zeros((0, FEATURES), np.float32), "y": np.zeros(0, np.int64)}, "got"),
    ],
    ids=["one class", "labels", "nan", "inf", "empty"],
)
def test_data_that_are_wrong(
    *,
    changes: dict[str, np.ndarray],
    said: str,
    config: Path,
    tmp_path: Path,
    heatproof: Runner,
    refused: Check,
) -> None:
    data = _save(tmp_path / "own.npz", **changes)
    assert said in refused(_train(heatproof, config, data, "--out", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_own_data_are_found_from_any_folder_and_refused_once_changed(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    heatproof: Runner,
    refused: Check,
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    _save(Path("own.npz"))
    code, _, err = _train(heatproof, config, Path("own.npz"), "--out", tmp_path / "run")
    assert code == 0, err
    monkeypatch.chdir(tmp_path)
    assert heatproof("attack", tmp_path / "run")[0] == 0
    shutil.copy(_save(tmp_path / "other.npz", x=_arrays()["x"] + 1), tmp_path / "here" / "own.npz")
    for command in ("attack", "certify", "report"):
        line = refused(heatproof(command, tmp_path / "run"))
        assert "that have changed since training" in line
        assert "train again" in line


MODULE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, features, classes):
        super().__init__()
        self.layer = nn.Linear(features, classes)

    def forward(self, x):
        return self.layer(x.flatten(1))

class Broken(Net):
    def forward(self, x):
        return super().forward(x) / 0.0 * 0.0

class Tall(Net):
    def forward(self, x):
        return super().forward(x)[:, :, None]

def good(event_shape, classes):
    return Net(torch.Size(event_shape).numel(), classes)

def nan(event_shape, classes):
    return Broken(torch.Size(event_shape).numel(), classes)

def shape(event_shape, classes):
    return Tall(torch.Size(event_shape).numel(), classes)

def few(event_shape, classes):
    return Net(torch.Size(event_shape).numel(), classes - 1)

def narrow(event_shape, classes):
    return Net(3, classes)

def nothing(event_shape, classes):
    return None

def raising(event_shape, classes):
    raise RuntimeError("no weights found")
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put a module with networks on the path; return its name."""
    folder = tmp_path / "modules"
    folder.mkdir()
    name = f"networks_of_{abs(hash(tmp_path))}"
    (folder / f"{name}.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    return name


def _factory(name: str, function: str) -> tuple[str, str]:
    return "--set", f"network={{name: factory, factory: '{name}:{function}'}}"


def test_own_network_needs_trust_and_works_from_end_to_end(
    own_module: str, config: Path, tmp_path: Path, heatproof: Runner, refused: Check
) -> None:
    run = tmp_path / "run"
    network = _factory(own_module, "good")
    line = refused(heatproof("train", config, *network, "--out", run))
    assert "trusted settings only" in line
    assert not run.exists()
    code, out, err = heatproof("train", config, *network, "--out", run, "--trust")
    assert code == 0, err
    assert f"heatproof certify {run} --trust" in out
    for command in ("attack", "certify", "verify", "report"):
        assert "trust" in refused(heatproof(command, run)), command
        code, _, err = heatproof(command, run, "--trust")
        assert code == 0, err
    assert (run / "report.html").is_file()


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("nan", "NaN or infinite logits before the first step"),
        ("shape", "model"),  # the shape hook of the tests speaks first
        ("few", "of shape (2, 9)"),
        ("narrow", "RuntimeError"),
        ("nothing", "which returned NoneType"),
        ("raising", "RuntimeError: no weights found"),
        ("absent", "has no 'absent'"),
    ],
)
def test_own_network_that_does_not_fit_leaves_no_folder(
    *,
    function: str,
    said: str,
    own_module: str,
    config: Path,
    tmp_path: Path,
    heatproof: Runner,
    refused: Check,
) -> None:
    run = tmp_path / "run"
    outcome = heatproof("train", config, *_factory(own_module, function), "--out", run, "--trust")
    assert said in refused(outcome)
    assert not run.exists()


def test_own_network_of_a_module_that_is_not_there(
    config: Path, tmp_path: Path, heatproof: Runner, refused: Check
) -> None:
    network = _factory("no_such_module", "net")
    line = refused(heatproof("train", config, *network, "--out", tmp_path / "run", "--trust"))
    assert "no module 'no_such_module'" in line
    assert "PYTHONPATH" in line
