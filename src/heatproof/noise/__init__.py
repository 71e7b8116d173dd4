"""Noises: keyed sampling, the lattice that makes sums exact, and what each noise certifies."""

from typing import Annotated, TypeAlias

from pydantic import Field

from heatproof.noise._noise import Noise
from heatproof.noise.anisotropic import AnisotropicGaussian
from heatproof.noise.gaussian import Gaussian
from heatproof.noise.interior import InteriorDiffusion
from heatproof.noise.laplace import Laplace
from heatproof.noise.lattice import Lattice
from heatproof.noise.uniform import Uniform

__all__ = [
    "AnisotropicGaussian",
    "AnyNoise",
    "Gaussian",
    "InteriorDiffusion",
    "Laplace",
    "Lattice",
    "Noise",
    "Uniform",
]

AnyNoise: TypeAlias = Annotated[
    Gaussian | AnisotropicGaussian | Uniform | Laplace | InteriorDiffusion, Field(discriminator="name")
]
"""Any noise, told apart by `name` in a configuration."""
