"""Heat flow on graphs: exact answers, observed orders, and every property that is stated."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from cases.graphs import GRAPHS, SpectralGraph
from heatproof.equation import Graph, GraphProblem
from heatproof.solvers import GraphExact, GraphExplicit, GraphImplicit, GraphSolver, GraphUniformisation

ROUNDING = 1e-12
SOLVERS: list[GraphSolver] = [
    GraphExplicit(time_step=0.1),
    GraphExplicit(time_step=0.8, split=True),
    GraphImplicit(time_step=0.1),
    GraphExact(),
    GraphUniformisation(),
    GraphUniformisation(tolerance=0.05),
]
EVERY = pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: solver.describe())
ON_EACH = pytest.mark.parametrize("case", GRAPHS, ids=lambda case: case.name)


def _values(nodes: int, seed: int = 0, columns: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(nodes, columns, generator=generator, dtype=torch.float64)


def _problem(graph: Graph, seed: int = 0) -> GraphProblem:
    return GraphProblem(graph, _values(graph.nodes, seed), diffusivity=0.5, time=1.6)


def _random_graph(nodes: int = 30) -> Graph:
    return Graph.nearest_neighbours(_values(nodes, seed=9), 4)


@ON_EACH
@pytest.mark.parametrize("solver", [GraphExact(), GraphUniformisation()], ids=lambda solver: solver.name)
@pytest.mark.parametrize("time", [1e-6, 0.3, 20.0, 2000.0])
def test_exact_flow_on_graphs_with_known_spectrum(
    case: SpectralGraph, solver: GraphSolver, time: float
) -> None:
    problem = GraphProblem(case.graph, _values(case.graph.nodes), time=time)
    solution = solver.solve(problem)
    error = float((solution.values - case.heat(problem.initial, time)).abs().max())
    assert error <= solution.numbers["error_bound"] + ROUNDING
    assert solution.numbers["error_bound"] < 1e-11


@ON_EACH
@pytest.mark.parametrize("kind", [GraphExact, GraphUniformisation])
@pytest.mark.parametrize("tolerance", [1e-1, 1e-3, 1e-6])
def test_the_error_bound_holds_and_one_a_thousandth_as_large_does_not(
    case: SpectralGraph, kind: type[GraphExact | GraphUniformisation], tolerance: float
) -> None:
    ratios = []
    for time in (0.5, 3.0, 30.0):
        problem = GraphProblem(case.graph, _values(case.graph.nodes), time=time)
        solution = kind(tolerance=tolerance).solve(problem)
        error = float((solution.values - case.heat(problem.initial, time)).abs().max())
        ratios.append(error / solution.numbers["error_bound"])
    assert max(ratios) <= 1 + 1e-5
    assert max(ratios) > 1e-3


@ON_EACH
def test_explicit_and_implicit_steps_multiply_eigenvectors_by_what_they_should(case: SpectralGraph) -> None:
    problem = GraphProblem(case.graph, case.basis, diffusivity=0.5, time=1.6)
    explicit = GraphExplicit(time_step=0.1).solve(problem).values
    implicit = GraphImplicit(time_step=0.1).solve(problem).values
    assert torch.allclose(explicit, case.basis * (1 - 0.05 * case.eigenvalues) ** 16, atol=ROUNDING)
    assert torch.allclose(implicit, case.basis * (1 + 0.05 * case.eigenvalues) ** -16, atol=ROUNDING)


@ON_EACH
@pytest.mark.parametrize("kind", [GraphExplicit, GraphImplicit])
def test_observed_order(case: SpectralGraph, kind: type[GraphExplicit | GraphImplicit]) -> None:
    problem = _problem(case.graph)
    exact = case.heat(problem.initial, 0.8)
    coarse = kind(time_step=0.02)
    errors = [
        float((coarse.refined(factor).solve(problem).values - exact).abs().max()) for factor in (1, 2, 4)
    ]
    orders = [math.log2(a / b) for a, b in pairwise(errors)]
    assert all(abs(order - 1.0) < 0.2 for order in orders), orders


@EVERY
def test_stated_properties(solver: GraphSolver) -> None:
    graph = _random_graph()
    problem, other = _problem(graph), _values(graph.nodes, seed=1)
    base = solver.solve(problem).values
    larger = solver.solve(problem.from_values(problem.initial + other.clamp(min=0.9) - 0.9)).values
    stated = solver.properties
    assert stated.words()
    assert not stated.monotone or bool((larger >= base - ROUNDING).all())
    low, high = problem.initial.amin(dim=0), problem.initial.amax(dim=0)
    assert not stated.keeps_range or bool(((base >= low - ROUNDING) & (base <= high + ROUNDING)).all())
    assert not stated.keeps_mass or torch.allclose(base.sum(0), problem.initial.sum(0), atol=ROUNDING)
    constant = solver.solve(problem.from_values(torch.full_like(problem.initial, 0.7))).values
    assert not stated.keeps_constants or torch.allclose(
        constant, torch.full_like(constant, 0.7), atol=ROUNDING
    )
    mixed = solver.solve(problem.from_values(2 * problem.initial - 3 * other)).values
    second = solver.solve(problem.from_values(other)).values
    assert not stated.linear or torch.allclose(mixed, 2 * base - 3 * second, atol=10 * ROUNDING)


@pytest.mark.parametrize("solver", SOLVERS[:5], ids=lambda solver: solver.describe())
def test_markov_over_whole_steps(solver: GraphSolver) -> None:
    problem = _problem(_random_graph())
    half = solver.solve(problem, t=0.8).values
    twice = solver.solve(problem.from_values(half, start=0.8)).values
    assert torch.allclose(twice, solver.solve(problem).values, atol=10 * ROUNDING)


@EVERY
def test_gradients_in_the_initial_values(solver: GraphSolver) -> None:
    graph = _random_graph(8)
    problem = GraphProblem(graph, _values(8, columns=2), time=0.8)

    def end(u: Tensor) -> Tensor:
        return solver.solve(problem.from_values(u)).values

    u = problem.initial.clone().requires_grad_()
    assert torch.autograd.gradcheck(end, (u,))
    assert torch.autograd.gradgradcheck(lambda u: end(u).square(), (u,))


@EVERY
def test_nodes_one_by_one_are_nodes_at_once(solver: GraphSolver) -> None:
    problem = _problem(_random_graph(12))
    whole = solver.solve(problem).values
    chosen = torch.tensor([[5], [0], [5]])
    assert torch.equal(solver.solve(problem, chosen).values, whole[[5, 0, 5]])
    assert torch.equal(solver.solve(problem, chosen[:, 0]).values, whole[[5, 0, 5]])


@EVERY
def test_float32_stays_float32(solver: GraphSolver) -> None:
    graph = _random_graph(12)
    problem = _problem(graph)
    short = solver.solve(problem.from_values(problem.initial.float()))
    assert short.success
    assert short.values.dtype == torch.float32
    assert torch.allclose(short.values.double(), solver.solve(problem).values, atol=1e-5)


@EVERY
def test_nothing_happens_without_time_or_diffusivity(solver: GraphSolver) -> None:
    problem = _problem(_random_graph(12))
    still = GraphProblem(problem.graph, problem.initial, diffusivity=0.0)
    assert torch.equal(solver.solve(problem, t=0.0).values, problem.initial)
    assert torch.equal(solver.solve(still).values, problem.initial)


def test_only_time_times_diffusivity_counts_for_exact_flow() -> None:
    graph, values = _random_graph(12), _values(12)
    slow = GraphProblem(graph, values, diffusivity=0.1, time=20.0)
    fast = GraphProblem(graph, values, diffusivity=2.0, time=2.5, start=1.5)
    assert torch.allclose(GraphExact().solve(slow).values, GraphExact().solve(fast).values, atol=ROUNDING)
