"""Training losses, one file each; each is its own settings and its own function."""

from typing import Annotated, TypeAlias

from pydantic import Field

from heatproof.objectives._objective import Losses, Objective
from heatproof.objectives.convection_diffusion import ConvectionDiffusion
from heatproof.objectives.gaussian_augmentation import GaussianAugmentation
from heatproof.objectives.natural import Natural

__all__ = [
    "ConvectionDiffusion",
    "GaussianAugmentation",
    "Losses",
    "Natural",
    "Objective",
    "ObjectiveSettings",
]

ObjectiveSettings: TypeAlias = Annotated[
    ConvectionDiffusion | GaussianAugmentation | Natural, Field(discriminator="name")
]
"""Any objective, told apart by `name` in a configuration."""
