"""The contract of a noise: how it is drawn, and what a classifier smoothed by it is certified against.

For g: R^d → [0,1]^K and u(x) = E g(x + ξ), with p_A a lower bound of the top class's share at x and p_B an
upper bound of every other one's, the top class stays on top for all δ with ‖δ‖ < `radius(p_A, p_B)`, in the
noise's native norm ‖·‖. The noise is one fixed law for all inputs: chosen per input, nothing would hold.

A noise is drawn on a lattice (`heatproof.noise.lattice`): its unit is `scale`·2^−`resolution_bits` or finer.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float, Float64, Shaped
from torch import Tensor

from heatproof._check import check_number
from heatproof._specification import Specification

__all__ = ["Noise", "check_order", "shares"]


class Noise(Specification, ABC):
    """Base of all noises; a final subclass is its own settings, told apart by its field `name`.

    Class data: `norm` is the norm of the native radius ("l1", "l2" or "mahalanobis"); `resolution_bits` says
    how finely the lattice resolves it; `largest` is a proved bound of |values| that `fill` can give on any
    device; `dyadic` says that `fill` gives exact multiples of 2^−`resolution_bits` (or what rounds to them
    without ties), for which the unit must be exactly scale·2^−`resolution_bits`, whatever the data's grid.
    """

    norm: ClassVar[str]
    resolution_bits: ClassVar[int]
    dyadic: ClassVar[bool] = False

    @property
    @abstractmethod
    def scale(self) -> float:
        """The length that the lattice resolves, in input units, > 0."""

    @property
    @abstractmethod
    def largest(self) -> float:
        """A bound of |values| after `fill`: no coordinate of the noise exceeds `largest`·`scale`."""

    @abstractmethod
    def fill(self, values: Float[Tensor, "rows *drawn"], generator: torch.Generator) -> None:
        """Overwrite `values` with noise / scale: independent rows of shape `drawn_shape`, float32."""

    def fill_rounded(
        self,
        values: Float[Tensor, "rows *drawn"],
        factor: float,  # noqa: ARG002 - for those that round
        generator: torch.Generator,
    ) -> None:
        """Overwrite `values` with noise / scale, rounded to multiples of 1/factor as float32 has them.

        So round(values·factor) are the whole numbers that were drawn. This is what certificates are sampled
        from; a noise whose `fill` is not rounded without ties overrides it. Here it is `fill`: right for
        `dyadic` noises, and for noise that is added elsewhere than on the lattice.
        """
        self.fill(values, generator)

    @abstractmethod
    def radius(self, p_lower: float, p_upper: float | None = None) -> float:
        """Return the certified native radius, 0 where there is none; `p_upper` is 1 − p_lower if not given.

        Errors: `InputError` for numbers outside [0, 1].
        """

    @abstractmethod
    def _first_guess(self, radius: float) -> float:
        """Return the p with radius(p) = `radius` up to rounding; 1 where there is none."""

    @abstractmethod
    def radii(self, radius: float, dimension: int) -> dict[str, float]:
        """Return the radii per norm that the native one implies, largest valid ones known, in input units."""

    @abstractmethod
    def radius_in(self, p_norm: float, radius: float, dimension: int) -> float:
        """Return the radius in ℓp, 1 ≤ p ≤ ∞, that the native one implies. Errors: `InputError`."""

    @abstractmethod
    def half_cell(self, dimension: int, unit: float) -> float:
        """Return the largest native length of a vector with entries of at most unit/2."""

    @abstractmethod
    def length(self, off: Float64[Tensor, "batch d"]) -> Float64[Tensor, " batch"]:
        """Return the native norm of each row."""

    @abstractmethod
    def describe(self) -> str:
        """Say in a few words which noise it is, with its numbers."""

    def threshold(self, radius: float) -> float:
        """Return the least p, up to rounding, with `self.radius(p) >= radius` as floating-point numbers.

        That holds for the number returned, not only in real arithmetic. 1 where nothing less suffices, even
        if 1 does not: no lower bound from samples is 1.
        """
        if radius == math.inf:
            return 1.0
        check_number("radius", radius, at_least=0)
        guess = min(1.0, max(0.5, self._first_guess(radius)))
        step = 2.0**-53
        while guess < 1 and self.radius(guess) < radius:
            guess, step = min(1.0, guess + step), 2 * step
        return guess

    def check_event(self, event_shape: torch.Size) -> None:
        """Raise `InputError` if the noise does not fit inputs of this shape; most fit all."""

    def drawn_shape(self, event_shape: torch.Size) -> torch.Size:
        """Return the shape of the random numbers of one draw: that of an input, if not overridden."""
        return event_shape

    def perturb(
        self,
        codes: Shaped[Tensor, "*event"],
        values: Float[Tensor, "rows *drawn"],
        add: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """Return what the model gets for one input: `add(codes, values)`, the sum on the lattice.

        `values` were filled by `fill` and may be overwritten. A noise that also enters the model elsewhere
        overrides this.
        """
        return add(codes, values)


def shares(p_lower: float, p_upper: float | None) -> tuple[float, float]:
    """Return checked (p_A, p_B)."""
    top = check_number("p_lower", p_lower, at_least=0, at_most=1)
    rest = 1.0 - top if p_upper is None else check_number("p_upper", p_upper, at_least=0, at_most=1)
    return top, rest


def check_order(p_norm: float) -> float:
    """Return the order of an ℓp norm, 1 ≤ p ≤ ∞."""
    if p_norm == math.inf:
        return math.inf
    return check_number("p_norm", p_norm, at_least=1)
