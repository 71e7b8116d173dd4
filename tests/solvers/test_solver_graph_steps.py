"""Steps of heat flow on graphs: the monotone bound, the series, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import ive
from scipy.stats import poisson

from cases.graphs import GRAPHS
from heatproof.equation import Graph, GraphProblem
from heatproof.errors import InputError
from heatproof.solvers import GraphExact, GraphExplicit, GraphImplicit, GraphUniformisation
from heatproof.solvers.graph.exact import chebyshev_coefficients
from heatproof.solvers.graph.uniformisation import poisson_weights

CYCLE = GRAPHS[1].graph
SPIKE = GraphProblem(CYCLE, torch.eye(12, dtype=torch.float64), diffusivity=2.0, time=3.0)
Z = [1e-12, 1e-3, 0.7, 5.0, 80.0, 3e3, 1e5]


def test_a_step_above_the_monotone_bound_is_refused_with_the_longest_allowed() -> None:
    assert GraphExplicit(time_step=0.25).solve(SPIKE).success  # κ = ½ = the bound
    with pytest.raises(InputError, match=r"time_step 0\.26, κ = .* 0\.52 .*time_step = 0\.25;.*split=True"):
        GraphExplicit(time_step=0.26).solve(SPIKE)


def test_split_takes_as_few_monotone_steps_as_will_do() -> None:
    for time_step, steps in ((3.0, 12), (1.0, 12), (0.3, 20), (0.25, 12), (0.1, 30)):
        solution = GraphExplicit(time_step=time_step, split=True).solve(SPIKE)
        assert solution.numbers["steps"] == steps
        assert solution.numbers["kappa"] <= CYCLE.monotone_step * (1 + 1e-12)
        assert float(solution.values.min()) >= 0


def test_a_stable_step_above_the_bound_leaves_the_range() -> None:
    star = Graph.from_edges(torch.tensor([[0, 0, 0, 0], [1, 2, 3, 4]]), undirected=True)
    kappa = 0.9 * star.stable_step
    assert star.monotone_step < kappa
    u = torch.zeros(5, 1, dtype=torch.float64)
    u[0] = 1
    stepped = u - kappa * star.laplacian(u)
    assert float(stepped.min()) < -0.1
    assert float(stepped.norm()) <= float(u.norm())


@pytest.mark.parametrize("step", [0.01, 1.0, 100.0, 1e6])
def test_implicit_steps_of_any_length_keep_the_range_and_are_solved_to_their_bound(step: float) -> None:
    problem = GraphProblem(CYCLE, SPIKE.initial, time=step)
    solution = GraphImplicit(time_step=step).solve(problem)
    matrix = torch.eye(12, dtype=torch.float64) + step * CYCLE.laplacian(SPIKE.initial)
    exact = torch.linalg.solve(matrix, SPIKE.initial)
    assert solution.success
    assert float((solution.values - exact).abs().max()) <= solution.numbers["error_bound"] + 1e-9
    assert float(solution.values.min()) >= -1e-12
    assert float(solution.values.max()) <= 1 + 1e-12


def test_what_remains_of_the_linear_systems_adds_up_over_the_steps() -> None:
    solver, half = GraphImplicit(time_step=0.5), replace(SPIKE, time=0.5)
    first = solver.solve(half)
    second = solver.solve(replace(half, initial=first.values))
    both = solver.solve(SPIKE, t=1.0)
    assert torch.equal(both.values, second.values)
    parts = [found.numbers["error_bound"] for found in (first, second)]
    assert min(parts) > 0
    assert both.numbers["error_bound"] == sum(parts)


def test_an_implicit_step_that_rounding_defeats_says_so() -> None:
    line = torch.arange(199)
    exponents = 14 * torch.rand(199, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    stiff = Graph.from_edges(torch.stack([line, line + 1]), 10.0**exponents, undirected=True)
    values = torch.arange(200, dtype=torch.float64)[:, None] % 2
    solution = GraphImplicit(time_step=1.0).solve(GraphProblem(stiff, values))
    assert not solution.success
    assert "shorter steps" in solution.sentence
    assert GraphImplicit(time_step=1e-8).solve(GraphProblem(stiff, values, time=1e-8)).success


@pytest.mark.parametrize("z", Z)
@pytest.mark.parametrize("tolerance", [1e-1, 1e-7, 1e-13])
def test_chebyshev_tail_is_bounded_and_the_series_is_the_exponential(z: float, tolerance: float) -> None:
    coefficients, bound = chebyshev_coefficients(z, tolerance)
    terms = len(coefficients)
    left_out = 2 * float(ive(np.arange(terms, 3 * terms + 60), z).sum())
    assert left_out <= bound * (1 + 1e-9) + 1e-300
    assert bound <= tolerance
    y = np.cos(np.linspace(0, math.pi, 41))
    series = np.polynomial.chebyshev.chebval(y, coefficients)
    assert np.abs(series - np.exp(-z * (1 + y))).max() <= 2 * bound + 1e-12
    assert series[-1] == pytest.approx(1.0, abs=1e-12)  # y = −1, the constants


def test_ratios_of_bessel_functions_are_below_their_bound() -> None:
    for z in Z:
        k = np.arange(40)
        ratio = ive(k + 1, z) / np.maximum(ive(k, z), 1e-300)
        assert (ratio <= z / (k + 0.5 + np.sqrt(z**2 + (k + 0.5) ** 2)) * (1 + 1e-9)).all()


@pytest.mark.parametrize("mean", [1e-9, 0.4, 12.0, 900.0, 2e5])
@pytest.mark.parametrize("tolerance", [1e-1, 1e-7, 1e-13])
def test_poisson_weights(mean: float, tolerance: float) -> None:
    weights, tail = poisson_weights(mean, tolerance)
    assert tail == pytest.approx(poisson.sf(len(weights) - 1, mean), rel=1e-9)
    assert tail <= tolerance
    assert min(weights) >= 0
    assert sum(weights) == pytest.approx(1.0, abs=1e-12)
    law = poisson.pmf(np.arange(len(weights)), mean)
    assert np.allclose(weights, law / law.sum(), rtol=1e-7, atol=1e-15)


@pytest.mark.parametrize("mean", [1e-9, 0.4, 12.0, 900.0, 2e5, 9e5])
def test_poisson_weights_have_their_characteristic_function(mean: float) -> None:
    """Σ_k P[k]e^{ikθ} = exp(mean·(e^{iθ} − 1)), at θ = 1/deviation: ln k! would lose digits."""
    weights, _ = poisson_weights(mean, 1e-13)
    theta = 1 / math.sqrt(mean + 1)
    found = np.asarray(weights) @ np.exp(1j * theta * np.arange(len(weights)))
    exact = np.exp(mean * complex(-2 * math.sin(theta / 2) ** 2, math.sin(theta)))
    assert abs(found - exact) < 2e-12


@pytest.mark.parametrize("tolerance", [1e-30, 1e-300, 5e-324])
def test_tolerances_below_rounding_are_met(tolerance: float) -> None:
    for size in (1e-300, 0.5, 30.0, 1e3):
        assert chebyshev_coefficients(size, tolerance)[1] <= tolerance
        assert poisson_weights(size, tolerance)[1] <= tolerance


def test_what_would_never_end_is_refused() -> None:
    endless = GraphProblem(CYCLE, SPIKE.initial, time=1e14)
    for solver in (
        GraphExplicit(time_step=0.1),
        GraphExplicit(time_step=1e14, split=True),
        GraphImplicit(time_step=0.1),
        GraphExact(),
        GraphUniformisation(),
    ):
        with pytest.raises(InputError, match=r"steps|terms"):
            solver.solve(endless)


@pytest.mark.parametrize(
    "nodes",
    [
        torch.tensor([12]),
        torch.tensor([-1]),
        torch.tensor([0.0]),
        torch.tensor([[0, 1]]),
        torch.tensor(3),
        torch.zeros(0, dtype=torch.int64),
    ],
    ids=["beyond", "negative", "float", "two columns", "scalar", "none"],
)
def test_bad_nodes(nodes: torch.Tensor) -> None:
    with pytest.raises(InputError, match=r"node numbers 0…11"):
        GraphExact().solve(SPIKE, nodes)


def test_bad_times_and_settings() -> None:
    for t in (-0.1, 3.1, math.nan):
        with pytest.raises(InputError, match="t: got"):
            GraphExact().solve(SPIKE, t=t)
    with pytest.raises(InputError, match="time_step"):
        GraphExplicit(time_step=0.0)
    with pytest.raises(InputError, match="tolerance"):
        GraphExact(tolerance=0.5)
    with pytest.raises(InputError, match="steps"):
        GraphExplicit(time_step=1.0, steps=3)  # type: ignore[call-arg]
