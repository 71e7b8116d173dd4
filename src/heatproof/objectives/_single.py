"""Every objective that is no sum of others: the union that configurations and sums tell apart by name."""

from typing import Annotated, TypeAlias

from pydantic import Field

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

__all__ = ["SingleObjective"]

SingleObjective: TypeAlias = Annotated[
    Adversarial
    | AdversarialDrift
    | Consistency
    | ConvectionDiffusion
    | GaussianAugmentation
    | InputGradientPenalty
    | MACER
    | Natural
    | SmoothAdv
    | SmoothMix
    | Stability
    | TRADES,
    Field(discriminator="name"),
]
