"""What the attack on a classifier found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from heatproof._intervals import Interval, proportion

__all__ = ["AttackResult"]


@final
@dataclass(frozen=True, eq=False, repr=False)
class AttackResult:
    """One row for each attacked input; every point is inside the budget, found or not.

    `adversarial` (batch, *event): the point found, else the best candidate; a natural error stays where it
    is. `success` (batch,): the model is wrong at that point. `natural_correct` (batch,): it is right at the
    input itself. `distance` (batch,) float64: the perturbation's norm, in the unit of the inputs. `label`
    (batch,) int64: the class predicted at that point.
    """

    adversarial: Float[Tensor, "batch *event"]
    success: Bool[Tensor, " batch"]
    natural_correct: Bool[Tensor, " batch"]
    distance: Float64[Tensor, " batch"]
    label: Int64[Tensor, " batch"]
    norm: str
    radius: float

    def __repr__(self) -> str:
        return (
            f"AttackResult({self.norm}, radius {self.radius:g}: natural accuracy {self.natural_accuracy}, "
            f"robust accuracy {self.robust_accuracy})"
        )

    @property
    def natural_accuracy(self) -> Interval:
        """The share of inputs classified correctly, with its 95 % Clopper–Pearson interval."""
        return proportion(int(self.natural_correct.sum()), len(self.natural_correct))

    @property
    def robust_accuracy(self) -> Interval:
        """The share of inputs that stay correct under this attack, with its 95 % interval over inputs.

        An upper bound of the true robust accuracy: a stronger attack may find more.
        """
        return proportion(int((~self.success).sum()), len(self.success))
