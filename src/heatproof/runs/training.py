"""Train a configuration into a run folder, and load what was trained."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from heatproof import networks
from heatproof._check import message
from heatproof._types import Progress, no_progress
from heatproof.data import DataSet
from heatproof.errors import DivergenceError, InputError, RunFolderError
from heatproof.runs.config import RunConfig
from heatproof.runs.diagnosis import write_diagnosis
from heatproof.runs.files import write_atomically
from heatproof.runs.folder import RunFolder
from heatproof.runs.identity import data_identity, load_data, run_data
from heatproof.runs.metrics import MetricsLog, read_metrics, require_tensorboard
from heatproof.runs.state import ModelShape
from heatproof.training import train
from heatproof.training._processes import require_one
from heatproof.training.diagnosis import circumstances_of

__all__ = ["build_network", "load_model", "resume_run", "train_run"]


def train_run(
    config: RunConfig, path: Path, *, trust: bool = False, progress: Progress = no_progress
) -> RunFolder:
    """Train a new run into `path`. An interruption leaves a folder that `resume_run` finishes.

    `trust` lets a `factory` network import the user's own code. Errors: those of loading, building and
    training. Input that does not fit together leaves no folder behind.
    """
    require_one("a run folder")
    RunFolder.check_vacant(path)
    if config.training.tensorboard:
        require_tensorboard()
    data = load_data(config)
    shape = _shape(data)
    build_network(config, shape, trust=trust)
    folder = RunFolder.create(path, config, model=shape, data=data_identity(config, data))
    with folder.lock():
        try:
            _train(folder, config, data, trust=trust, progress=progress)
        except InputError:
            if not folder.checkpoint.exists():
                folder.discard()
            raise
    return folder


def resume_run(path: Path, *, trust: bool = False, progress: Progress = no_progress) -> RunFolder:
    """Go on with a training that was interrupted: the same final weights as without the interruption."""
    require_one("a run folder")
    folder = RunFolder.open(path, status="training")
    with folder.lock():
        folder = RunFolder.open(path, status="training")  # another process may have finished it meanwhile
        if folder.config.training.tensorboard:
            require_tensorboard()
        _train(folder, folder.config, run_data(folder), trust=trust, progress=progress)
    return folder


def load_model(folder: RunFolder, *, trust: bool = False) -> nn.Module:
    """Rebuild the network of a run from its configuration and weights, in evaluation mode.

    Never unpickles. Errors: `RunFolderError` if the weights are damaged or do not fit.
    """
    config = folder.config
    model = build_network(config, folder.state.model, trust=trust)
    try:
        model.load_state_dict(load_file(folder.weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        got = f"weights that do not load ({reason})"
        advice = "Put the file of this run back, or train again into a new folder."
        raise RunFolderError(message(str(folder.weights), got, "those of this run", advice)) from error
    if getattr(model, "time_conditioned", False):
        model.noise_std = config.objective.equation_noise_std  # type: ignore[assignment]
    return model.eval()


def _train(folder: RunFolder, config: RunConfig, data: DataSet, *, trust: bool, progress: Progress) -> None:
    model = build_network(config, folder.state.model, trust=trust)
    circumstances = circumstances_of(model, data, config.objective, config.training)
    write_diagnosis(folder, read_metrics(folder), circumstances)
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
    except DivergenceError as error:
        write_diagnosis(folder, read_metrics(folder), circumstances, (error.epoch, error.step))
        raise
    finally:
        log.close()
    _save(model, folder)
    records = read_metrics(folder)
    write_diagnosis(folder, records, circumstances)
    seconds = sum(record.values["seconds"] for record in records)
    folder.update(status="trained", seconds={**folder.state.seconds, "train": seconds})


def _save(model: nn.Module, folder: RunFolder) -> None:
    weights = {name: value.cpu().contiguous().clone() for name, value in model.state_dict().items()}
    write_atomically(folder.weights, save(weights))


def build_network(config: RunConfig, shape: ModelShape, *, trust: bool) -> nn.Module:
    """Build with weights that depend on the seed alone, and leave torch's global generator as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return networks.build(
            config.network, shape.event_shape, shape.classes, shape.mean, shape.std, trust=trust
        )


def _shape(data: DataSet) -> ModelShape:
    """Return what building the network needs to know of the data, as plain numbers for run.json."""
    axes = [0, *range(2, data.train.x.ndim)]
    spread = data.train.x.std(dim=axes, correction=int(len(data.train.y) > 1))
    return ModelShape(
        event_shape=tuple(data.event_shape),
        classes=data.classes,
        mean=tuple(data.train.x.mean(dim=axes).tolist()),
        std=tuple(spread.clamp_min(1e-3).tolist()),
    )
