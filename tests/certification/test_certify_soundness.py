"""The promise itself: certificates of classifiers whose exact radius is known; wrong certifiers must fail.

The judge is one pair of functions: `count_false` counts certificates that claim the wrong label or more than
the exact radius, `allowed` is the number that a certifier of level α exceeds with probability ≤ FALSE_ALARM.
The deliberately wrong certifiers go through the same pair and must fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import binom, chi2, norm
from torch import Tensor

import heatproof.certification as hc
from heatproof.certification import Certificate, SmoothedPredictor, certify, make_certificate
from heatproof.certification._smoothed import _majority

FALSE_ALARM = 1e-6
ALPHA = 0.05
NOISE = 0.5

Truth = tuple[int, float]


def allowed(replicates: int, alpha: float = ALPHA) -> int:
    """Return the number of false certificates that is exceeded with probability ≤ FALSE_ALARM."""
    return int(binom.isf(FALSE_ALARM, replicates, alpha))


def count_false(claims: Iterable[tuple[int, float]], truths: Iterable[Truth]) -> int:
    """Count claims (label, radius) with an answer that is wrong or reaches too far."""
    return sum(
        label != hc.ABSTAIN and (label != right or radius > exact)
        for (label, radius), (right, exact) in zip(claims, truths, strict=True)
    )


def claims_of(certificates: Iterable[Certificate], stretch: float = 1.0) -> list[tuple[int, float]]:
    return [(one.label, stretch * one.radius) for one in certificates]


def half_space(dimension: int) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], list[Truth]], Tensor]:
    """Return w·x + b > 0 with ‖w‖ = 1, its exact answers, and 400 inputs with margins 0.1…2.5 noise_std."""
    draw = torch.Generator().manual_seed(dimension)
    w = torch.randn(dimension, generator=draw).double()
    w, b = w / w.norm(), 0.2
    side = torch.randint(0, 2, (400,), generator=draw).double() * 2 - 1
    margin = side * NOISE * (0.1 + 2.4 * torch.rand(400, generator=draw).double())
    x = torch.randn(400, dimension, generator=draw).double()
    x = x + (margin - b - x @ w)[:, None] * w

    def model(z: Tensor) -> Tensor:
        score = z.flatten(1) @ w.float() + b
        return torch.stack([-score, score], dim=1)

    def truth(z: Tensor) -> list[Truth]:
        scores = z.double() @ w + b
        return [(int(score > 0), abs(float(score))) for score in scores]

    return model, truth, x.float()


REPLICATES = {2: 8, 64: 6, 784: 3}


def _runs(dimension: int, stretch: float) -> tuple[int, int]:
    model, truth, x = half_space(dimension)
    truths, false, seeds = truth(x), 0, REPLICATES[dimension]
    for seed in range(seeds):
        certificates = certify(
            model,
            x,
            noise_std=NOISE,
            alpha=ALPHA,
            estimation_samples=200,
            selection_samples=20,
            seed=seed,
            pilot=False,
        )
        false += count_false(claims_of(certificates, stretch), truths)
    return false, seeds * len(x)


@pytest.mark.parametrize("dimension", [2, 64, 784])
def test_half_spaces(dimension: int) -> None:
    false, replicates = _runs(dimension, stretch=1.0)
    assert false <= allowed(replicates)
    assert false >= 0.2 * ALPHA * replicates  # the test looks where the level is spent, so it could fail


@pytest.mark.parametrize("dimension", [2, 784])
def test_a_radius_stretched_by_a_fifth_fails_the_same_test(dimension: int) -> None:
    false, replicates = _runs(dimension, stretch=1.2)
    assert false > allowed(replicates)


# Many classes, nearly equal: the argmax is a matter of chance, and reusing its votes flatters it.

CLASSES = 40


def slices(shares: np.ndarray) -> Callable[[Tensor], Tensor]:
    """Return the classifier whose class is the quantile slice into which x₁/NOISE falls."""
    edges = torch.as_tensor(norm.ppf(np.cumsum(shares)[:-1]) * NOISE, dtype=torch.float32)

    def model(z: Tensor) -> Tensor:
        label = torch.bucketize(z.flatten(1)[:, 0].contiguous(), edges)
        return torch.nn.functional.one_hot(label, len(shares)).float()

    return model


def vote_counts(
    model: Callable[[Tensor], Tensor], replicates: int, samples: int, classes: int
) -> tuple[hc.CertificationSettings, list[np.ndarray], list[np.ndarray]]:
    """Certify x = 0 many times; return the selection and the estimation counts that the engine drew."""
    x, index = torch.zeros(replicates, 1), torch.arange(replicates)
    certificates = certify(
        model,
        x,
        noise_std=NOISE,
        alpha=ALPHA,
        estimation_samples=samples,
        selection_samples=samples,
        index=index,
        pilot=False,
    )
    assert certificates[0].settings.classes == classes
    first = [np.array(one.selection_counts) for one in certificates]
    second = [np.array(one.estimation_counts) for one in certificates]
    return certificates[0].settings, first, second


def bounds(
    settings: hc.CertificationSettings, selection: list[np.ndarray], estimation: list[np.ndarray]
) -> list[tuple[int, float]]:
    """Return, as claims, candidate and p_lower of every replicate."""
    found = [
        make_certificate(settings, index=0, selection_counts=a, estimation_counts=b, rounding=0.0)
        for a, b in zip(selection, estimation, strict=True)
    ]
    return [(one.candidate, one.p_lower) for one in found]


def count_high(claims: list[tuple[int, float]], shares: np.ndarray) -> int:
    """Count lower bounds above the share of the candidate that they speak of."""
    return sum(p_lower > shares[candidate] for candidate, p_lower in claims)


def test_selection_and_estimation_samples_are_apart_and_reusing_them_fails() -> None:
    shares = np.full(CLASSES, 1 / CLASSES)
    settings, selection, estimation = vote_counts(slices(shares), 600, 200, CLASSES)
    assert count_high(bounds(settings, selection, estimation), shares) <= allowed(600)
    assert count_high(bounds(settings, estimation, estimation), shares) > allowed(600)
    assert count_high(bounds(settings, selection, selection), shares) > allowed(600)


def test_reused_samples_give_false_certificates() -> None:
    """Two classes at one half: no label may be certified but with probability α; reuse doubles the tail."""
    shares = np.array([0.5, 0.5])
    settings, selection, estimation = vote_counts(slices(shares), 2000, 200, 2)

    def certified(first: list[np.ndarray]) -> list[tuple[int, float]]:
        pairs = zip(first, estimation, strict=True)
        found = [
            make_certificate(settings, index=0, selection_counts=a, estimation_counts=b, rounding=0.0)
            for a, b in pairs
        ]
        return claims_of(found)

    truths = [(0, -1.0)] * 2000  # any answer is wrong: there is no majority
    right, reused = count_false(certified(selection), truths), count_false(certified(estimation), truths)
    assert right <= allowed(2000)
    assert reused > allowed(2000)


def test_twice_the_level_fails_the_same_test() -> None:
    """The slip of taking α for both sides where one is meant (a bound at 2α)."""
    shares = np.array([0.7, 0.3])
    settings, selection, estimation = vote_counts(slices(shares), 3000, 200, 2)
    wrong = settings.model_copy(update={"alpha": 2 * ALPHA})
    assert count_high(bounds(settings, selection, estimation), shares) <= allowed(3000)
    assert count_high(bounds(wrong, selection, estimation), shares) > allowed(3000)


@pytest.mark.parametrize("share", [0.55, 0.7, 0.95, 0.999])
def test_votes_have_the_known_distribution(share: float) -> None:
    """Class 0 has probability `share` exactly: all votes together, both stages, at FALSE_ALARM."""
    _, selection, estimation = vote_counts(slices(np.array([share, 1 - share])), 100, 500, 2)
    votes, draws = int(sum(one[0] for one in (*selection, *estimation))), 100_000
    low, high = binom.ppf(FALSE_ALARM / 2, draws, share), binom.isf(FALSE_ALARM / 2, draws, share)
    assert low <= votes <= high
    if share < 0.99:  # then a count of 500 draws is near enough to normal for χ²
        spread = float(np.var([one[0] for one in estimation], ddof=1)) / (500 * share * (1 - share))
        assert chi2.ppf(FALSE_ALARM / 2, 99) < 99 * spread < chi2.isf(FALSE_ALARM / 2, 99)


def test_radii_approach_the_truth_from_below() -> None:
    model, truth, x = half_space(16)
    x = x[:60]
    exact = np.array([radius for _, radius in truth(x)])
    inside = exact < 1.5 * NOISE  # beyond it 10,000 draws say little
    gaps = []
    for samples in (100, 1000, 10_000):
        certificates = certify(model, x, noise_std=NOISE, pilot=False, alpha=1e-4, estimation_samples=samples)
        found = np.array([one.radius for one in certificates])
        assert int((found > exact).sum()) <= allowed(len(x), 1e-4)
        gaps.append(float((exact - found)[inside].mean()))
    assert gaps[0] > 2 * gaps[1] > 3.5 * gaps[2]
    assert gaps[2] < 0.1 * NOISE


def test_the_rounding_is_taken_off() -> None:
    model, _, x = half_space(64)
    draw = partial(certify, model, x[:1], noise_std=NOISE, estimation_samples=200)
    (certificate,) = draw()
    p_lower = certificate.p_lower
    assert certificate.rounding >= 0.5 * 8 * certificate.settings.unit
    assert certificate.radius == pytest.approx(max(0.0, NOISE * norm.ppf(p_lower) - certificate.rounding))


@pytest.mark.parametrize("share", [0.5, 0.6])
def test_predictions_abstain_or_are_right_at_their_level(share: float) -> None:
    """P(a wrong answer) ≤ α: at one half every answer is wrong; FALSE_ALARM for the count."""
    predictor = SmoothedPredictor(slices(np.array([share, 1 - share])), noise_std=NOISE)
    index = torch.arange(1500)
    labels = predictor.predict(torch.zeros(1500, 1), alpha=ALPHA, samples=200, index=index)
    wrong = int((labels != hc.ABSTAIN).sum()) if share == 0.5 else int((labels == 1).sum())
    assert wrong <= allowed(1500)
    if share == 0.5:
        assert wrong > 0.2 * ALPHA * 1500  # the level is spent
    else:
        assert int((labels == 0).sum()) > 1000


def test_a_plurality_that_ignores_its_level_fails_the_same_test() -> None:
    """The wrong predictor answers with the larger count: at one half it is always wrong."""
    _, _, estimation = vote_counts(slices(np.array([0.5, 0.5])), 400, 100, 2)
    labels = [int(one.argmax()) for one in estimation]
    assert sum(label != hc.ABSTAIN for label in labels) > allowed(400)


def test_a_one_sided_vote_test_fails_the_same_test() -> None:
    """PREDICT tests both sides: at one half, the one-sided test (that is, level 2α) answers too often."""
    replicates = 4000
    _, _, estimation = vote_counts(slices(np.array([0.5, 0.5])), replicates, 18, 2)
    answers = [_majority(one, ALPHA) != hc.ABSTAIN for one in estimation]
    one_sided = [_majority(one, 2 * ALPHA) != hc.ABSTAIN for one in estimation]
    assert sum(answers) <= allowed(replicates)
    assert sum(one_sided) > allowed(replicates)


def test_predictions_with_many_classes() -> None:
    shares = np.array([0.3, 0.3, *[0.4 / 38] * 38])
    predictor = SmoothedPredictor(slices(shares), noise_std=NOISE)
    labels = predictor.predict(torch.zeros(1500, 1), alpha=ALPHA, samples=300, index=torch.arange(1500))
    assert int((labels != hc.ABSTAIN).sum()) <= allowed(1500)  # two equal leaders: any answer is wrong


def test_stages_differ() -> None:
    settings, selection, estimation = vote_counts(slices(np.full(10, 0.1)), 20, 256, 10)
    assert settings.selection_samples == settings.estimation_samples
    assert all(not np.array_equal(a, b) for a, b in zip(selection, estimation, strict=True))
