"""What `benchmarks/graph.py` measures: one training, or one training and its certificates, a cell.

Cells are lines of one file: a run that was broken off goes on where it was, and loses one cell at most.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from heatproof.certification.nodes import certify_nodes
from heatproof.data.graphs import GraphData, load_graph
from heatproof.equation import Graph
from heatproof.equation.graph import explicit_steps
from heatproof.networks import AtTime
from heatproof.networks.graph import COIN, GCN, GraphFlow, NodeNetwork
from heatproof.networks.graph._base import GraphNetworkBase
from heatproof.objectives import Consistency, ConvectionDiffusion, GaussianAugmentation, Natural, Objective
from heatproof.training.graph import train_graph

__all__ = ["NETWORKS", "ROBUST", "Cell", "Store", "run"]

Values: TypeAlias = dict[str, Any]

NETWORKS: dict[str, GraphNetworkBase] = {
    "coin": COIN(),
    "coin, printed steps": COIN(),
    "coin, implicit": COIN(diffusion=GraphFlow(method="implicit")),
    "coin, exact": COIN(diffusion=GraphFlow(method="exact")),
    "base alone": COIN(diffusion=None),
    "gcn": GCN(),
    "gcn, diffused": GCN(diffusion=GraphFlow()),
}
PRINTED = "coin, printed steps"
_SMOOTH = {"width": 64, "row_normalise": False}
"""Under noise, rows are not normalised: the sum of 1,433 noises would drown that of 18 words."""
ROBUST: dict[str, tuple[GraphNetworkBase, str]] = {
    "gcn, natural": (GCN(**_SMOOTH), "natural"),
    "gcn, Gaussian": (GCN(**_SMOOTH), "gaussian"),
    "gcn diffused, Gaussian": (GCN(**_SMOOTH, diffusion=GraphFlow()), "gaussian"),
    "gcn diffused, consistency": (GCN(**_SMOOTH, diffusion=GraphFlow()), "consistency"),
    "gcn diffused, convection–diffusion": (
        GCN(**_SMOOTH, diffusion=GraphFlow(), time_conditioned=True),
        "convection_diffusion",
    ),
}
RADII = (0.0, 0.125, 0.25, 0.375, 0.5)
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Cell:
    """One training: a data set, a network, a split (−1: the public one) and an initialisation.

    With `noise_std` the network is trained for that noise and certified with `draws` draws.
    """

    data: str
    network: str
    split: int
    initialisation: int
    noise_std: float = 0.0
    draws: int = 0

    @property
    def key(self) -> str:
        """What the line of this cell is found by."""
        return json.dumps(asdict(self), sort_keys=True)


class Store:
    """The file with a line a cell; `protocol` is what all lines have in common."""

    def __init__(self, path: Path, protocol: Values) -> None:
        self.path, self.protocol = path, protocol
        path.parent.mkdir(parents=True, exist_ok=True)
        self.cells = dict(self._read())

    def _read(self) -> Iterator[tuple[str, Values]]:
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        for number, line in enumerate(lines):
            try:
                found = json.loads(line)
            except ValueError:
                if number == len(lines) - 1:
                    return  # broken off while it was written
                raise
            if found["protocol"] != self.protocol:
                raise SystemExit(
                    f"{self.path}: of another protocol. Give another folder, or remove the file."
                )
            yield found["key"], found["values"]

    def add(self, cell: Cell, values: Values) -> None:
        """Append the line of a cell, and wait until it is on the disk."""
        self.cells[cell.key] = values
        lines = [{"protocol": self.protocol, "key": key, "values": one} for key, one in self.cells.items()]
        partial = self.path.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)


def run(cell: Cell) -> Values:
    """Train, measure, certify where that is asked for."""
    data = _split(cell.data, cell.split)
    torch.manual_seed(1000 * (cell.split + 1) + cell.initialisation)
    if cell.noise_std:
        return _certified(cell, data)
    model = NETWORKS[cell.network].build(data)
    if cell.network == PRINTED:
        _print_steps(model)
    return {**_trained(model, data, Natural(), cell), **_range(cell, model, data)}


def _certified(cell: Cell, data: GraphData) -> Values:
    settings, objective = ROBUST[cell.network]
    model = settings.build(data)
    found = _trained(model, data, _objective(objective, cell.noise_std), cell)
    began = time.perf_counter()
    certificates = certify_nodes(
        AtTime(model, 0.0) if model.time_conditioned else model,  # its heat flow, not the one-pass network
        data.features,
        data.labels,
        noise_std=cell.noise_std,
        n=cell.draws,
        alpha=0.001,
        multiplicity="table",
        nodes=data.test,
        grid_step=data.grid_step,
    )
    return {
        **found,
        "certified": [certificates.certified_accuracy(radius) for radius in RADII],
        "average_radius": certificates.average_radius(),
        "abstentions": certificates.abstentions(),
        "p_lower": [
            sorted(one.p_lower for one in certificates)[len(certificates) * k // 10] for k in range(1, 10)
        ],
        "rounding": certificates.settings.rounding,
        "draw_seconds": (time.perf_counter() - began) / (cell.draws + 100),
    }


def _objective(name: str, noise_std: float) -> Objective:
    if name == "natural":
        return Natural()
    kinds: dict[str, type[Consistency | ConvectionDiffusion | GaussianAugmentation]] = {
        "gaussian": GaussianAugmentation,
        "consistency": Consistency,
        "convection_diffusion": ConvectionDiffusion,
    }
    return kinds[name](noise_std=noise_std)


@lru_cache(maxsize=1)
def _split(name: str, split: int) -> GraphData:
    """Return the public split of the whole graph, or a random one of the largest component, as COIN does."""
    whole = _loaded(name)
    return whole if split < 0 else whole.largest_component().random_split(split)


@lru_cache(maxsize=1)
def _loaded(name: str) -> GraphData:
    return load_graph(name)


def _trained(model: NodeNetwork, data: GraphData, objective: Objective, cell: Cell) -> Values:
    began = time.process_time()
    result = train_graph(model, data, objective, seed=cell.initialisation)
    used = time.process_time() - began
    with torch.no_grad():
        right = model(data.features).argmax(dim=1) == data.labels
    return {
        "accuracy": float(right[data.test].double().mean()),
        "validation_accuracy": result.validation_accuracy,
        "epochs": len(result.records),
        "best_epoch": result.best_epoch,
        "epoch_seconds": statistics.median(one.values["seconds"] for one in result.records),
        "epoch_cpu_seconds": used / len(result.records),
    }


def _range(cell: Cell, model: NodeNetwork, data: GraphData) -> Values:
    """Return the least and the largest u, and insist on [0, 1] but for the printed steps."""
    with torch.no_grad():
        u = model.probabilities(data.features)
    least, most = float(u.min()), float(u.max())
    if cell.network != PRINTED and not (least >= -_ROUNDING and most <= 1 + _ROUNDING):
        raise AssertionError(f"{cell}: u from {least} to {most}")
    values: Values = {"least": least, "most": most}
    if model.diffusion is not None:
        values |= {"kappa": model.diffusion.kappa, "steps": model.diffusion.steps}
    return values


class _Printed(nn.Module):
    """The published iteration, 20 steps of κ = .35, in place of the checked one."""

    kappa, steps = 0.35, 20

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, u: Tensor) -> Tensor:
        return explicit_steps(self.graph, u, self.kappa, self.steps)


def _print_steps(model: NodeNetwork) -> None:
    if model.diffusion is not None:
        model.diffusion = _Printed(model.diffusion.graph)  # type: ignore[assignment]
