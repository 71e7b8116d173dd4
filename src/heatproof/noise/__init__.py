"""Noises: keyed sampling, the lattice that makes sums exact, and what each noise certifies."""

from collections.abc import Iterator
from typing import Annotated, TypeAlias, get_args

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
    "describe",
]

AnyNoise: TypeAlias = Annotated[
    Gaussian | AnisotropicGaussian | Uniform | Laplace | InteriorDiffusion, Field(discriminator="name")
]
"""Any noise, told apart by `name` in a configuration."""


def describe() -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Yield name, first line, native norm and fields of each noise."""
    for kind in get_args(get_args(AnyNoise)[0]):
        fields = tuple(name for name in kind.model_fields if name != "name")
        summary = (kind.__doc__ or "").strip().partition("\n")[0]
        yield kind.model_fields["name"].default, summary, kind.norm, fields
