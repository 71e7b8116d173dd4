"""Training losses, one file each; each is its own settings and its own function."""

from collections.abc import Iterator
from typing import Annotated, TypeAlias, get_args

from pydantic import Field

from heatproof.objectives._objective import Losses, Objective, Passes
from heatproof.objectives._single import SingleObjective
from heatproof.objectives.adversarial import Adversarial
from heatproof.objectives.adversarial_drift import AdversarialDrift
from heatproof.objectives.consistency import Consistency
from heatproof.objectives.convection_diffusion import ConvectionDiffusion
from heatproof.objectives.gaussian_augmentation import GaussianAugmentation
from heatproof.objectives.input_gradient_penalty import InputGradientPenalty
from heatproof.objectives.macer import MACER
from heatproof.objectives.natural import Natural
from heatproof.objectives.smoothadv import SmoothAdv
from heatproof.objectives.smoothmix import SmoothMix
from heatproof.objectives.stability import Stability
from heatproof.objectives.trades import TRADES
from heatproof.objectives.weighted_sum import Term, WeightedSum

__all__ = [
    "MACER",
    "TRADES",
    "Adversarial",
    "AdversarialDrift",
    "Consistency",
    "ConvectionDiffusion",
    "GaussianAugmentation",
    "InputGradientPenalty",
    "Losses",
    "Natural",
    "Objective",
    "ObjectiveSettings",
    "Passes",
    "SmoothAdv",
    "SmoothMix",
    "Stability",
    "Term",
    "WeightedSum",
    "describe",
]

ObjectiveSettings: TypeAlias = Annotated[SingleObjective | WeightedSum, Field(discriminator="name")]
"""Any objective, told apart by `name` in a configuration."""


def describe() -> Iterator[tuple[str, str]]:
    """Yield name and first line of each objective."""
    for kind in (*get_args(get_args(SingleObjective)[0]), WeightedSum):
        yield kind.model_fields["name"].default, (kind.__doc__ or "").strip().partition("\n")[0]
