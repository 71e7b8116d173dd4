"""The plane of the study `half-moons`: heat flow, nearest errors and the ceiling, against known answers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import ndtr

from heatproof.attacks import attack
from heatproof.errors import GradientMaskingWarning
from heatproof.studies.half_moons.ceiling import ceiling
from heatproof.studies.half_moons.cells import PICTURE, _picture, picture_of
from heatproof.studies.half_moons.honesty import Saturated
from heatproof.studies.half_moons.plane import TAILS, Field, Plane

STEP = 0.02
PLANE = Plane.around(np.array([[-0.5, -0.3], [0.5, 0.4]]), 0.4, STEP)


class _Logits(torch.nn.Module):
    """Logits (0, z(x)) for a function z of points."""

    def __init__(self, score: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.score = score

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = self.score(x)
        return torch.stack([torch.zeros_like(score), score], dim=1)

    def answers(self, x: np.ndarray) -> np.ndarray:
        """Return whether the answer is class 1."""
        return np.asarray(self.score(torch.from_numpy(x)).numpy() > 0)


def test_a_plane_covers_the_points_and_its_rows_are_horizontal() -> None:
    assert PLANE.horizontal[0] <= -0.9 < PLANE.horizontal[1]
    assert PLANE.vertical[-1] >= 0.8 > PLANE.vertical[-2]
    field = PLANE.look(_Logits(lambda x: 3 * x[:, 0] - x[:, 1]))
    x = PLANE.points[5, 7]
    assert field.values[5, 7] == pytest.approx(1 / (1 + math.exp(-(3 * x[0] - x[1]))), abs=1e-6)
    np.testing.assert_allclose(x, (PLANE.horizontal[5], PLANE.vertical[7]))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("noise_std", [0.1, 0.3])
def test_heat_flow_of_a_soft_half_plane_is_known(axis: int, noise_std: float) -> None:
    """Φ(x/w) smoothed with s is Φ(x/√(w² + s²)); √2 s, the confusion of s with σ, is far from it."""
    frame, width = TAILS * noise_std + STEP, 0.05
    wide = Plane.around(np.array([[-0.5, -0.5], [0.5, 0.5]]), frame, STEP)
    field = Field(wide, ndtr(wide.points[..., axis] / width)).smoothed(noise_std, frame)
    assert field.plane.horizontal[0] == pytest.approx(-0.5, abs=1.01 * STEP)
    x = np.random.default_rng(0).uniform(-0.3, 0.3, (200, 2))
    exact = ndtr(x[:, axis] / math.hypot(width, noise_std))
    assert np.abs(field.at(x) - exact).max() <= 1e-5
    wrong = ndtr(x[:, axis] / math.hypot(width, math.sqrt(2) * noise_std))
    assert np.abs(field.at(x) - wrong).max() > 1e-2


def test_no_noise_leaves_the_values() -> None:
    field = Field(PLANE, np.random.default_rng(0).random(PLANE.points.shape[:2]))
    np.testing.assert_array_equal(field.smoothed(0.0, 0.0).values, field.values)


def test_the_nearest_error_of_a_half_plane_is_its_distance() -> None:
    """Never nearer than the truth, at most √2·step farther, and by a quarter of a step on average."""
    normal = np.array([0.6, 0.8])
    model = _Logits(lambda x: x @ torch.tensor(normal, dtype=x.dtype) - 0.1)
    x = np.random.default_rng(1).uniform(-0.3, 0.3, (300, 2))
    truth = x @ normal - 0.1
    found = PLANE.look(model).nearest_error(x, truth > 0, model.answers)
    assert (found >= np.abs(truth) - 1e-9).all()
    assert (found <= np.abs(truth) + math.sqrt(2) * STEP).all()
    assert (found - np.abs(truth)).mean() <= STEP / 4


def test_an_island_of_errors_is_found_and_none_is_infinite() -> None:
    island = _Logits(lambda x: 0.06 - (x - 0.1).norm(dim=1))
    x, y = np.array([[-0.2, 0.1], [0.1, -0.15]]), np.array([False, False])
    found = PLANE.look(island).nearest_error(x, y, island.answers)
    np.testing.assert_allclose(found, [0.24, 0.19], atol=math.sqrt(2) * STEP)
    assert (found >= [0.24 - 1e-9, 0.19 - 1e-9]).all()
    never = _Logits(lambda x: x[:, 0] * 0 - 1)
    assert np.isinf(PLANE.look(never).nearest_error(x, y, never.answers)).all()


def _by_brute_force(x: np.ndarray, y: np.ndarray, radius: float) -> float:
    """Return the largest share without a pair of different classes nearer than 2r, over all subsets."""
    apart = np.linalg.norm(x[:, None] - x[None], axis=-1) <= 2 * radius
    clash = apart & (y[:, None] != y[None])
    best = 0
    for kept in itertools.product((False, True), repeat=len(x)):
        rows = np.array(kept)
        if not clash[rows][:, rows].any():
            best = max(best, int(rows.sum()))
    return best / len(x)


@pytest.mark.parametrize("seed", range(6))
def test_the_ceiling_is_the_largest_set_that_can_be_robust(seed: int) -> None:
    random = np.random.default_rng(seed)
    x, y = random.uniform(0, 1, (10, 2)), random.integers(0, 2, 10) > 0
    for radius in (0.05, 0.15, 0.3):
        assert ceiling(x, y, radius) == pytest.approx(_by_brute_force(x, y, radius))


def test_the_ceiling_of_two_points_falls_where_they_meet() -> None:
    x, y = np.array([[0.0, 0.0], [0.5, 0.0]]), np.array([False, True])
    assert ceiling(x, y, 0.2499) == 1.0
    assert ceiling(x, y, 0.2501) == 0.5


def test_the_planted_fault_decides_the_same_and_hides_its_gradient() -> None:
    """All inputs are within .2 of the boundary. Plain, the attack breaks all; saturated, none."""
    plain = _Logits(lambda x: x[:, 0])
    x = torch.rand(64, 2, generator=torch.Generator().manual_seed(0)) * 0.1 + 0.05
    y = torch.ones(64, dtype=torch.int64)
    saturated = Saturated(plain)
    points = torch.cat([x, -x])
    assert torch.equal(plain(points).argmax(dim=1), saturated(points).argmax(dim=1))
    assert bool(attack(plain, x, y, radius=0.2, steps=10).success.all())
    with pytest.warns(GradientMaskingWarning):
        assert not bool(attack(saturated, x, y, radius=0.2, steps=10).success.any())


def test_pictures_come_back_upright() -> None:
    values = (PICTURE.points[..., 1] > 0.2).astype(np.float64)
    back = picture_of(_picture(values))
    assert back.shape == (len(PICTURE.vertical), len(PICTURE.horizontal))
    assert back[0].max() == 0.0
    assert back[-1].min() == 1.0
