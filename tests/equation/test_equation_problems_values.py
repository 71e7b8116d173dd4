"""Problems of the catalogue: initial values, range, domain, dtype, and what else solvers rely on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from heatproof.equation import Domain, SolvedProblem
from heatproof.equation.problems import CATALOGUE, find_problem, names
from heatproof.errors import UnknownNameError

TIMES = (0.0, 1e-3, 0.4, 1.0)


def _generator(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _domain(case: SolvedProblem) -> Domain:
    assert case.problem.domain is not None
    return case.problem.domain


def _everywhere(case: SolvedProblem, count: int) -> Tensor:
    domain = _domain(case)
    low, high = (torch.tensor(ends, dtype=torch.float64) for ends in (domain.low, domain.high))
    return low + (high - low) * torch.rand(count, len(low), generator=_generator(), dtype=torch.float64)


def _sides(case: SolvedProblem, count: int) -> list[tuple[Tensor, Tensor]]:
    """Return points on each low side with those opposite."""
    domain, pairs = _domain(case), []
    for axis, (low, high) in enumerate(zip(domain.low, domain.high, strict=True)):
        near = _everywhere(case, count)
        near[:, axis] = low
        far = near.clone()
        far[:, axis] = high
        pairs.append((near, far))
    return pairs


def _named(boundary: str) -> list[str]:
    return [name for name in names() if _domain(find_problem(name)).boundary == boundary]


def test_names_are_those_of_the_problems() -> None:
    assert names() == tuple(CATALOGUE)
    assert [find_problem(name).name for name in names()] == list(names())
    assert {_domain(find_problem(name)).dimension for name in names()} == {1, 2}


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"^problem: got 'heat_cosin'; allowed: .*'heat_cosine'"):
        find_problem("heat_cosin")


@pytest.mark.parametrize("name", names())
def test_at_the_start_it_is_the_initial_values(name: str) -> None:
    case, x = find_problem(name), _everywhere(find_problem(name), 500)
    assert torch.equal(case.exact(x, case.problem.start), case.problem.initial_values(x))


@pytest.mark.parametrize("name", names())
def test_soon_after_the_start_it_is_close_to_them(name: str) -> None:
    """Not only by definition: smooth data move by O(t), a jump only near itself."""
    case, x = find_problem(name), _everywhere(find_problem(name), 500)
    moved = (case.exact(x, 1e-6) - case.problem.initial_values(x)).abs().amax(dim=1)
    assert float(moved.max() if case.smooth else moved.quantile(0.95)) < 1e-4


@pytest.mark.parametrize("name", [name for name in names() if find_problem(name).value_range])
def test_values_stay_in_the_range_of_the_initial_ones(name: str) -> None:
    case, x = find_problem(name), _everywhere(find_problem(name), 2000)
    assert case.value_range is not None
    low, high = case.value_range
    for t in TIMES:
        values = case.exact(x, t)
        assert float(values.min()) >= low - 1e-15
        assert float(values.max()) <= high + 1e-15
    first = case.exact(x, 0.0)
    assert float(first.max() - first.min()) > 0.9 * (high - low)  # the range is not merely a bound


def test_only_the_polynomial_has_no_range() -> None:
    assert [name for name in names() if find_problem(name).value_range is None] == ["heat_polynomial"]


@pytest.mark.parametrize("name", names())
def test_points_are_well_inside_and_follow_the_generator(name: str) -> None:
    case, domain = find_problem(name), _domain(find_problem(name))
    x = case.points(200, _generator())
    assert x.shape == (200, domain.dimension)
    assert torch.equal(x, case.points(200, _generator()))
    assert not torch.equal(x, case.points(200, _generator(6)))
    share = 0.0 if domain.boundary == "periodic" else 0.25
    low, high, length = (torch.tensor(ends) for ends in (domain.low, domain.high, domain.lengths))
    assert bool(((x >= low + (share - 1e-6) * length) & (x <= high - (share - 1e-6) * length)).all())


@pytest.mark.parametrize("name", _named("dirichlet"))
def test_the_solution_stands_at_dirichlet_sides(name: str) -> None:
    case = find_problem(name)
    values = _domain(case).values
    assert values is not None
    for near, far in _sides(case, 20):
        for t in TIMES:
            assert torch.equal(values(near, t), case.exact(near, t))
            assert torch.equal(values(far, t), case.exact(far, t))


@pytest.mark.parametrize("name", _named("periodic"))
def test_solution_and_coefficients_are_periodic(name: str) -> None:
    case = find_problem(name)
    for near, far in _sides(case, 20):
        for t in TIMES:
            pairs = [
                (case.exact(near, t), case.exact(far, t)),
                (case.problem.velocity(near, t), case.problem.velocity(far, t)),
                (case.problem.diffusion.matrix(near, t), case.problem.diffusion.matrix(far, t)),
            ]
            assert all(torch.allclose(one, other, atol=1e-12) for one, other in pairs)


def test_a_periodic_domain_of_another_length_would_be_noticed() -> None:
    case = find_problem("heat_cosine")
    x = torch.tensor([[0.3]], dtype=torch.float64)
    assert not torch.allclose(case.exact(x, 0.5), case.exact(x + 3.0, 0.5), atol=1e-2)


@pytest.mark.parametrize("name", names())
def test_single_precision_and_rows_alone(name: str) -> None:
    case = find_problem(name)
    x = case.points(20, _generator())
    values, single = case.exact(x, 0.7), case.exact(x.float(), 0.7)
    assert values.dtype == torch.float64
    assert single.dtype == torch.float32
    assert torch.allclose(values, single.double(), rtol=1e-4, atol=1e-5)
    assert torch.allclose(values[3:4], case.exact(x[3:4], 0.7), atol=1e-14)
    assert case.problem.initial_values(x.float()).dtype == torch.float32


@pytest.mark.parametrize("name", names())
def test_time_may_be_a_tensor_with_a_gradient(name: str) -> None:
    case = find_problem(name)
    x = case.points(10, _generator()).requires_grad_()
    t = torch.tensor(0.6, dtype=torch.float64, requires_grad=True)
    values = case.exact(x, t)
    assert torch.equal(values, case.exact(x, 0.6))
    weights = torch.randn(values.shape, generator=_generator(), dtype=torch.float64)
    slopes = torch.autograd.grad((weights * values).sum(), (x, t))
    assert all(bool(slope.isfinite().all()) and bool(slope.abs().max() > 0) for slope in slopes)
    before, after = case.exact(x, 0.6 - 1e-5), case.exact(x, 0.6 + 1e-5)
    difference = (weights * (after - before)).detach().sum() / 2e-5
    assert float(slopes[1]) == pytest.approx(float(difference), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("name", names())
def test_divergence_free_says_what_is(name: str) -> None:
    case = find_problem(name)
    x, t = case.points(8, _generator()), 0.5

    def flow(point: Tensor) -> Tensor:
        return case.problem.velocity(point[None], t)[0]

    divergence = max(abs(float(torch.func.jacrev(flow)(point).trace())) for point in x)
    assert case.problem.velocity.divergence_free == (divergence < 1e-12)
