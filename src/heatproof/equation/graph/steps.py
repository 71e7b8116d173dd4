"""Steps of heat flow on a graph, each one differentiable map of all node values: the sums themselves.

Nothing here decides how many steps to take: the solvers and the networks do, and they check bounds.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof.equation.graph._action import symmetric_action
from heatproof.equation.graph.graph import Graph

__all__ = ["explicit_steps", "implicit_steps", "monotone_steps"]

_MOST_ITERATIONS = 10_000
_ROUNDING = 1 + 1e-12


def monotone_steps(graph: Graph, time: float) -> int:
    """Return the fewest equal explicit steps that are each within `Graph.monotone_step`, at least 1."""
    return max(1, math.ceil(time / graph.monotone_step / _ROUNDING))


def explicit_steps(
    graph: Graph, u: Float[Tensor, "nodes values"], kappa: float, steps: int
) -> Float[Tensor, "nodes values"]:
    """Return (I − κ𝓛)^steps u, forward Euler. Cost: edges·K a step, the same again for a gradient.

    The bound on κ is not checked: beyond `Graph.monotone_step` values leave their range.
    """

    def walk(values: Tensor) -> Tensor:
        for _ in range(steps):
            values = graph.step(values, kappa)
        return values

    return symmetric_action(walk, u)


def implicit_steps(
    graph: Graph, u: Float[Tensor, "nodes values"], kappa: float, steps: int
) -> tuple[Float[Tensor, "nodes values"], float]:
    """Return (I + κ𝓛)^{−steps} u, backward Euler, and what remains of all systems together.

    Each system is solved by conjugate gradients to 64 roundings of a column's largest value. What remains
    is the sum over the steps of the largest residual: a bound of the error at any node, as
    ‖(I + κ𝓛)⁻¹‖ ≤ 1 in the largest-value norm. Cost: about 30·√(1 + κλ_max)·edges·K a step.
    """
    left: list[float] = []
    tolerance = 64 * torch.finfo(u.dtype).eps

    def walk(values: Tensor) -> Tensor:
        for _ in range(steps):
            values, remains = _implicit_step(graph, kappa, values, tolerance)
            left.append(remains)
        return values

    values = symmetric_action(walk, u)
    return values, sum(left)


def _implicit_step(graph: Graph, kappa: float, u: Tensor, tolerance: float) -> tuple[Tensor, float]:
    """Return (I + κ𝓛)⁻¹u by conjugate gradients from u, a column each, and the largest residual."""
    wanted = tolerance * u.abs().amax(dim=0)
    solution, residual = u, -kappa * graph.laplacian(u)
    direction, square = residual, residual.square().sum(dim=0)
    for _ in range(_MOST_ITERATIONS):
        open_columns = residual.abs().amax(dim=0) > wanted
        if not bool(open_columns.any()):
            break
        image = direction + kappa * graph.laplacian(direction)
        length = _ratio(square, (direction * image).sum(dim=0), open_columns)
        solution, residual = solution + length * direction, residual - length * image
        previous, square = square, residual.square().sum(dim=0)
        direction = residual + _ratio(square, previous, open_columns) * direction
    remains = u - solution - kappa * graph.laplacian(solution)
    return solution, float(remains.abs().max())


def _ratio(above: Tensor, below: Tensor, where: Tensor) -> Tensor:
    """Return above/below where asked for, else 0."""
    return torch.where(where, above / torch.where(where, below, 1), 0)
