"""Checkpoints: what is refused, what a failed write leaves behind, and that nothing is ever unpickled."""

from __future__ import annotations

import json
import pickle
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import heatproof
from heatproof import data as hd
from heatproof.data import DataSet
from heatproof.errors import HeatproofError, RunFolderError, StorageError
from heatproof.networks import MLP
from heatproof.objectives import GaussianAugmentation, Natural, Objective
from heatproof.training import EpochRecord, TrainingResult, TrainingSettings, train


def network(width: int = 6) -> nn.Module:
    torch.manual_seed(0)
    return MLP(widths=(width,)).build((2,), 2)


def moons(seed: int = 0) -> DataSet:
    return hd.load("half_moons", size=40, seed=seed)


def run(
    path: Path | str,
    *,
    model: nn.Module | None = None,
    data: DataSet | None = None,
    objective: Objective | None = None,
    seed: int = 0,
    **given: Any,
) -> TrainingResult:
    chosen = TrainingSettings(**{"epochs": 2, "device": "cpu", "batch_size": 8, **given})
    return train(model or network(), data or moons(), objective, chosen, seed=seed, checkpoint=path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "checkpoint.safetensors"
    run(found)
    return found


OTHERS: dict[str, dict[str, Any]] = {
    "seed": {"seed": 1},
    "learning rate": {"learning_rate": 0.2},
    "epochs": {"epochs": 3},
    "precision": {"precision": "bfloat16"},
    "optimiser": {"optimizer": "adamw", "learning_rate": 0.1, "weight_decay": 5e-4},
    "average": {"average": 0.9},
    "shares": {"shares": 2},
    "objective": {"objective": GaussianAugmentation(noise_std=0.1)},
    "model": {"model": network(7)},
    "model of another kind": {"model": nn.Linear(2, 2)},
    "data of the same name and size": {"data": moons(seed=1)},
}


@pytest.mark.parametrize("given", OTHERS.values(), ids=OTHERS)
def test_a_checkpoint_of_another_training_is_refused(path: Path, given: dict[str, Any]) -> None:
    before = path.read_bytes()
    with pytest.raises(RunFolderError, match="a checkpoint of another training") as caught:
        run(path, **given)
    assert "remove the file" in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "given",
    [
        {"checkpoint_every": 2},
        {"tensorboard": True},
        {"measure_rows": 5},
        {"shares": 1},
        {"objective": Natural()},
    ],
    ids=str,
)
def test_what_changes_no_weight_may_change(path: Path, given: dict[str, Any]) -> None:
    assert run(path, **given).records == ()


