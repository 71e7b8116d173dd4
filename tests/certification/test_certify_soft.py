"""Soft votes through the engine: the mean score is known exactly; bounds on it hold, and wrong ones fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import ndtri
from scipy.stats import binom
from torch import Tensor

from heatproof.certification import Certificates, certify, make_certificate
from heatproof.certification.sampling.votes import score_edges
from heatproof.errors import InputError

FALSE_ALARM = 1e-6
ALPHA = 0.2
NOISE = 0.5
REPLICATES = 400

Model = Callable[[Tensor], Tensor]


def allowed(replicates: int, alpha: float = ALPHA) -> int:
    return int(binom.isf(FALSE_ALARM, replicates, alpha))


def scorer(high: float, low: float, share: float) -> Model:
    """Return two classes, class 1 with probability `high` for a `share` of the noise at 0, else `low`."""
    edge = NOISE * float(ndtri(1 - share))

    def model(z: Tensor) -> Tensor:
        top = torch.where(z.flatten(1)[:, 0] > edge, math.log(high / (1 - high)), math.log(low / (1 - low)))
        return torch.stack([torch.zeros_like(top), top], dim=1)

    return model


def run(model: Model, x: Tensor, **options: Any) -> Certificates:
    values: dict[str, Any] = {"noise_std": NOISE, "alpha": ALPHA, "pilot": False, "vote": "soft"}
    values |= {"index": torch.arange(len(x)), "selection_samples": 8, "estimation_samples": 96}
    return certify(model, x, **{**values, **options})


CASES = {
    "two values": (0.9, 0.3, 0.8),  # mean 0.78
    "rarely wrong": (0.9999, 0.01, 0.95),  # mean 0.95
    "unsure": (0.6, 0.55, 0.5),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_bound_is_above_the_mean_score_at_its_level_only(case: tuple[float, float, float]) -> None:
    high, low, share = case
    mean = share * high + (1 - share) * low
    found = run(scorer(*case), torch.zeros(REPLICATES, 1))
    p_lower = np.array([one.p_lower for one in found if one.candidate == 1])
    assert len(p_lower) > 0.8 * REPLICATES
    assert int((p_lower > mean).sum()) <= allowed(len(p_lower))
    assert p_lower.mean() > mean - 0.15  # it says something
    # the mean of the scores itself, without a bound, fails the same test
    counts = np.array([one.estimation_counts for one in found if one.candidate == 1])
    averages = counts @ score_edges() / 96
    assert abs(averages.mean() - mean) < 0.02
    if share != 0.5:
        assert int((averages > mean).sum()) > allowed(len(p_lower))


def test_hard_votes_taken_for_soft_ones_fail_the_same_test() -> None:
    """Scores 0.6 and 0.55 are top every time: as votes they would prove p near 1 where the mean is 0.575."""
    hard = run(scorer(0.6, 0.55, 0.5), torch.zeros(100, 1), vote="hard")
    assert sum(one.p_lower > 0.575 for one in hard) > allowed(100)


def test_scores_count_as_the_value_below_them() -> None:
    edges = score_edges()
    assert edges[0] == 0
    assert edges[-1] == 1
    assert (np.diff(edges) > 0).all()
    for score in (0.51, 0.6, 0.84, 0.999, 0.9999999):
        (one,) = run(scorer(score, score, 0.5), torch.zeros(1, 1), estimation_samples=5)
        cell = int(np.argmax(one.estimation_counts))
        assert (one.candidate, one.estimation_counts[cell]) == (1, 5)
        assert edges[cell] <= score * (1 + 1e-7)
        assert edges[min(cell + 1, len(edges) - 1)] >= score * (1 - 1e-7)


def test_the_score_is_that_of_the_candidate() -> None:
    """Class 0 gets 0.7 always: its histogram has one cell, whatever class 1 would have."""
    (one,) = run(scorer(0.3, 0.3, 0.5), torch.zeros(1, 1))
    cell = int(np.argmax(one.estimation_counts))
    assert (one.candidate, one.estimation_counts[cell]) == (0, 96)
    assert score_edges()[cell] == pytest.approx(0.7, abs=0.005)


def test_the_radius_is_that_of_the_noise_at_the_bound() -> None:
    (one,) = run(scorer(0.99, 0.9, 0.5), torch.zeros(1, 1), estimation_samples=1000)
    assert one.radius == pytest.approx(NOISE * float(ndtri(one.p_lower)) - one.rounding)
    assert one.p_upper == 1 - one.p_lower
    assert "mean of the class probabilities" in run(scorer(0.9, 0.8, 0.5), torch.zeros(1, 1)).guarantee


def test_batches_and_order_change_no_histogram() -> None:
    x = torch.linspace(-0.5, 0.5, 7)[:, None]

    def model(z: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(z), 3 * z], dim=1)

    whole = run(model, x)
    order = torch.tensor([4, 1, 6, 0])
    assert run(model, x, batch_size=13) == whole
    assert run(model, x[order], index=order) == [whole[int(row)] for row in order]


def test_counts_of_another_length_are_refused() -> None:
    (one,) = run(scorer(0.9, 0.8, 0.5), torch.zeros(1, 1))
    with pytest.raises(InputError, match=r"estimation_counts: .*657 counts"):
        make_certificate(
            one.settings,
            index=0,
            selection_counts=np.asarray(one.selection_counts),
            estimation_counts=np.array([48, 48]),
            rounding=one.rounding,
        )


@pytest.mark.parametrize("options", [{"radii": [0.1]}, {"method": "radius"}, {"runner_up": "simultaneous"}])
def test_soft_votes_are_for_fixed_n(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^(vote|runner_up): got"):
        run(scorer(0.9, 0.8, 0.5), torch.zeros(1, 1), **options)
