"""The constants of a class of base classifiers that its complexity bounds need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_inputs, check_number, check_whole

__all__ = ["ClassConstants", "constants_of"]


@final
@dataclass(frozen=True)
class ClassConstants:
    """b_w, b_x, d and b of F = {x ↦ ρ(w·x) : ‖w‖₁ ≤ b_w} on ‖x‖_∞ ≤ b_x, x in d dimensions; ρ 1-Lipschitz.

    `value_bound` is b ≥ |ρ|; left out, ρ is unbounded (the plain linear class). A complexity does not see
    constants, R_S(F) = R_S(F − ρ(0)), and |ρ(w·x) − ρ(0)| ≤ b_w·b_x: one of F and F − ρ(0) is within
    ± `size` = min(b, b_w·b_x), and R_S(F) ≤ size always. Errors: `InputError` for a number that is not
    positive and finite, or a product b_w·b_x that is no such float.
    """

    weight_bound: float
    input_bound: float
    dimension: int
    value_bound: float | None = None

    def __post_init__(self) -> None:
        advice = "Drop what is zero: a class without weights or inputs has complexity 0."
        check_number("weight_bound", self.weight_bound, above=0, advice=advice)
        check_number("input_bound", self.input_bound, above=0, advice=advice)
        check_number("weight_bound × input_bound", self.reach, above=0, advice="Rescale.")
        check_number("dimension", check_whole("dimension", self.dimension))
        if self.value_bound is not None:
            check_number("value_bound", self.value_bound, above=0)

    @property
    def reach(self) -> float:
        """b_w·b_x, how far ρ(w·x) can be from ρ(0)."""
        return self.weight_bound * self.input_bound

    @property
    def size(self) -> float:
        """min(b, b_w·b_x), the trivial bound of the complexity."""
        return self.reach if self.value_bound is None else min(self.value_bound, self.reach)

    def to_mapping(self) -> dict[str, float]:
        """Return the constants by name, without b where ρ is unbounded."""
        found = {
            "weight_bound": float(self.weight_bound),
            "input_bound": float(self.input_bound),
            "dimension": float(self.dimension),
        }
        return found if self.value_bound is None else found | {"value_bound": float(self.value_bound)}


def constants_of(
    x: Float[Tensor, "rows *event"], weight_bound: float, value_bound: float | None = None
) -> ClassConstants:
    """Return the constants with b_x = max ‖x_i‖_∞ and d measured on the inputs.

    Errors: `InputError` for inputs that are empty or all zero, `DataError` if they are not finite.
    """
    points = check_inputs("x", x)
    return ClassConstants(weight_bound, float(points.detach().abs().max()), points[0].numel(), value_bound)
