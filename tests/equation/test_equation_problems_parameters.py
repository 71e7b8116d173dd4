"""Factories of problems: any parameters they take give a solved equation; others are refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.residuals import residual
from heatproof.equation import SolvedProblem, problems
from heatproof.equation.problems._setting import check_numbers
from heatproof.errors import InputError

rate = st.floats(0.1, 2.0)
signed = st.floats(-2.0, 2.0)
diffusivity = st.floats(0.02, 1.0)
width = st.floats(0.3, 2.0)
time = st.floats(0.3, 1.5)
dimension = st.integers(1, 4)
whole = st.integers(-3, 3)
waves = st.lists(whole, min_size=1, max_size=3).filter(any)


@st.composite
def matrices(draw: st.DrawFn) -> list[list[float]]:
    """Return a positive definite matrix (2, 2) with eigenvalues in [0.05, 1]."""
    angle, a, b = draw(st.floats(0, math.pi)), draw(st.floats(0.05, 1.0)), draw(st.floats(0.05, 1.0))
    c, s = math.cos(angle), math.sin(angle)
    return [[a * c * c + b * s * s, (a - b) * c * s], [(a - b) * c * s, a * s * s + b * c * c]]


PARAMETERS: dict[Callable[..., SolvedProblem], dict[str, st.SearchStrategy[Any]]] = {
    problems.heat_half_space: {"dimension": dimension, "diffusivity": diffusivity, "offset": signed},
    problems.heat_gaussian: {"dimension": dimension, "diffusivity": diffusivity, "width": width},
    problems.heat_cosine: {"wave": waves, "diffusivity": diffusivity},
    problems.heat_polynomial: {
        "coefficients": st.lists(signed, min_size=1, max_size=5),
        "dimension": dimension,
        "diffusivity": diffusivity,
    },
    problems.ornstein_uhlenbeck_half_space: {"dimension": dimension, "rate": rate, "offset": signed},
    problems.ornstein_uhlenbeck_gaussian: {"dimension": dimension, "rate": rate, "center": signed},
    problems.expanding_half_space: {"dimension": dimension, "rate": rate, "diffusivity": diffusivity},
    problems.expanding_gaussian: {"dimension": dimension, "rate": rate, "width": width},
    problems.wind_cosine: {"wave": st.just((1, -2)), "wind": st.tuples(signed, signed)},
    problems.sine_transport: {"rate": signed},
    problems.rotation_transport: {"angle_rate": st.floats(-4, 4), "width": width},
    problems.rotating_gaussian: {"angle_rate": st.floats(-4, 4), "rate": signed, "width": width},
    problems.circle_noise: {"angle_rate": st.floats(-4, 4), "diffusivity": diffusivity},
    problems.diagonal_cosine: {"diffusivities": st.tuples(diffusivity, diffusivity)},
    problems.diagonal_gaussian: {"diffusivities": st.tuples(diffusivity, diffusivity, st.just(0.0))},
    problems.correlated_cosine: {"matrix": matrices(), "wave": st.tuples(whole, whole).filter(any)},
    problems.correlated_gaussian: {"matrix": matrices(), "width": width},
    problems.correlated_half_space: {"matrix": matrices(), "offset": signed},
    problems.shear_wave: {"rate": signed, "wave": st.tuples(signed, signed), "diffusivity": diffusivity},
    problems.shear_sine: {"rate": signed, "wave": st.integers(1, 3), "diffusivity": diffusivity},
    problems.geometric_brownian_motion: {
        "drift": signed,
        "volatility": st.floats(0.1, 1.0),
        "level": width,
        "width": st.just(0.0) | width,
    },
    problems.changing_drift: {"rate": rate, "diffusivity": diffusivity, "width": width},
    problems.changing_diffusivity: {"rate": signed, "growth": signed, "diffusivity": diffusivity},
}


def test_all_factories_are_here() -> None:
    exported = {factory.__name__ for factory in PARAMETERS}
    assert exported == set(problems.__all__) - {"CATALOGUE", "find_problem", "names"}


@pytest.mark.parametrize("factory", PARAMETERS, ids=lambda factory: factory.__name__)
@settings(max_examples=12, deadline=None)
@given(data=st.data(), end=time)
def test_any_parameters_give_a_solved_equation(
    factory: Callable[..., SolvedProblem], data: st.DataObject, end: float
) -> None:
    given_parameters = {name: data.draw(values, label=name) for name, values in PARAMETERS[factory].items()}
    case = factory(**given_parameters, time=end)
    x = case.points(3, torch.Generator().manual_seed(data.draw(st.integers(0, 50), label="seed")))
    t = torch.tensor(0.7 * end, dtype=torch.float64)
    assert case.problem.domain is not None
    assert x.shape[1] == case.problem.domain.dimension
    assert residual(case.exact, (case.problem.velocity, case.problem.diffusion), x, t) < 1e-8


@pytest.mark.parametrize("size", [2, 150])
def test_bumps_of_any_dimension(size: int) -> None:
    """(w²/(w² + 2σ²t))^{d/2} at the middle: determinants of so many factors, w³⁰⁰ here, underflow."""
    case = problems.heat_gaussian(dimension=size, diffusivity=0.1, width=0.05)
    middle, t = torch.zeros(1, size, dtype=torch.float64), 0.01 / size
    assert float(case.exact(middle, 0.0)) == 1.0
    assert float(case.exact(middle, t)) == pytest.approx((1 + 80 * t) ** (-size / 2), rel=1e-10)


def test_geometric_brownian_motion_has_nothing_at_and_below_zero() -> None:
    case = problems.geometric_brownian_motion(width=30.0)
    x = torch.tensor([[-1.0], [0.0], [2.0]], dtype=torch.float64)
    for t in (0.0, 1.0):
        assert case.exact(x, t)[:2].tolist() == [[0.0], [0.0]]
        assert float(case.exact(x, t)[2]) > 0.4


def test_the_limit_of_no_net_growth() -> None:
    """γ = 2λ is a removable singularity of the variance: 2σ²t there, and near it."""
    x = torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]
    near = [problems.changing_diffusivity(rate=1.0, growth=2.0 + gap).exact(x, 0.8) for gap in (0.0, 1e-8)]
    assert torch.allclose(near[0], near[1], atol=1e-8)


@pytest.mark.parametrize(
    ("factory", "parameters", "match"),
    [
        (
            problems.heat_half_space,
            {"diffusivity": 0.0},
            r"^diffusivity: got 0\.0; allowed: a finite number > 0",
        ),
        (problems.heat_half_space, {"dimension": 0}, r"^dimension: got 0; allowed: a whole number ≥ 1"),
        (problems.heat_half_space, {"offset": math.nan}, r"^offset: got nan"),
        (problems.heat_gaussian, {"width": -1.0}, r"^width: got -1\.0"),
        (problems.heat_gaussian, {"time": 0.0}, r"^time: got 0\.0"),
        (problems.heat_cosine, {"wave": (0.5,)}, r"^wave: got \(0\.5,\); allowed: whole numbers, not all 0"),
        (problems.heat_cosine, {"wave": (0, 0)}, r"^wave: "),
        (
            problems.heat_polynomial,
            {"coefficients": (1.0,) * 6},
            r"^coefficients: got 6 numbers; allowed: at most 5",
        ),
        (problems.heat_polynomial, {"coefficients": ()}, r"^coefficients: got \(\)"),
        (problems.ornstein_uhlenbeck_gaussian, {"rate": -1.0}, r"^rate: got -1\.0"),
        (problems.expanding_half_space, {"rate": 100.0}, r"^rate: got a rate of 100 over a time of 1"),
        (problems.wind_cosine, {"wind": (1.0, 2.0)}, r"^wind: got 2 numbers; allowed: 1 of them"),
        (problems.wind_cosine, {"diffusivity": -0.1}, r"^diffusivity: got -0\.1"),
        (problems.sine_transport, {"rate": 11.0}, r"^rate·time: got 11\.0; allowed: a finite number ≤ 10"),
        (problems.rotation_transport, {"angle_rate": math.inf}, r"^angle_rate: got inf"),
        (problems.circle_noise, {"diffusivity": 0.0}, r"^diffusivity: got 0\.0"),
        (problems.diagonal_cosine, {"diffusivities": (0.1,)}, r"^diffusivities: got 1 numbers; allowed: 2"),
        (
            problems.diagonal_gaussian,
            {"diffusivities": (0.1, -0.2)},
            r"^diffusion: got values from -0\.2 to 0\.1",
        ),
        (problems.correlated_cosine, {"matrix": [[1.0, 0.5], [0.2, 1.0]]}, r"differ by up to 0\.3"),
        (problems.correlated_gaussian, {"matrix": [[1.0, 2.0], [2.0, 1.0]]}, r"a smallest eigenvalue of -1"),
        (problems.correlated_half_space, {"matrix": [[1.0, 0.0], [0.0]]}, r"^diffusion matrix: got a list"),
        (problems.correlated_half_space, {"normal": (1.0,)}, r"^normal: got 1 numbers; allowed: 2 of them"),
        (
            problems.correlated_half_space,
            {"normal": (0.0, 0.0)},
            r"^normal: got \(0\.0, 0\.0\); allowed: a vector ≠ 0",
        ),
        (problems.shear_wave, {"wave": (1.0,)}, r"^wave: got 1 numbers; allowed: 2 of them"),
        (problems.shear_sine, {"wave": 0}, r"^wave: got 0"),
        (problems.geometric_brownian_motion, {"level": 0.0}, r"^level: got 0\.0"),
        (problems.changing_drift, {"rate": 0.0}, r"^rate: got 0\.0"),
        (problems.rotating_gaussian, {"rate": 1000.0}, r"^parameters: got those of a solution that is not"),
        (problems.rotating_gaussian, {"rate": -1000.0}, r"^parameters: got .* Take smaller rates"),
        (problems.shear_wave, {"rate": 1e200}, r"^parameters: got those of a solution that is not finite"),
        (problems.changing_diffusivity, {"growth": math.nan}, r"^growth: got nan"),
    ],
)
def test_other_parameters_are_refused(
    factory: Callable[..., SolvedProblem], parameters: dict[str, Any], match: str
) -> None:
    with pytest.raises(InputError, match=match):
        factory(**parameters)


@pytest.mark.parametrize("bad", [3, "12", (), (1.0, "x"), (1.0, True), None])
def test_what_is_no_sequence_of_numbers(bad: object) -> None:
    with pytest.raises(InputError, match=r"^wave: got "):
        check_numbers("wave", bad)
