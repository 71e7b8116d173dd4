"""One cell of a benchmark of training: train, certify, store."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from training_cells import Cell, CellFolder, Protocol

import heatproof as hp
from heatproof._specification import Specification
from heatproof.errors import DivergenceError
from heatproof.networks import NetworkSettings
from heatproof.objectives import Objective, ObjectiveSettings
from heatproof.runs.environment import environment
from heatproof.training import EpochRecord, TrainingSettings, steps_within

__all__ = ["OutOfTime", "measured", "network_for", "objective_for", "work"]

_ROWS = 1_000


class OutOfTime(KeyboardInterrupt):
    """An interrupt at the moment that --minutes set; what is done by then is kept."""


class _Settings(Specification):
    """A network and an objective, as a configuration file has them."""

    network: NetworkSettings | None = None
    objective: ObjectiveSettings | None = None


def work(protocol: Protocol, cell: Cell, path: Path, until: float) -> str:
    """Do a cell and store it; return a few words. After `until` (seconds, as `time.time`) it stops.

    Training that diverges is a result and stored as such. Errors: those of the library.
    """
    folder = CellFolder(path)
    began = time.perf_counter()
    try:
        result = measured(protocol, cell, folder, until)
    except OutOfTime:
        return "stopped"
    except DivergenceError as error:
        result = {"failed": str(error), "environment": environment()}
    folder.store(cell, result)
    said = "diverged" if "failed" in result else f"ACR {_average(result['images']):.3f}"
    return f"{said}, {time.perf_counter() - began:.0f} s"


def measured(protocol: Protocol, cell: Cell, folder: CellFolder, until: float) -> dict[str, Any]:
    """Return all figures of a cell. Errors: `OutOfTime`, `DivergenceError`, and those of the library."""
    _in_time(until)
    data = _data(protocol)
    objective = objective_for(cell.definition)
    settings = TrainingSettings(**protocol.training)
    model = network_for(protocol, objective, data, cell.seed)
    spent = folder.spent(cell)
    _train(model, data, objective, settings, cell=cell, folder=folder, spent=spent, until=until)
    found = _certify(model, data, protocol, cell=cell, folder=folder, spent=spent, until=until)
    batch = min(settings.batch_size, len(data.train))
    passes = objective.passes(data.dimension)
    return {
        "settings": objective.to_mapping(),
        "passes": dataclasses.asdict(passes),
        "evaluations": passes.evaluations,
        "steps": steps_within(settings, objective, data.dimension, len(data.train) // batch),
        "batch_size": batch,
        "train_rows": len(data.train),
        "seconds": {name: spent[name] for name in ("training", "certification")},
        "epochs": spent["epochs"],
        "natural_accuracy": _accuracy(model, data.test),
        "classifier": found.settings.classifier,
        "samples": found.settings.estimation_samples,
        "alpha": found.settings.alpha,
        "images": _images(found, cell.every),
        "environment": environment(),
    }


def objective_for(definition: Mapping[str, Any]) -> Objective:
    """Return the objective that a configuration would name so. Errors: `InputError`."""
    objective = _Settings.from_mapping({"objective": definition}).objective
    if objective is None:
        raise TypeError("a definition names an objective")
    return objective


def network_for(protocol: Protocol, objective: Objective, data: hp.DataSet, seed: int) -> nn.Module:
    """Return the protocol's network, conditioned on time where the objective trains it at all times."""
    timed = objective.equation_noise_std is not None
    settings = _Settings.from_mapping({"network": {**protocol.network, "time_conditioned": timed}}).network
    if settings is None:
        raise TypeError("a protocol names a network")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = hp.networks.build(settings, data.event_shape, data.classes, protocol.mean, protocol.std)
    if protocol.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def _train(
    model: nn.Module,
    data: hp.DataSet,
    objective: Objective,
    settings: TrainingSettings,
    *,
    cell: Cell,
    folder: CellFolder,
    spent: dict[str, Any],
    until: float,
) -> None:
    """Train, from the last checkpoint on if there is one, and count the seconds of all attempts."""
    before, began = spent["training"], time.perf_counter()

    def noted(record: EpochRecord) -> None:
        spent["training"] = before + time.perf_counter() - began
        kept = [one for one in spent["epochs"] if one["epoch"] < record.epoch]
        spent["epochs"] = [*kept, {"epoch": record.epoch, **record.values}]
        folder.note(cell, spent)

    checkpoint = folder.file(cell, "safetensors")
    hp.train(
        model,
        data,
        objective,
        settings,
        seed=cell.seed,
        checkpoint=checkpoint,
        on_epoch=noted,
        progress=lambda *_: _in_time(until),
    )


def _certify(
    model: nn.Module,
    data: hp.DataSet,
    protocol: Protocol,
    *,
    cell: Cell,
    folder: CellFolder,
    spent: dict[str, Any],
    until: float,
) -> hp.Certificates:
    """Certify every so many test images, those that are not stored yet; the equation where it was trained."""
    test = data.test
    chosen = hp.Split(test.x[:: cell.every], test.y[:: cell.every], test.index[:: cell.every])
    own = getattr(model, "noise_std", None) is not None
    began = time.perf_counter()
    try:
        return hp.certify(
            model,
            chosen,
            noise_std=None if own else cell.noise_std,
            grid_step=data.grid_step,
            seed=cell.seed,
            store=folder.file(cell, "sqlite"),
            pilot=False,
            progress=lambda *_: _in_time(until),
            **protocol.certification,
            **protocol.execution,
        )
    finally:
        spent["certification"] += time.perf_counter() - began
        folder.note(cell, spent)


def _images(found: hp.Certificates, every: int) -> dict[str, list[Any]]:
    """Return for each image its row in the test split and what its certificate says.

    `votes` are those for the right class, of `samples`; `radius` is 0 where it abstained.
    """
    return {
        "row": list(range(0, every * len(found), every)),
        "target": [one.target for one in found],
        "label": [one.label for one in found],
        "votes": [one.estimation_counts[one.target or 0] for one in found],
        "p_lower": [one.p_lower for one in found],
        "radius": [0.0 if one.abstained else one.radius for one in found],
    }


def _average(images: dict[str, list[Any]]) -> float:
    """Return the average certified radius."""
    rows = zip(images["radius"], images["label"], images["target"], strict=True)
    total: float = sum(radius for radius, label, target in rows if label == target)
    return total / len(images["radius"])


def _accuracy(model: nn.Module, split: hp.Split) -> float:
    """Return the accuracy of one pass without noise."""
    device = next(model.parameters()).device
    with torch.no_grad():
        found = [model(rows.to(device)).argmax(dim=1).cpu() for rows in split.x.split(_ROWS)]
    return float((torch.cat(found) == split.y).double().mean())


def _in_time(until: float) -> None:
    if time.time() >= until:
        raise OutOfTime


@cache
def _loaded(name: str) -> hp.DataSet:
    return hp.load(name)


def _data(protocol: Protocol) -> hp.DataSet:
    """Return the data set, cut to the rows of the protocol."""
    data = _loaded(protocol.data)
    train = _first(data.train, protocol.train_rows)
    return dataclasses.replace(
        data, train=train, validation=_first(data.validation, protocol.validation_rows)
    )


def _first(split: hp.Split, rows: int | None) -> hp.Split:
    return hp.Split(split.x[:rows], split.y[:rows], split.index[:rows])
