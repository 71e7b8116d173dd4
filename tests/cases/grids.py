"""Flows, domains and tables of values for the tests of solvers on grids."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from heatproof.equation import (
    Domain,
    FullDiffusion,
    FunctionVelocity,
    LinearVelocity,
    Problem,
)
from heatproof.equation.domain import Boundary
from heatproof.equation.problem import InitialValue
from heatproof.solvers import GridSolver

__all__ = ["at_nodes", "box", "cellular", "observed", "ridge", "table", "wind"]


def box(dimension: int = 2, boundary: Boundary = "periodic", side: float = 2 * math.pi) -> Domain:
    """Return [0, side]^d."""
    return Domain((0.0,) * dimension, (side,) * dimension, boundary)


def wind(*speeds: float) -> LinearVelocity:
    """Return a constant velocity."""
    size = len(speeds)
    return LinearVelocity([[0.0] * size] * size, list(speeds))


def cellular(strength: float = 1.0) -> FunctionVelocity:
    """Return (−∂ψ/∂y, ∂ψ/∂x) for ψ = sin x · sin 2y + cos(x + y): periodic, div v = 0."""

    def velocity(x: Tensor, _: object) -> Tensor:
        a, b = x[:, 0], x[:, 1]
        along = -2 * a.sin() * (2 * b).cos() + (a + b).sin()
        across = a.cos() * (2 * b).sin() - (a + b).sin()
        return strength * torch.stack([along, across], dim=1)

    return FunctionVelocity(velocity, divergence_free=True)


def ridge(direction: Sequence[float], rest: float) -> FullDiffusion:
    """Return A = e eᵀ + rest·I: correlated, and degenerate for rest = 0."""
    e = torch.tensor(direction, dtype=torch.float64)
    return FullDiffusion(torch.outer(e, e) + rest * torch.eye(len(e), dtype=torch.float64))


def table(domain: Domain, values: Tensor) -> InitialValue:
    """Return the function that has these values (*shape, K) at the nodes of a grid, for nodes only."""
    periodic = domain.boundary == "periodic"
    cells = torch.tensor([count - (not periodic) for count in values.shape[:-1]])

    def look_up(x: Tensor) -> Tensor:
        low, lengths = torch.tensor(domain.low), torch.tensor(domain.lengths)
        index = ((x - low) / lengths * cells).round().long()
        index = index % cells if periodic else index.clamp_min(0)
        found: Tensor = values[tuple(index.T)]
        return found

    return look_up


def at_nodes(solver: GridSolver, problem: Problem, t: float | None = None) -> np.ndarray:
    """Return the values at all nodes, (nodes, K)."""
    end = problem.time if t is None else t
    values: np.ndarray = solver.frames(problem, [end]).values[0]
    return values.reshape(len(values), -1).T


def observed(
    solver: GridSolver,
    problem: Problem,
    exact: Callable[[Tensor], Tensor],
    points: Tensor | None = None,
) -> float:
    """Return the order from the solver to the one with half its steps, by mean errors at the end.

    At given points, or at the nodes of the coarse grid.
    """
    x = solver.nodes(problem) if points is None else points
    errors = []
    for method in (solver, solver.refined(2)):
        found = method.solve(problem, x)
        assert found.success, found.sentence
        errors.append(float((found.values - exact(x)).abs().mean()))
    return math.log2(errors[0] / errors[1])
