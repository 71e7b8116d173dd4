"""Training into run folders: the effective configuration, exact resume, logs, and what is left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from heatproof.data import DataSet
from heatproof.errors import DependencyError, DivergenceError, InputError, RunFolderError, StorageError
from heatproof.runs import RunConfig, RunFolder, load_model, resume_run, train_run
from heatproof.runs.document import read_yaml
from heatproof.runs.files import write_atomically
from heatproof.runs.identity import data_fingerprint, load_data
from heatproof.runs.metrics import MetricsLog, read_metrics


def _config(**changes: Any) -> RunConfig:
    document = {
        "name": "moons",
        "data": {"name": "half_moons", "size": 60},
        "network": {"name": "residual_mlp", "width": 8, "depth": 1, "time_conditioned": True},
        "objective": {"name": "convection_diffusion", "noise_std": 0.3, "weight": 1.0},
        "training": {"epochs": 3, "batch_size": 12},
    }
    return RunConfig.from_mapping({**document, **changes})


def _same(first: RunFolder, second: RunFolder) -> bool:
    one, two = load_file(first.weights), load_file(second.weights)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_the_effective_configuration_trains_the_same_weights(tmp_path: Path) -> None:
    first = train_run(_config(), tmp_path / "first")
    again = RunConfig.from_mapping(read_yaml(first.config_file))
    assert again == _config() == first.config
    assert _same(first, train_run(again, tmp_path / "second"))
    assert not _same(first, train_run(_config(seed=1), tmp_path / "third"))  # negative control


def test_training_leaves_torch_s_random_state_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train_run(_config(), tmp_path / "run")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_an_interrupted_training_ends_with_the_same_weights(
    epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = MetricsLog.add

    def stop(self: MetricsLog, record: Any) -> None:
        real(self, record)
        if record.epoch == epoch:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MetricsLog, "add", stop)
        with pytest.raises(KeyboardInterrupt):
            train_run(_config(), tmp_path / "broken")
    with pytest.raises(RunFolderError, match="--resume"):
        RunFolder.open(tmp_path / "broken")
    resumed = resume_run(tmp_path / "broken")
    assert _same(resumed, train_run(_config(), tmp_path / "whole"))
    assert [record.epoch for record in read_metrics(resumed)] == [1, 2, 3]
    assert resumed.state.status == "trained"


def test_the_rebuilt_network_is_the_trained_one(tmp_path: Path) -> None:
    folder = train_run(_config(), tmp_path / "run")
    model = load_model(folder)
    assert not model.training
    assert model.noise_std == pytest.approx(0.3)
    for name, value in load_file(folder.weights).items():
        assert torch.equal(model.state_dict()[name], value)
    state = json.loads(folder.state_file.read_text())
    assert state["model"]["event_shape"] == [2]
    assert state["data"]["fingerprint"] == data_fingerprint(load_data(folder.config))
    assert state["seconds"]["train"] > 0


def test_tensorboard_writes_events_that_can_be_read_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    training = {"epochs": 2, "batch_size": 12, "tensorboard": True}
    folder = train_run(_config(training=training), tmp_path / "run")
    events = EventAccumulator(str(folder.tensorboard))
    events.Reload()
    records = read_metrics(folder)
    for name in ("total", "validation_accuracy"):
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert found == [(one.epoch, pytest.approx(one.values[name], rel=1e-6)) for one in records]


def test_tensorboard_that_is_not_installed_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)
    with pytest.raises(DependencyError, match=r"heatproof\[tensorboard\]"):
        train_run(_config(training={"tensorboard": True}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_training_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="budget"):
        train_run(_config(training={"budget": 1}), tmp_path / "run")
    with pytest.raises(InputError, match="augmentation"):
        train_run(_config(training={"augmentation": "crop"}), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_diverges_keeps_its_folder(tmp_path: Path) -> None:
    training = {"epochs": 3, "batch_size": 12, "learning_rate": 1e9, "gradient_clip": None}
    with pytest.raises(DivergenceError):
        train_run(_config(training=training), tmp_path / "run")
    assert RunFolder.open(tmp_path / "run", status="training").config.training.learning_rate == 1e9


def test_nothing_is_loaded_before_the_folder_is_known_to_be_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> DataSet:
        raise AssertionError("loaded")

    monkeypatch.setattr("heatproof.runs.training.load_data", load)
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="other files"):
        train_run(_config(), tmp_path)


def test_the_fingerprint_of_data_sees_every_split() -> None:
    data = load_data(_config())
    assert data_fingerprint(data) == data_fingerprint(load_data(_config()))
    other = load_data(_config(data={"name": "half_moons", "size": 60, "seed": 1}))
    assert data_fingerprint(data) != data_fingerprint(other)
    data.test.x[0, 0] += 1
    assert data_fingerprint(data) != data_fingerprint(load_data(_config()))


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    write_atomically(target, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match=r"file: could not be written \(No space left on device\)"):
        write_atomically(target, "new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
