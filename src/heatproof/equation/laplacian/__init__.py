"""Laplacian estimators: finite differences along axes, some axes or random directions; exact by autodiff."""

from typing import Annotated, TypeAlias

from pydantic import Field

from heatproof.equation.laplacian._differences import Differences
from heatproof.equation.laplacian._estimator import Estimator, estimate
from heatproof.equation.laplacian.autodiff import Autodiff
from heatproof.equation.laplacian.axes import Axes
from heatproof.equation.laplacian.coordinates import Coordinates
from heatproof.equation.laplacian.directions import Directions
from heatproof.equation.laplacian.exact import second_derivatives

__all__ = [
    "Autodiff",
    "Axes",
    "Coordinates",
    "DifferenceLaplacian",
    "Differences",
    "Directions",
    "Estimator",
    "Laplacian",
    "estimate",
    "second_derivatives",
]

DifferenceLaplacian: TypeAlias = Annotated[Axes | Directions | Coordinates, Field(discriminator="name")]
"""Any of the finite-difference estimators, told apart by `name` in a configuration."""

Laplacian: TypeAlias = Annotated[Axes | Directions | Coordinates | Autodiff, Field(discriminator="name")]
"""Any of the estimators, told apart by `name` in a configuration."""
