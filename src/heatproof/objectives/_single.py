"""Every objective that is no sum of others: the union that configurations and sums tell apart by name."""

from typing import Annotated, TypeAlias

from pydantic import Field

from heatproof.objectives.convection_diffusion import ConvectionDiffusion
from heatproof.objectives.gaussian_augmentation import GaussianAugmentation
from heatproof.objectives.natural import Natural

__all__ = ["SingleObjective"]

SingleObjective: TypeAlias = Annotated[
    ConvectionDiffusion | GaussianAugmentation | Natural, Field(discriminator="name")
]
