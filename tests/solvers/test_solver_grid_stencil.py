"""Correlated diffusion: exact weights along directions of the grid, all ≥ 0, or a refusal."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.grids import at_nodes, box, ridge
from heatproof.equation import Domain, FullDiffusion, LowRankDiffusion, Problem
from heatproof.equation.problems import find_problem
from heatproof.errors import InputError
from heatproof.solvers import GridLimited, GridUpwind
from heatproof.solvers.grid._matrices import directions_of, widest
from heatproof.solvers.grid._mesh import Mesh
from heatproof.solvers.grid._selling import decompose
from heatproof.solvers.grid._stencil import Stencil, stencil_of


def matrix(angle: float, ratio: float, scale: float = 1.0) -> np.ndarray:
    e = np.array([math.cos(angle), math.sin(angle)])
    return scale * (np.outer(e, e) + ratio * (np.eye(2) - np.outer(e, e)))


@settings(max_examples=200, deadline=None)
@given(st.floats(0, math.pi), st.floats(-4, 0), st.floats(-6, 6))
def test_directions_make_up_the_matrix(angle: float, power: float, size: float) -> None:
    a = matrix(angle, 10**power, 10**size)
    weights, directions, exact = decompose(a[None], 10_000)
    again = np.einsum("k,ki,kj->ij", weights[0], directions[0], directions[0])
    assert exact.all()
    assert weights.min() >= 0
    assert np.abs(again - a).max() <= 1e-10 * 10**size
    assert np.abs(directions).max() <= 2 * 10 ** (-power / 2)


def test_many_matrices_are_as_each_alone() -> None:
    many = np.stack([matrix(angle, 0.01) for angle in np.linspace(0, 3, 50)])
    weights, directions, _ = decompose(many, 100)
    for number, one in enumerate(many):
        alone = decompose(one[None], 100)
        assert np.array_equal(alone[0][0], weights[number])
        assert np.array_equal(alone[1][0], directions[number])


def test_without_correlation_the_stencil_is_the_usual_one() -> None:
    mesh = Mesh.of(Domain((0.0, 0.0), (1.0, 2.0), "periodic"), 8)
    stencil = stencil_of(directions_of(np.diag([2.0, 3.0])[None], mesh), mesh)
    row = stencil.matrix.toarray()[0].reshape(8, 8)
    assert row[1, 0] == row[-1, 0] == pytest.approx(2 * 64)
    assert row[0, 1] == row[0, -1] == pytest.approx(3 * 16)
    assert np.count_nonzero(row) == 5


def cut_stencil(mesh: Mesh) -> Stencil:
    return stencil_of(directions_of(matrix(1.2, 0.05)[None], mesh), mesh)


def test_it_is_exact_on_quadratics_up_to_dirichlet_sides() -> None:
    """tr(A∇²u) = 2·tr(AQ) for u = xᵀQx + b·x, at every inner node, whose arms the sides cut."""
    mesh = Mesh.of(Domain((-1.0, 0.0), (1.0, 1.5)), 24)
    stencil, q = cut_stencil(mesh), np.array([[0.7, -1.3], [-1.3, 0.2]])

    def u(x: np.ndarray) -> np.ndarray:
        values: np.ndarray = np.einsum("ni,ij,nj->n", x, q, x) + x @ np.array([0.3, -2.0]) + 1
        return values[:, None]

    found = stencil.apply(u(mesh.points()), u(stencil.places))[~mesh.on_side(), 0]
    assert len(stencil.places) > 20
    assert np.abs(found - 2 * np.trace(matrix(1.2, 0.05) @ q)).max() <= 1e-9


def test_no_weight_is_negative_and_rows_add_up_to_nothing() -> None:
    for boundary in ("periodic", "neumann", "dirichlet"):
        mesh = Mesh.of(box(2, boundary), 24)
        stencil = cut_stencil(mesh)
        full = stencil.matrix.toarray()
        assert (full - np.diag(np.diag(full))).min() >= 0
        assert stencil.cut.toarray().min(initial=0) >= 0
        total = full.sum(axis=1) + stencil.cut.toarray().sum(axis=1)
        assert np.abs(total).max() <= 1e-9 * stencil.rate.max()
        assert np.allclose(-np.diag(full), stencil.rate) or boundary == "neumann"


def spread(a: np.ndarray, *, naive: bool) -> float:
    """How far heat from one node falls below 0, in explicit steps a fifth as long as the shortest bound."""
    mesh = Mesh.of(box(), 32)
    u = np.zeros((32, 32))
    u[16, 16] = 1.0
    stencil = stencil_of(directions_of(a[None], mesh), mesh)
    for _ in range(20):
        change = central(u, a, mesh.step[0]) if naive else (stencil.matrix @ u.ravel()).reshape(u.shape)
        u = u + 0.2 / float(stencil.rate.max()) * change
    return float(-u.min())


def central(u: np.ndarray, a: np.ndarray, h: float) -> np.ndarray:
    """tr(A∇²u) with u_xy by the four corners."""

    def at(i: int, j: int) -> np.ndarray:
        return np.roll(u, (-i, -j), (0, 1))

    along = a[0, 0] * (at(1, 0) + at(-1, 0) - 2 * u) + a[1, 1] * (at(0, 1) + at(0, -1) - 2 * u)
    across = 2 * a[0, 1] * (at(1, 1) + at(-1, -1) - at(1, -1) - at(-1, 1)) / 4
    found: np.ndarray = (along + across) / h**2
    return found


@pytest.mark.parametrize("a", [matrix(math.pi / 4, 0.05), matrix(1.2, 0.05)])
def test_central_differences_of_the_mixed_derivative_break_the_range_and_these_do_not(a: np.ndarray) -> None:
    assert spread(a, naive=False) <= 0
    assert spread(a, naive=True) > 1e-4


def test_a_stencil_that_would_be_too_wide_is_refused_with_what_is_enough() -> None:
    problem = Problem(torch.cos, diffusion=ridge((1.0, math.sqrt(2)), 0.0), domain=box())
    solver = GridUpwind(cells=64)
    assert widest(Mesh.of(box(), 64)) == 8
    with pytest.raises(InputError, match=r"close to degenerate.*beyond 8 nodes.*is enough") as caught:
        solver.solve(problem, torch.zeros(1, 2).double())
    found = re.search(r"adding (\S+) to its diagonal", str(caught.value))
    assert found is not None
    enough = Problem(torch.cos, diffusion=ridge((1.0, math.sqrt(2)), float(found[1])), domain=box())
    assert solver.refusal(enough) == ""
    assert "close to degenerate" in solver.refusal(find_problem("circle_noise").problem)


def test_an_a_that_becomes_too_askew_on_the_way_is_refused_then() -> None:
    def a(x: torch.Tensor, t: float | torch.Tensor) -> torch.Tensor:
        e = torch.tensor([1.0, 1 + float(t) / math.sqrt(2)]).to(x)
        return torch.outer(e, e).expand(len(x), 2, 2)

    problem = Problem(lambda x: x[:, :1].cos(), diffusion=FullDiffusion(a), domain=box())
    assert GridUpwind(cells=16).refusal(problem) == ""
    with pytest.raises(InputError, match="monotone stencil"):
        GridUpwind(cells=16).solve(problem, torch.zeros(1, 2).double())


def test_a_diffusion_of_rank_one_along_the_grid_is_solved() -> None:
    along = LowRankDiffusion(lambda x, _: torch.tensor([[0.6, -0.6]]).to(x).expand(len(x), 1, 2))
    wave = Problem(lambda x: torch.cos(x[:, :1] - x[:, 1:]), diffusion=along, domain=box())
    still = Problem(lambda x: torch.cos(x[:, :1] + x[:, 1:]), diffusion=along, domain=box())
    for solver in (GridUpwind(cells=32, diffusion="explicit"), GridLimited(cells=32)):
        factor = at_nodes(solver, wave)[0, 0]
        assert factor == pytest.approx(math.exp(-4 * 0.36), rel=0.05)
        before = solver.frames(still, [0.0]).values[0].reshape(1, -1).T
        assert np.abs(at_nodes(solver, still) - before).max() <= 1e-12


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([[1.0, 0.5], [0.2, 1.0]], "differ by up to 0.3"),
        ([[1.0, 2.0], [2.0, 1.0]], "smallest eigenvalue of -1"),
    ],
)
def test_a_function_that_gives_no_diffusion_matrix(bad: list[list[float]], words: str) -> None:
    diffusion = FullDiffusion(lambda x, _: torch.tensor(bad).to(x).expand(len(x), 2, 2))
    problem = Problem(torch.cos, diffusion=diffusion, domain=box())
    with pytest.raises(InputError, match=words):
        GridUpwind(cells=16).solve(problem, torch.zeros(1, 2).double())