def test_a_path_may_be_text(path: Path) -> None:
    assert run(str(path)).records == ()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.999])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(RunFolderError, match="damaged") as caught:
        run(path)
    assert path.name in str(caught.value)
    assert "Remove the file" in str(caught.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_changed_byte_is_refused_or_harmless(path: Path, place: float, change: int) -> None:
    whole = path.read_bytes()
    good, bad = network(), network()
    run(path, model=good)
    damaged = bytearray(whole)
    damaged[int(place * len(whole))] ^= change
    try:
        path.write_bytes(bytes(damaged))
        result = run(path, model=bad)
    except RunFolderError:
        return
    finally:
        path.write_bytes(whole)
    assert result.records == ()
    assert all(torch.equal(bad.state_dict()[name], value) for name, value in good.state_dict().items())


def _headed(header: object) -> dict[str, str]:
    return {"heatproof": header if isinstance(header, str) else json.dumps(header)}


HEADERS: list[dict[str, str] | None] = [
    None,
    {},
    {"format": "pt"},
    _headed("{"),
    _headed([]),
    _headed(3),
    _headed({}),
    _headed({"format": 2}),
    _headed({"format": 1, "fingerprint": None, "epoch": "x"}),
]


@pytest.mark.parametrize("header", HEADERS, ids=str)
def test_another_safetensors_file_is_refused(path: Path, header: dict[str, str] | None) -> None:
    save_file({"a": torch.zeros(2)}, path, header)
    with pytest.raises(RunFolderError):
        run(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError):
        run(tmp_path)


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_pickle_is_refused_and_not_run(tmp_path: Path, how: str) -> None:
    path, mark = tmp_path / "checkpoint.safetensors", tmp_path / "mark"
    bomb = {"model": Bomb(mark)}
    if how == "torch":
        torch.save(bomb, path)
    else:
        path.write_bytes(pickle.dumps(bomb))
    with pytest.raises(RunFolderError, match="damaged"):
        run(path)
    assert not mark.exists()
    pickle.loads(pickle.dumps(bomb))  # the control: unpickling would have run it
    assert mark.exists()


def test_the_file_is_safetensors_and_says_what_it_holds(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["heatproof"])
        names = set(file.keys())
    assert header["epoch"] == 2
    assert {f"model.{name}" for name in network().state_dict()} <= names
    assert any(name.startswith("optimizer.") and name.endswith(".momentum_buffer") for name in names)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_no_source_file_unpickles() -> None:
    forbidden = re.compile(
        r"\bimport pickle|\bfrom pickle|torch\.load\(|\bjoblib|allow_pickle=True|\bdill|\bshelve"
        r"|yaml\.(unsafe_load|full_load|Loader|FullLoader|UnsafeLoader)\b"
    )
    files = sorted(Path(heatproof.__file__).parent.rglob("*.py"))
    assert len(files) > 30
    found = [file.name for file in files if forbidden.search(file.read_text(encoding="utf-8"))]
    assert found == []
    assert forbidden.search("weights = torch.load(path)")  # the control


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow over `size` bytes, as on a disk that is full (the system's own limit)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestFailedWrite:
    """Every failed write: `StorageError`, the checkpoint before it intact, nothing left beside it."""

    def first_epoch(self, path: Path) -> bytes:
        def stop(record: EpochRecord) -> None:
            if record.epoch == 2:
                raise KeyboardInterrupt

        chosen = TrainingSettings(epochs=2, device="cpu", batch_size=8)
        with pytest.raises(KeyboardInterrupt):
            train(network(), moons(), None, chosen, checkpoint=path, on_epoch=stop)
        return path.read_bytes()

    def check_resumes(self, path: Path, before: bytes) -> None:
        assert path.read_bytes() == before
        model, unbroken = network(), network()
        assert [record.epoch for record in run(path, model=model).records] == [2]
        run(path.with_name("other"), model=unbroken)
        assert all(torch.equal(unbroken.state_dict()[name], v) for name, v in model.state_dict().items())

    def test_disk_full(self, tmp_path: Path) -> None:
        path = tmp_path / "checkpoint.safetensors"
        before = self.first_epoch(path)
        with largest_file(len(before) // 2), pytest.raises(StorageError) as caught:
            run(path)
        assert "could not be written" in str(caught.value)
        assert "intact" in str(caught.value)
        assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
        self.check_resumes(path, before)

    def test_no_file_can_be_made(self, tmp_path: Path) -> None:
        path = tmp_path / "checkpoint.safetensors"
        before = self.first_epoch(path)
        obstacle = tmp_path / f".{path.name}.partial"
        (obstacle / "inside").mkdir(parents=True)
        with pytest.raises(StorageError, match="could not be written"):
            run(path)
        (obstacle / "inside").rmdir()
        obstacle.rmdir()
        self.check_resumes(path, before)

    def test_is_no_crash_of_another_kind(self, tmp_path: Path) -> None:
        with largest_file(10), pytest.raises(HeatproofError) as caught:
            run(tmp_path / "checkpoint.safetensors")
        assert isinstance(caught.value, OSError)


@pytest.mark.parametrize("parent", ["missing", "file"])
def test_a_folder_that_is_none_is_refused_before_training(tmp_path: Path, parent: str) -> None:
    (tmp_path / "file").write_text("x")
    model = network()
    with pytest.raises(StorageError, match="Make the folder first"):
        run(tmp_path / parent / "checkpoint.safetensors", model=model)
    assert all(torch.equal(network().state_dict()[name], v) for name, v in model.state_dict().items())
