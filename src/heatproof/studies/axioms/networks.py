"""Networks trained by the demo's recipes, as evolutions on their own states."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from heatproof._types import Progress
from heatproof.networks import EquationLayer, GaussianInjection, Residual, StochasticDepth
from heatproof.networks.residual_mlp import ResidualMLPBackbone
from heatproof.networks.time import TimeConditioned, append_time
from heatproof.runs.config import RunConfig
from heatproof.runs.document import apply_overrides
from heatproof.runs.identity import run_data
from heatproof.runs.presets import preset
from heatproof.runs.training import load_model, train_run

if TYPE_CHECKING:
    from heatproof.studies.axioms.study import Axioms

__all__ = ["KINDS", "Trained", "train_recipe"]

KINDS = ("no noise", "Gaussian injection", "stochastic depth")
"""The evolutions that one trained network gives."""


@dataclass(frozen=True)
class Trained:
    """A trained, time-conditioned residual network in float64, with test inputs.

    `states` are the inputs after the first layer, at the final time: where the blocks act.
    """

    model: TimeConditioned
    backbone: ResidualMLPBackbone
    x: Tensor
    accuracy: float
    noise_std: float

    @property
    def states(self) -> Tensor:
        """The states (B, width) that the blocks begin with."""
        normalised = self.x if self.model.normalise is None else self.model.normalise(self.x)
        lifted: Tensor = self.backbone.lift(append_time(normalised.flatten(1)))
        return lifted.detach()

    @property
    def spread(self) -> float:
        """Root mean square of the states around their mean."""
        return float((self.states - self.states.mean(dim=0)).square().mean().sqrt())

    def blocks(self, study: Axioms, kind: str) -> Sequence[EquationLayer]:
        """Return the trained blocks, with noise of the kind, always on."""
        step, branches = self.backbone.step, list(self.backbone.velocities)
        if kind == "Gaussian injection":
            noise_std = study.noise_share * self.spread
            return [GaussianInjection(one, noise_std, step=step, always=True) for one in branches]
        if kind == "stochastic depth":
            return [StochasticDepth(one, study.survival, step=step, always=True) for one in branches]
        return [Residual(one, step) for one in branches]

    def probabilities(self, x: Tensor, t: float) -> Tensor:
        """Return the class probabilities g(x, t)."""
        return torch.softmax(self.model(x, t), dim=1)

    def of_states(self, states: Tensor) -> Tensor:
        """Return the base classifier, softmax of the head."""
        return torch.softmax(self.backbone.head(states), dim=1)


def train_recipe(study: Axioms, recipe: str, progress: Progress) -> Trained:
    """Train a recipe, and return the network with test inputs that are spread over the split."""
    changes = [] if study.budget is None else [f"training.budget={study.budget}"]
    config = RunConfig.from_mapping(apply_overrides(preset(recipe), [f"seed={study.seed}", *changes]))
    with tempfile.TemporaryDirectory() as place:
        folder = train_run(config, Path(place) / "run", progress=progress)
        model, data = load_model(folder), run_data(folder)
    with torch.no_grad():
        right = (model(data.test.x).argmax(dim=1) == data.test.y).double().mean()
    precise = _parts(copy.deepcopy(model).double().requires_grad_(requires_grad=False))
    rows = torch.linspace(0, len(data.test.y) - 1, study.points).round().long()
    noise_std = config.objective.equation_noise_std or config.certify.noise_std or 0.25
    return Trained(*precise, data.test.x[rows].double(), float(right), noise_std)


def _parts(model: nn.Module) -> tuple[TimeConditioned, ResidualMLPBackbone]:
    """Return the network and its backbone: the recipes of the study all have these."""
    if not isinstance(model, TimeConditioned) or not isinstance(model.backbone, ResidualMLPBackbone):
        raise TypeError(f"{type(model).__name__} is no time-conditioned residual_mlp")
    return model, model.backbone
