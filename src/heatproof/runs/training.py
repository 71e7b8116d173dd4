"""Train a configuration into a run folder, and load what was trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from heatproof import networks
from heatproof._check import message
from heatproof._types import Progress, no_progress
from heatproof.data import DataSet, load
from heatproof.errors import RunFolderError, StorageError
from heatproof.runs.config import RunConfig
from heatproof.runs.folder import RunFolder
from heatproof.runs.metrics import MetricsLog, read_metrics
from heatproof.training import train

__all__ = ["load_data", "load_model", "resume_run", "train_run"]


def load_data(config: RunConfig) -> DataSet:
    """Return the data set of a configuration."""
    return load(config.data.name, seed=config.data.seed, size=config.data.size)


def train_run(
    config: RunConfig, path: Path, *, trust: bool = False, progress: Progress = no_progress
) -> RunFolder:
    """Train a new run into `path`. An interruption leaves a folder that `resume_run` finishes.

    `trust` lets a `factory` network import the user's own code. Errors: those of loading, building and
    training; nothing is written before data and network are known to fit.
    """
    data = load_data(config)
    shape = _shape(data)
    _build(config, shape, trust=trust)
    config.objective.check(_build(config, shape, trust=trust), data.dimension)
    folder = RunFolder.create(path, config, model=shape)
    with folder.lock():
        _train(folder, config, data, trust=trust, progress=progress)
    return folder


def resume_run(path: Path, *, trust: bool = False, progress: Progress = no_progress) -> RunFolder:
    """Go on with a training that was interrupted: the same final weights as without the interruption."""
    folder = RunFolder.open(path, status="training")
    with folder.lock():
        config = folder.config
        _train(folder, config, load_data(config), trust=trust, progress=progress)
    return folder


def load_model(folder: RunFolder, *, trust: bool = False) -> nn.Module:
    """Rebuild the network of a run from its configuration and weights, in evaluation mode.

    Never unpickles. Errors: `RunFolderError` if the weights are damaged or do not fit.
    """
    config = folder.config
    model = _build(config, folder.state["model"], trust=trust)
    try:
        model.load_state_dict(load_file(folder.weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        text = message(folder.weights.name, f"weights that do not load ({reason})", "those of this run")
        raise RunFolderError(text) from error
    if getattr(model, "time_conditioned", False):
        model.noise_std = config.objective.smoothing  # type: ignore[assignment]
    return model.eval()


def _train(folder: RunFolder, config: RunConfig, data: DataSet, *, trust: bool, progress: Progress) -> None:
    model = _build(config, folder.state["model"], trust=trust)
    log = MetricsLog(folder, tensorboard=config.training.tensorboard)
    try:
        train(
            model,
            data,
            config.objective,
            config.training,
            seed=config.seed,
            checkpoint=folder.checkpoint,
            on_epoch=log.add,
            progress=progress,
        )
    finally:
        log.close()
    _save(model, folder)
    seconds = sum(record.values["seconds"] for record in read_metrics(folder))
    folder.update(status="trained", seconds={**folder.state["seconds"], "train": seconds})


def _save(model: nn.Module, folder: RunFolder) -> None:
    weights = {name: value.cpu().contiguous().clone() for name, value in model.state_dict().items()}
    temporary = folder.weights.with_name(f".{folder.weights.name}.partial")
    try:
        save_file(weights, temporary)
        temporary.replace(folder.weights)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"{folder.weights.name}: could not be written ({error}).") from error


def _build(config: RunConfig, shape: dict[str, Sequence[float]], *, trust: bool) -> nn.Module:
    """Build with weights that depend on the seed alone, and leave torch's global generator as it was."""
    event = torch.Size(int(size) for size in shape["event_shape"])
    (classes,) = shape["classes"]
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return networks.build(
            config.network, event, int(classes), list(shape["mean"]), list(shape["std"]), trust=trust
        )


def _shape(data: DataSet) -> dict[str, Sequence[float]]:
    """Return what building the network needs to know of the data, as plain numbers for run.json."""
    axes = [0, *range(2, data.train.x.ndim)]
    mean = data.train.x.mean(dim=axes)
    std = data.train.x.std(dim=axes).clamp_min(1e-3)
    return {
        "event_shape": list(data.event_shape),
        "classes": [data.classes],
        "mean": mean.tolist(),
        "std": std.tolist(),
    }
