"""The exact Laplacian by automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from heatproof.equation.laplacian._estimator import Estimator, check_points
from heatproof.equation.laplacian.exact import ROWS, chunk_of, sum_over

__all__ = ["Autodiff"]


@final
class Autodiff(Estimator):
    """The trace of the Hessian, exact: Σ_i ∂²u/∂x_i², along all axes by `second_derivatives`.

    Fields:
        rows: how many rows of derivatives (axes times points) are carried at a time.
        allow_kinks: take the part off the kinks of a u that has some, instead of refusing it. For a
            piecewise-linear network it is 0 for logits; for probabilities it is not, and misses the larger
            part, which lies on the kinks.

    Cost: u on about d + 2 rows for each point (collapsed Taylor mode), against 2d + 1 evaluations of `axes`;
    some 4d for each value of u where it calls functions that are not carried. Memory: that of `rows` rows,
    never a d×d matrix (with gradients, of all d + 2). Bias and variance: none, but for rounding. Stability:
    no space_step bounds the explicit step, and none makes it monotone, as it is no average of values.

    Errors: those of `second_derivatives`; a network with kinks is refused.
    """

    name: Literal["autodiff"] = "autodiff"
    rows: int = Field(ROWS, ge=1)
    allow_kinks: bool = False

    @property
    def random(self) -> bool:
        """No."""
        return False

    def estimate(
        self,
        u: Callable[[Tensor], Tensor],
        x: Float[Tensor, "batch *event"],
        space_step: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "batch values"]:
        """Return Δu at each row of x; `space_step` and `generator` are not used."""
        del space_step, generator
        check_points(x)
        return sum_over(u, x, _axes(x, chunk_of(self.rows, x)), allow_kinks=self.allow_kinks)


def _axes(x: Tensor, count: int) -> Iterator[Tensor]:
    """Yield the axes of the space of x, so many at a time, (count, 1, *event)."""
    dimension = x[0].numel()
    for start in range(0, dimension, count):
        places = torch.arange(start, min(start + count, dimension), device=x.device)
        axes = torch.zeros(len(places), dimension, dtype=x.dtype, device=x.device)
        axes[torch.arange(len(places), device=x.device), places] = 1
        yield axes.reshape(-1, 1, *x.shape[1:])
