"""The trainings that are compared: the same network and budget, without and with diffusion."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from heatproof.data import DataSet
from heatproof.errors import TrainingWarning
from heatproof.networks import ResidualMLP
from heatproof.objectives import ConvectionDiffusion, GaussianAugmentation, Natural, Objective
from heatproof.training import TrainingSettings, train

if TYPE_CHECKING:
    from heatproof.studies.complexity.study import Complexity

__all__ = ["TRAININGS", "Training", "trained"]


@dataclass(frozen=True)
class Training:
    """An objective by name, in words, whether it diffuses, and whether it may take natural training's epochs.

    The convection–diffusion objective takes several evaluations a step: at the same budget it makes fewer
    steps, and might fit less for that reason alone.
    """

    key: str
    words: str
    diffuses: bool
    as_many_epochs: bool = False

    def objective(self, study: Complexity) -> Objective:
        """Return the objective."""
        if self.key == "gaussian":
            return GaussianAugmentation(noise_std=study.noise_std)
        if self.key.startswith("equation"):
            return ConvectionDiffusion(noise_std=study.noise_std, weight=study.weight)
        return Natural()

    def budget(self, study: Complexity, dimension: int) -> int:
        """Return the evaluations an input that this training may spend."""
        each = self.objective(study).evaluations(dimension) if self.as_many_epochs else 1
        return round(study.budget * each)


TRAININGS = (
    Training("natural", "natural training", diffuses=False),
    Training("gaussian", "Gaussian augmentation", diffuses=True),
    Training("equation", "convection–diffusion", diffuses=True),
    Training("equation-epochs", "convection–diffusion, as many epochs", diffuses=True, as_many_epochs=True),
)


def trained(study: Complexity, training: Training, data: DataSet, seed: int) -> nn.Module:
    """Return a network trained on `data`; its initial weights depend on `seed` only. No weight decay."""
    settings = ResidualMLP(width=study.width, depth=study.depth, time_conditioned=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = settings.build(data.event_shape, data.classes)
    budget = training.budget(study, data.dimension)
    how = TrainingSettings(budget=budget, weight_decay=0.0, device="cpu")
    with warnings.catch_warnings():  # random labels need not be learned: that is the question
        warnings.simplefilter("ignore", TrainingWarning)
        train(network, data, training.objective(study), how, seed=seed)
    return network
