"""The trainings that are compared: the same data, network, optimiser and budget of evaluations."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from heatproof.data import DataSet, Split, load
from heatproof.equation import noise_std_of
from heatproof.errors import StabilityWarning, TrainingWarning
from heatproof.networks import ResidualMLP
from heatproof.objectives import ConvectionDiffusion, GaussianAugmentation, Natural, Objective
from heatproof.studies.half_moons.words import number
from heatproof.training import TrainingSettings, train

if TYPE_CHECKING:
    from heatproof.studies.half_moons.study import HalfMoons

__all__ = ["STILL", "Training", "fitted", "moons", "network", "settings_of", "trainings"]

STILL = 1e-12
"""The diffusivity that stands for none: the objective takes only positive ones."""

_SIZE = 2_500
_SEEDS = 1_000
"""The most repeats that share no seed with those of the next study seed."""


@dataclass(frozen=True)
class Training:
    """An objective by family, λ and σ²; `times` multiplies the budget."""

    family: Literal["natural", "gaussian", "equation"]
    weight: float = 0.0
    diffusivity: float = 0.0
    times: int = 1

    @property
    def key(self) -> str:
        """Its part in the name of a cell."""
        parts: list[str] = [self.family]
        parts += [f"weight={number(self.weight)}"] if self.family == "equation" else []
        parts += [f"diffusivity={number(self.diffusivity)}"] if self.smooths else []
        return ".".join([*parts, *([f"budget={self.times}"] if self.times > 1 else [])])

    @property
    def smooths(self) -> bool:
        """Whether σ² has a part in the training."""
        return self.family == "gaussian" or (self.family == "equation" and self.weight > 0)

    @property
    def objective(self) -> Objective:
        """The objective; that of the equation in the paper's form, one time step and one direction."""
        if self.family == "natural":
            return Natural()
        if self.family == "gaussian":
            return GaussianAugmentation(noise_std=noise_std_of(self.diffusivity))
        return ConvectionDiffusion(diffusivity=self.diffusivity or STILL, weight=self.weight)


def trainings(study: HalfMoons) -> list[Training]:
    """Return every training of one repeat. With λ = 0 the diffusivity has no part: one stands for all."""
    rows = (0.0, *study.diffusivities)
    return [
        Training("natural"),
        *(Training("gaussian", diffusivity=each) for each in study.diffusivities),
        Training("equation"),
        *(Training("equation", weight, each) for each in rows for weight in study.weights),
        *(Training("equation", weight, study.middle, study.longer) for weight in study.longer_weights),
    ]


@lru_cache(maxsize=2)
def moons(seed: int, repeat: int, train_count: int) -> DataSet:
    """Return the half-moons of one repeat: 500 points to validate, 500 to test, `train_count` to train."""
    data = load("half_moons", seed=_seed(seed, repeat) + 1, size=_SIZE)
    return replace(data, train=_first(data.train, train_count))


def network(study: HalfMoons, repeat: int) -> nn.Module:
    """Return the untrained time-conditioned network of one repeat."""
    kind = ResidualMLP(width=study.width, depth=study.depth, time_conditioned=True)
    with torch.random.fork_rng():
        torch.manual_seed(_seed(study.seed, repeat))
        return kind.build((2,), 2)


def settings_of(study: HalfMoons, budget: int) -> TrainingSettings:
    """Return how all are trained: the library's defaults with a batch of `batch_size`."""
    return TrainingSettings(budget=budget, batch_size=study.batch_size, device="cpu")


def fitted(
    study: HalfMoons, objective: Objective, settings: TrainingSettings, repeat: int
) -> tuple[nn.Module, float]:
    """Return a trained network and its mean cross-entropy over the last epoch. Errors: `DivergenceError`."""
    model = network(study, repeat)
    data = moons(study.seed, repeat, study.train_count)
    # the loop measures the accuracy on validation data after each epoch, of which nobody asks here
    brief = replace(data, validation=_first(data.validation, 2))
    with warnings.catch_warnings():
        for kind in (StabilityWarning, TrainingWarning):  # the study goes where training is known to fail
            warnings.simplefilter("ignore", kind)
        result = train(model, brief, objective, settings, seed=_seed(study.seed, repeat))
    return model, result.records[-1].values["cross_entropy"]


def _seed(seed: int, repeat: int) -> int:
    """Return the seed of a repeat, within what every generator takes."""
    return (_SEEDS * seed + repeat) % 2**31


def _first(split: Split, count: int) -> Split:
    return Split(split.x[:count], split.y[:count], split.index[:count])
