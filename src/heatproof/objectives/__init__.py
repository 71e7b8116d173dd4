"""Training losses, one file each; each is its own settings and its own function."""

from collections.abc import Iterator
from typing import Annotated, TypeAlias, get_args

from pydantic import Field

from heatproof.objectives._objective import Losses, Objective, Passes
from heatproof.objectives._single import SingleObjective
from heatproof.objectives.convection_diffusion import ConvectionDiffusion
from heatproof.objectives.gaussian_augmentation import GaussianAugmentation
from heatproof.objectives.natural import Natural
from heatproof.objectives.weighted_sum import Term, WeightedSum

__all__ = [
    "ConvectionDiffusion",
    "GaussianAugmentation",
    "Losses",
    "Natural",
    "Objective",
    "ObjectiveSettings",
    "Passes",
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
