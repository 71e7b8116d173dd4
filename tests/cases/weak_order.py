"""Weak errors of path schemes without sampling error: the mean over one step is done by quadrature.

All coefficients have period 2π in every coordinate, so the mean of f at the ends of paths has it too, and a
trigonometric polynomial carries it from step to step. The truth is the same equation by Fourier
differentiation and an integrator of order 8 at tolerance 1e-12.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from heatproof.equation import Problem

__all__ = ["Step", "Torus", "gauss_hermite", "with_coin"]

Step: TypeAlias = Callable[[Problem, Tensor, float, float, Tensor], Tensor]
Rule: TypeAlias = tuple[Tensor, Tensor]
"""Nodes (Q, normals) and weights (Q,) of the mean over one step's normals."""


@dataclass(frozen=True)
class Torus:
    """The torus (0, 2π)^d, an odd number of nodes an axis."""

    nodes: int
    dimension: int

    @property
    def points(self) -> Tensor:
        axis = torch.arange(self.nodes, dtype=torch.float64) * (2 * math.pi / self.nodes)
        return torch.cartesian_prod(*[axis] * self.dimension).reshape(-1, self.dimension)

    @property
    def frequencies(self) -> Tensor:
        one = torch.fft.fftfreq(self.nodes, 1 / self.nodes, dtype=torch.float64)
        return torch.cartesian_prod(*[one] * self.dimension).reshape(-1, self.dimension)

    def waves(self, x: Tensor) -> Tensor:
        return torch.exp(1j * (x @ self.frequencies.T))

    def coefficients(self, values: Tensor) -> Tensor:
        grid = values.to(torch.complex128).reshape([self.nodes] * self.dimension)
        transformed: Tensor = torch.fft.fftn(grid, norm="forward")
        return transformed.flatten()

    def truth(self, problem: Problem, t: float) -> Tensor:
        """Return u(x, t) at the nodes."""
        x, frequencies = self.points, self.frequencies

        def slope(now: float, values: Any) -> Any:
            bend = torch.einsum("bij,ki,kj->bk", problem.diffusion.matrix(x, now), frequencies, frequencies)
            symbol = 1j * (problem.velocity(x, now) @ frequencies.T) - bend
            return ((self.waves(x) * symbol) @ self.coefficients(torch.from_numpy(values))).real.numpy()

        begin = problem.initial_values(x)[:, 0].numpy()
        done = solve_ivp(slope, (problem.start, t), begin, method="DOP853", rtol=1e-12, atol=1e-13)
        assert done.success
        return torch.from_numpy(done.y[:, -1])

    def mean(self, problem: Problem, t: float, steps: int, step: Step, rule: Rule) -> Tensor:
        """Return E f(X) at the nodes, for paths of so many steps from t down to the start."""
        nodes, weights = rule
        values, size = problem.initial_values(self.points)[:, 0], (t - problem.start) / steps
        starts = self.points.repeat_interleave(len(nodes), dim=0)
        for number in reversed(range(steps)):  # the last step of the path acts on f first
            ends = step(problem, starts, t - number * size, size, nodes.repeat(len(self.points), 1))
            there = (self.waves(ends) @ self.coefficients(values)).real
            values = there.view(-1, len(nodes)) @ weights
        return values

    def orders(
        self, problem: Problem, t: float, step: Step, rule: Rule, counts: tuple[int, ...]
    ) -> list[float]:
        """Return the observed orders between numbers of steps, each twice the one before."""
        truth = self.truth(problem, t)
        errors = [float((self.mean(problem, t, n, step, rule) - truth).abs().max()) for n in counts]
        return [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]


def gauss_hermite(count: int, dimension: int = 1) -> Rule:
    """Return the nodes and weights of the mean over standard normals."""
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.hermite_e.hermegauss(count))
    weights = weights / weights.sum()
    points = torch.cartesian_prod(*[nodes] * dimension).reshape(-1, dimension)
    products = torch.cartesian_prod(*[weights] * dimension).reshape(-1, dimension)
    return points, products.prod(dim=1)


def with_coin(rule: Rule, heads: float = 0.5) -> Rule:
    """Return the rule with one more normal, of which only the sign counts."""
    nodes, weights = rule
    coin = torch.cat([torch.ones(len(nodes), 1), -torch.ones(len(nodes), 1)]).double()
    return torch.cat([nodes.repeat(2, 1), coin], dim=1), torch.cat([heads * weights, (1 - heads) * weights])
