"""The promise for every noise, on half-spaces whose exact radius is known in every norm.

Judge: a certifier of level α exceeds `allowed(replicates)` false certificates with probability ≤ FALSE_ALARM.
The same claims, stretched, must fail it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import ndtr
from scipy.stats import binom
from torch import Tensor

from heatproof.certification import Certificates, SmoothedPredictor, certify
from heatproof.certification._bounds import threshold as needed
from heatproof.noise import AnisotropicGaussian, Gaussian, Laplace, Noise, Uniform

FALSE_ALARM = 1e-6
ALPHA = 0.1
REPLICATES = 400

Model = Callable[[Tensor], Tensor]


def allowed(replicates: int, alpha: float = ALPHA) -> int:
    return int(binom.isf(FALSE_ALARM, replicates, alpha))


@dataclass(frozen=True)
class Case:
    """A noise and a half-space w·x > 0 for which its native radius is exact; x is at that distance."""

    noise: Noise
    norm: str
    w: tuple[float, ...]
    x: tuple[float, ...]

    @property
    def margin(self) -> float:
        return float(np.dot(self.w, self.x))

    @property
    def exact(self) -> float:
        """The distance of x in the native norm."""
        if not isinstance(self.noise, AnisotropicGaussian):
            return self.reach(self.norm)
        w = np.asarray(self.w)
        if self.noise.covariance is not None:
            return self.margin / math.sqrt(w @ np.asarray(self.noise.covariance) @ w)
        return self.margin / float(np.linalg.norm(w * np.asarray(self.noise.noise_stds)))

    def reach(self, norm: str) -> float:
        """The distance of x in ℓp: the margin over the dual norm of w."""
        dual = {"l1": math.inf, "l2": 2, "linf": 1}[norm]
        return self.margin / float(np.linalg.norm(self.w, dual))

    def model(self, z: Tensor) -> Tensor:
        score = z.double() @ torch.as_tensor(self.w, dtype=torch.float64)
        return torch.stack([-score, score], dim=1).float()


MATRIX = ((0.5, 0.2, 0.0), (0.2, 0.3, 0.1), (0.0, 0.1, 0.2))
CASES = {
    "gaussian": Case(Gaussian(noise_std=0.5), "l2", (0.6, 0.0, -0.8), (0.3, 0.1, -0.2)),
    "uniform": Case(Uniform(half_width=0.8), "l1", (0.0, 1.0, 0.0), (0.7, 0.3, -0.2)),
    "laplace": Case(Laplace(noise_scale=0.4), "l1", (0.0, 1.0, 0.0), (0.7, 0.3, -0.2)),
    "axes": Case(
        AnisotropicGaussian(noise_stds=(0.25, 0.5, 1.0)), "mahalanobis", (1.0, -0.5, 0.25), (0.2, -0.1, 0.7)
    ),
    "matrix": Case(AnisotropicGaussian(covariance=MATRIX), "mahalanobis", (0.3, 1.0, -0.4), (0.2, 0.3, -0.1)),
}


def _run(case: Case, **options: Any) -> Certificates:
    x = torch.tensor([case.x], dtype=torch.float32).repeat(REPLICATES, 1)
    values: dict[str, Any] = {"noise": case.noise, "norm": case.norm, "alpha": ALPHA, "pilot": False}
    values |= {"selection_samples": 32, "index": torch.arange(REPLICATES)}
    return certify(case.model, x, **{**values, **options})


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_certified_radii_are_inside_the_exact_one_and_stretched_they_are_not(case: Case) -> None:
    found = _run(case, estimation_samples=96)
    radii = np.array([one.radius for one in found])
    assert all(one.label != 0 for one in found)
    false = radii > case.exact
    assert false.sum() <= allowed(REPLICATES)
    assert false.sum() >= 0.2 * ALPHA * REPLICATES  # the level is spent: the test could fail
    assert (1.25 * radii > case.exact).sum() > allowed(REPLICATES)
    for norm in ("l1", "l2", "linf"):
        others = np.array([one.radii[norm] for one in found])
        assert (others[~false] <= case.reach(norm)).all()
        assert (others[radii > 0] > 0).all()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_decisions_beyond_the_exact_radius_are_made_at_their_level_only(case: Case) -> None:
    at = (0.6 * case.exact, 1.001 * case.exact)
    found = _run(case, radii=at, estimation_samples=96)
    false = sum(one.radius > case.exact for one in found)
    assert false <= allowed(REPLICATES)
    assert sum(one.radius > 0 for one in found) > allowed(REPLICATES)  # so the nearer one as false would show
    assert false >= 0.1 * ALPHA * REPLICATES


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
@pytest.mark.parametrize("name", ["uniform", "laplace", "axes"])
def test_decisions_in_another_norm_ask_for_the_same_probability(name: str, norm: str) -> None:
    case = CASES[name]
    predictor = SmoothedPredictor(case.model, noise=case.noise)
    x = torch.tensor([case.x], dtype=torch.float32)
    native, other = (predictor.settings(x, norm=each) for each in (case.norm, norm))
    reach = 0.5 * case.exact
    assert needed(other, reach * other.factor) == pytest.approx(needed(native, reach), rel=1e-9)


# Rounding: the classifier on lattice points, which is what is sampled, and a point between them

UNIT = 2.0**-14


def _staircase(off: float) -> tuple[float, float, float]:
    """Return p at the lattice point of x = 3·unit + off, and the exact radius at x, for 1{z > 0}.

    What is drawn is k + round(ξ/unit); class 1 has P(round(ξ/unit) ≥ 1 − k) = Φ(k·unit − unit/2), s = 1, and
    keeps the majority down to k = 1, that is for all points above unit/2.
    """
    x = 3 * UNIT + off
    return float(ndtr(3 * UNIT - UNIT / 2)), x - UNIT / 2, x


@pytest.mark.parametrize("off", [-0.375, -0.125, 0.0, 0.25, 0.4375])
def test_an_input_off_the_lattice_pays_for_it(threshold: Model, off: float) -> None:
    noise = Gaussian(noise_std=1.0)
    p, exact, place = _staircase(off * UNIT)
    x = torch.tensor([[place]], dtype=torch.float64)
    (one,) = certify(threshold, x, noise=noise, pilot=False, estimation_samples=10, selection_samples=1)
    assert one.settings.unit == UNIT
    assert one.rounding == pytest.approx((abs(off) + 0.5) * UNIT)
    assert noise.radius(p) - one.rounding <= exact
    assert needed(one.settings, exact * (1 + 1e-9)) > p  # a decision at it would be false more than α often
    if off < 0:
        assert noise.radius(p) > exact  # without the rounding it would be false


@pytest.mark.parametrize("grid_step", [None, 1 / 255])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_decisions_pay_for_the_worst_rounding_of_any_input(case: Case, grid_step: float | None) -> None:
    """Off the grid, at the middle of a cell: no input is farther from the lattice than thresholds allow."""
    predictor = SmoothedPredictor(case.model, noise=case.noise, grid_step=grid_step)
    x = torch.tensor([case.x], dtype=torch.float64)
    unit = predictor.settings(x).unit
    middle = (torch.round(x / unit) + 0.5 * (1 - 1e-9)) * unit
    settings = predictor.settings(middle, norm=case.norm, selection_samples=1, estimation_samples=10)
    (one,) = predictor.certify(middle, settings)
    twice = 2 * case.noise.half_cell(3, unit)
    assert 0.3 * twice < one.rounding <= twice * (1 + 1e-9)
    radius = 0.7 * case.exact
    assert case.noise.radius(needed(settings, radius)) - one.rounding >= radius * (1 - 1e-12)


def test_grid_points_in_float32_are_the_grid_points() -> None:
    x = torch.arange(256, dtype=torch.float32)[:, None] / 255
    case = Case(Gaussian(noise_std=0.25), "l2", (1.0,), (0.5,))
    found = certify(
        case.model,
        x,
        noise=case.noise,
        grid_step=1 / 255,
        pilot=False,
        estimation_samples=2,
        selection_samples=1,
    )
    assert {one.rounding for one in found} == {0.5 * found.settings.unit}
    away = certify(
        case.model,
        x[1:2] + 1e-6,
        noise=case.noise,
        grid_step=1 / 255,
        pilot=False,
        estimation_samples=2,
        selection_samples=1,
    )
    assert away[0].rounding > 0.5 * found.settings.unit
