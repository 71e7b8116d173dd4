"""Where an operator is asked: points, times, functions, and how hard the search tries."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_inputs, check_number, check_whole, message
from heatproof.errors import InputError
from heatproof.theory.axioms._functions import Family, Parameters
from heatproof.theory.axioms._search import Effort

__all__ = ["Arena"]


@dataclass(frozen=True)
class Arena:
    """Points (B, *event) and times start < middle < end at which T_{end,start} is asked.

    The search moves each point by at most `reach` in each coordinate (a half of the points' spread if left
    out). The limits η → 0 of locality and regularity begin at time `start` with η = `step` and halve it
    `halvings` times. `functions` is K, the number of test functions at once; `radius` the distance within
    which two functions are equal "near x" (half the spread times √d, half the way to a typical other point,
    if left out).
    Errors: `InputError` for points that are not finite, times out of order, numbers that are not positive.
    """

    points: Float[Tensor, "batch *event"]
    start: float = 0.0
    middle: float = 0.5
    end: float = 1.0
    step: float = 0.1
    halvings: int = 6
    reach: float | None = None
    radius: float | None = None
    functions: int = 12
    effort: Effort = field(default_factory=Effort)
    seed: int = 0

    def __post_init__(self) -> None:
        check_inputs("points", self.points)
        check_number("start", self.start)
        check_number("middle", self.middle, above=self.start)
        check_number("end", self.end, above=self.middle)
        check_number("step", self.step, above=0, at_most=self.end - self.start)
        check_whole("halvings", self.halvings, at_least=3)
        check_whole("functions", self.functions, at_least=3)
        check_whole("seed", self.seed, at_least=0)
        for name in ("reach", "radius"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), above=0)
        if self.reach is None and self.spread == 0:
            raise InputError(message("points", "one point", "several points, or a reach"), name="points")

    @property
    def spread(self) -> float:
        """The root mean square of the coordinates around their means."""
        flat = self.points.flatten(1)
        return float((flat - flat.mean(dim=0)).square().mean().sqrt())

    @property
    def scale(self) -> float:
        """The length by which functions are scaled: the spread, or the reach of a single point."""
        return self.spread or float(self.reach or 1.0)

    @property
    def near(self) -> float:
        """The distance within which functions are equal near x."""
        return self.radius or 0.5 * self.scale * math.sqrt(self.points[0].numel())

    @property
    def family(self) -> Family:
        """The test functions."""
        return Family(self.points.flatten(1).mean(dim=0), self.scale, self.functions)

    @property
    def generator(self) -> torch.Generator:
        """A generator at its beginning."""
        return torch.Generator().manual_seed(self.seed)

    @property
    def steps(self) -> list[float]:
        """The η = step·2^−j, j = 0 … halvings."""
        return [self.step / 2**number for number in range(self.halvings + 1)]

    def draw_points(self, generator: torch.Generator) -> Tensor:
        """Return the free parameters of the points."""
        return 0.5 * torch.randn(self.points.shape, generator=generator, dtype=torch.float64).to(self.points)

    def place(self, parameters: Parameters) -> Float[Tensor, "batch *event"]:
        """Return the points for their parameters: within `reach` of where they began."""
        reach = self.scale / 2 if self.reach is None else self.reach
        return self.points + reach * parameters["x"].tanh()

    def draw(self, generator: torch.Generator) -> Parameters:
        """Return random parameters of functions and points."""
        return {**self.family.draw(generator), "x": self.draw_points(generator)}
