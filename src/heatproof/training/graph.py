"""Training on a graph: one input, the features of all nodes, and labels at some of them.

A step sees the whole graph. Training stops when the validation nodes have not improved for `patience` epochs,
and the weights of the best epoch are kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from heatproof._check import check_whole
from heatproof._types import Progress, no_progress
from heatproof.data.graphs import GraphData
from heatproof.errors import DivergenceError
from heatproof.networks.graph import NodeBatch
from heatproof.noise.additive import draw
from heatproof.objectives import Losses, Natural, Objective
from heatproof.training._fit import check_logits
from heatproof.training._graph_fit import check_graph_fit
from heatproof.training._graph_settings import GraphTrainingSettings
from heatproof.training._record import EpochRecord
from heatproof.training._session import epoch_seed

__all__ = ["GraphTrainingResult", "GraphTrainingSettings", "train_graph"]

_SPARSE = 0.1
"""Share of features above 0 up to which they are handed over as a sparse matrix."""


@final
@dataclass(frozen=True)
class GraphTrainingResult:
    """The records of all epochs, and which of them the model was left at."""

    records: tuple[EpochRecord, ...] = field(default_factory=tuple)
    best_epoch: int = 0
    validation_loss: float = 0.0
    validation_accuracy: float = 0.0
    seconds: float = 0.0


def train_graph(
    model: nn.Module,
    data: GraphData,
    objective: Objective | None = None,
    settings: GraphTrainingSettings | None = None,
    *,
    seed: int = 0,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    progress: Progress = no_progress,
) -> GraphTrainingResult:
    """Train `model` in place on the training nodes; it is left at its best epoch, in evaluation mode.

    One epoch is one step of Adam on the whole graph. Noise of an objective is noise on all features at once,
    its copies are whole graphs, and its loss is that of the training nodes (`NodeBatch`): so every objective
    that draws noise trains a network for `certify_nodes`. The validation nodes are then measured under one
    fixed draw of that noise (at time 0 for convection–diffusion, which is smoothed there), else without.
    torch's global generator, which dropout draws from, is put back afterwards.

    Args:
        model: a module (N, F) → (N, K), `heatproof.networks.graph` or your own; it stays on its device.
        data: a graph with training and validation nodes.
        objective: the loss; `Natural()` if left out.
        settings: learning rate, patience and so on.
        seed: of dropout and of the objective's noise (not of the model's initial weights).
        on_epoch: called with each epoch's record: losses, accuracies of training and validation nodes.
        progress: told after each epoch.

    Cost: a forward and a backward pass of the graph a copy, and a forward pass for the validation. Features
    that are mostly 0 go as a sparse matrix through networks that take one, where no noise is added.
    Errors: `InputError` for a graph that is not split, and an objective with a budget a row, which says
    nothing about one joint input; `ModelError` for another output; `DivergenceError` for a loss that is not
    finite.
    """
    check_whole("seed", seed, at_least=0)
    objective, settings = objective or Natural(), settings or GraphTrainingSettings()
    check_graph_fit(model, data, objective, settings)
    try:
        with torch.random.fork_rng():
            result = _Training(model, data, objective, settings, seed=seed).run(on_epoch, progress)
    finally:
        model.eval()
    if getattr(model, "time_conditioned", False):
        model.noise_std = objective.equation_noise_std  # type: ignore[assignment]
    return result


class _Training:
    """What the epochs of one training share."""

    def __init__(
        self,
        model: nn.Module,
        data: GraphData,
        objective: Objective,
        settings: GraphTrainingSettings,
        *,
        seed: int,
    ) -> None:
        device = next(model.parameters()).device
        self.model, self.objective, self.settings, self.seed = model, objective, settings, seed
        self.train, self.validation = data.train.to(device), data.validation.to(device)
        self.labels = data.labels.to(device)
        dense = data.features.to(device)
        thin = float((dense != 0).float().mean()) < _SPARSE and getattr(model, "takes_sparse", False)
        self.features = dense.to_sparse() if thin else dense
        self.batch = NodeBatch(model, (data.nodes, dense.shape[1]), self.train.nonzero()[:, 0])
        self.pieces = None if isinstance(objective, Natural) else self.batch.pieces(dense)
        self.shown = self._shown()
        self.optimizer = torch.optim.Adam(
            model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        if self.pieces is not None:
            objective.check(self.batch, self.batch.length)
        check_logits(model, self.shown, data.classes)

    def run(self, on_epoch: Callable[[EpochRecord], None] | None, progress: Progress) -> GraphTrainingResult:
        """Train until nothing improves, and put the best weights back."""
        began, records = time.perf_counter(), []
        best, kept, best_key = EpochRecord(0, {}), {}, (float("inf"), 0.0)
        for epoch in range(1, self.settings.epochs + 1):
            records.append(self._epoch(epoch))
            key = self.settings.key(records[-1].values)
            if key < best_key:
                best, best_key = records[-1], key
                kept = {name: value.clone() for name, value in self.model.state_dict().items()}
            if on_epoch is not None:
                on_epoch(records[-1])
            progress(epoch, self.settings.epochs, f"best epoch {best.epoch}")
            if epoch - best.epoch >= self.settings.patience:
                break
        self.model.load_state_dict(kept)
        return GraphTrainingResult(
            tuple(records),
            best.epoch,
            best.values["validation_loss"],
            best.values["validation_accuracy"],
            time.perf_counter() - began,
        )

    def _epoch(self, epoch: int) -> EpochRecord:
        began = time.perf_counter()
        torch.manual_seed(epoch_seed(self.seed, epoch, "global"))
        self.model.train()
        losses = self._losses(epoch)
        self.optimizer.zero_grad()
        losses.total.backward()
        self.optimizer.step()
        parts = {name: float(part.detach()) for name, part in {"total": losses.total, **losses.parts}.items()}
        found = {**parts, **self._measured()}
        if not all(map(math.isfinite, found.values())):
            raise self._diverged(epoch)
        return EpochRecord(epoch, {**found, "seconds": time.perf_counter() - began})

    def _losses(self, epoch: int) -> Losses:
        """Return the losses at the training nodes."""
        if self.pieces is None:
            loss = nn.functional.cross_entropy(self.model(self.features)[self.train], self.labels[self.train])
            return Losses(loss, {"cross_entropy": loss})
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, epoch, "objective"))
        return self.objective(self.batch, self.pieces, self.labels[self.train], generator)

    def _shown(self) -> Tensor:
        """Return the features that validation sees: under one draw of the objective's noise, if any."""
        noise = self.objective.smoothing_noise
        if noise is None or self.pieces is None:
            return self.features
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, 0, "validation"))
        return self.batch.whole(self.pieces + draw(noise, self.pieces, 1, generator)[0])

    def _measured(self) -> dict[str, float]:
        """Return accuracies, and the loss of the validation nodes, in evaluation mode."""
        self.model.eval()
        at_zero = self.objective.equation_noise_std is not None
        with torch.no_grad():
            logits = self.model(self.shown, 0.0) if at_zero else self.model(self.shown)
        found = {
            "validation_loss": float(
                nn.functional.cross_entropy(logits[self.validation], self.labels[self.validation])
            )
        }
        right = logits.argmax(dim=1) == self.labels
        for name, mask in (("train", self.train), ("validation", self.validation)):
            found[f"{name}_accuracy"] = float(right[mask].float().mean())
        return found

    def _diverged(self, epoch: int) -> DivergenceError:
        own = self.objective.likely_knob(self.batch.length)
        rate = f"Most likely learning_rate = {self.settings.learning_rate:g} is too large: lower it."
        text = f"training: NaN or infinite loss or weights at epoch {epoch}. {own or rate}"
        return DivergenceError(text, epoch=epoch, step=1)
