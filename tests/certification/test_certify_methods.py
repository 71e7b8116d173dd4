"""The promise of every procedure: sequential, simultaneous, for a table; wrong procedures must fail.

One judge for all: a procedure of level α makes more than `allowed(replicates)` false claims with probability
≤ FALSE_ALARM. The deliberately wrong procedures are judged by the same number and must exceed it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import ndtri
from scipy.stats import binom
from torch import Tensor

import heatproof.certification._smoothed as engine
from heatproof._intervals import lower_bounds
from heatproof.certification import (
    Certificate,
    Certificates,
    CertificationSettings,
    certify,
    make_certificate,
)
from heatproof.certification._rules import rule_of
from heatproof.noise.keyed import Stage, Stream
from heatproof.statistics import Boundary, DecisionRule, RadiusRule, State, StoppingRule

FALSE_ALARM = 1e-6
ALPHA = 0.1
NOISE = 0.5

Model = Callable[[Tensor], Tensor]


def allowed(replicates: int, alpha: float = ALPHA) -> int:
    """Return the number of false claims that is exceeded with probability ≤ FALSE_ALARM."""
    return int(binom.isf(FALSE_ALARM, replicates, alpha))


def slices(shares: Sequence[float]) -> Model:
    """Return the classifier whose class is the quantile slice into which x₁/NOISE falls."""
    edges = torch.as_tensor(ndtri(np.cumsum(shares)[:-1]) * NOISE, dtype=torch.float32)

    def model(z: Tensor) -> Tensor:
        label = torch.bucketize(z.flatten(1)[:, 0].contiguous(), edges)
        return torch.nn.functional.one_hot(label, len(shares)).float()

    return model


def run(model: Model, x: Tensor, **options: Any) -> Certificates:
    """Certify rows that may be equal: each has a noise of its own."""
    values: dict[str, Any] = {"noise_std": NOISE, "alpha": ALPHA, "selection_samples": 8, "pilot": False}
    return certify(model, x, index=torch.arange(len(x)), **{**values, **options})


# Decisions

RADII = (0.2, 0.4, 0.6)


def _decided(threshold: Model, **options: Any) -> tuple[int, int, int]:
    """Decide at inputs whose exact radius is just below one of RADII; return false, useful, replicates."""
    replicates = 480
    exact = np.resize(np.asarray(RADII) - 1e-4, replicates)
    found = run(
        threshold,
        torch.as_tensor(exact, dtype=torch.float32)[:, None],
        radii=RADII,
        estimation_samples=120,
        **options,
    )
    claims = [(one.label, one.radius) for one in found]
    pairs = zip(claims, exact, strict=True)
    false = sum(bool(label == 0 or (label == 1 and radius > reach)) for (label, radius), reach in pairs)
    return false, sum(radius > 0 for _, radius in claims), replicates


def test_decisions_are_false_at_their_level_only(threshold: Model) -> None:
    false, useful, replicates = _decided(threshold)
    assert false <= allowed(replicates)
    assert false >= 0.2 * ALPHA * replicates  # the level is spent: the test could fail
    assert useful >= replicates / 2  # smaller radii are certified


def _one_failure_more(settings: CertificationSettings) -> StoppingRule:
    rule = rule_of(settings)
    assert isinstance(rule, DecisionRule)
    return DecisionRule(
        [
            Boundary(
                one.threshold,
                one.alpha,
                one.looks,
                one.certify_at_most + 1,
                np.maximum(one.futile_at_least, one.certify_at_most + 2),
            )
            for one in rule.boundaries
        ]
    )


def test_one_failure_more_than_the_boundary_allows_fails_the_same_test(
    threshold: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "rule_of", lambda settings, *_, **__: _one_failure_more(settings))
    false, _, replicates = _decided(threshold)
    assert false > allowed(replicates)


class _Overlooks(DecisionRule):
    """Overlooks two failures of each input."""

    def look(self, state: State, rows: np.ndarray, samples: int, votes: np.ndarray) -> None:
        for row, own in zip(rows, votes, strict=True):
            rest = samples - int(own)
            super().look(state, np.asarray([row]), samples, np.asarray([int(own) + min(rest, 2)]))


def test_overlooked_failures_fail_the_same_test(threshold: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        engine,
        "rule_of",
        lambda settings, *_, **__: _Overlooks(rule_of(settings).boundaries),  # type: ignore[attr-defined]
    )
    false, _, replicates = _decided(threshold)
    assert false > allowed(replicates)


def _answers_at_one_half() -> int:
    """Decide at radius 0 between two equal classes, where no answer is right; return the answers."""
    found = run(
        slices([0.5, 0.5]),
        torch.zeros(1000, 1),
        radii=0.0,
        estimation_samples=40,
        selection_samples=40,
    )
    return sum(not one.abstained for one in found)


def test_the_candidate_of_a_decision_is_chosen_by_other_samples() -> None:
    assert _answers_at_one_half() <= allowed(1000)


def test_deciding_with_the_samples_that_chose_the_candidate_fails_the_same_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = Stream.word

    def word(self: Stream, chunk: int) -> int:
        return real(dataclasses.replace(self, stage=Stage.SELECTION), chunk)

    monkeypatch.setattr(Stream, "word", word)
    assert _answers_at_one_half() > allowed(1000)


# Full radii


def _radius_mode(threshold: Model, share: float) -> tuple[Certificates, int]:
    replicates = 400
    place = NOISE * float(ndtri(share))
    found = run(
        threshold,
        torch.full((replicates, 1), place),
        method="radius",
        estimation_samples=500,
        selection_samples=32,
    )
    return found, sum(one.candidate == 1 and one.p_lower > share for one in found)


@pytest.mark.parametrize("share", [0.7, 0.9])
def test_full_radii_are_false_at_their_level_only(threshold: Model, share: float) -> None:
    found, false = _radius_mode(threshold, share)
    assert false <= allowed(len(found))
    assert len({one.samples for one in found}) > 1  # some stop early
    assert all(one.p_lower <= share or one.radius > 0 for one in found)


class _GoodNews(RadiusRule):
    """Stops for good news too: as soon as the bound of all draws so far is above what is hoped for."""

    hoped = 0.7

    def look(self, state: State, rows: np.ndarray, samples: int, votes: np.ndarray) -> None:
        super().look(state, rows, samples, votes)
        state.finished[rows] |= lower_bounds(votes, samples, self.alpha) > self.hoped


def test_stopping_for_good_news_fails_the_same_test(
    threshold: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(settings: CertificationSettings, *_: Any, **__: Any) -> StoppingRule:
        return _GoodNews(settings.estimation_samples, settings.level, tolerance=0.0)

    monkeypatch.setattr(engine, "rule_of", wrong)
    found, false = _radius_mode(threshold, 0.7)
    assert false > allowed(len(found))


# Simultaneous bounds


def _wrong_bounds(certificates: Sequence[Certificate], shares: Sequence[float]) -> int:
    """Count certificates with p_lower above their class, or p_upper below the best of the others."""
    return sum(
        one.p_lower > shares[one.candidate]
        or one.p_upper < max(share for label, share in enumerate(shares) if label != one.candidate)
        for one in certificates
    )


def _again(found: Certificates, **changes: Any) -> list[Certificate]:
    settings = found.settings.model_copy(update=changes)
    return [
        make_certificate(
            settings,
            index=one.index,
            selection_counts=np.asarray(one.selection_counts),
            estimation_counts=np.asarray(one.estimation_counts),
            rounding=one.rounding,
        )
        for one in found
    ]


SHARES = (0.5, 0.3, 0.2)


def test_simultaneous_bounds_hold_together_and_at_four_times_the_level_they_fail() -> None:
    found = run(
        slices(SHARES), torch.zeros(500, 1), runner_up="simultaneous", estimation_samples=200, alpha=ALPHA
    )
    assert _wrong_bounds(found, SHARES) <= allowed(len(found))
    assert _wrong_bounds(_again(found, alpha=4 * ALPHA), SHARES) > allowed(len(found))
    plain = _again(found, runner_up="complement")
    gains = [one.radius > other.radius for one, other in zip(found, plain, strict=True)]
    assert any(gains)  # that is what they are for


# A table


def _false_tables(threshold: Model, scope: str) -> tuple[int, int]:
    """Certify tables of 8 inputs with p = 0.8; return how many have any p_lower above it."""
    tables, inputs = 60, 8
    place, level = NOISE * float(ndtri(0.8)), 0.2
    x = torch.full((inputs, 1), place)
    wrong = 0
    for seed in range(tables):
        found = run(threshold, x, alpha=level, alpha_scope=scope, estimation_samples=128, seed=seed)
        wrong += any(one.candidate == 1 and one.p_lower > 0.8 for one in found)
    return wrong, allowed(tables, level)


def test_alpha_of_a_table_is_of_all_its_inputs_together(threshold: Model) -> None:
    wrong, most = _false_tables(threshold, "table")
    assert wrong <= most


def test_alpha_per_input_fails_the_test_of_a_table(threshold: Model) -> None:
    wrong, most = _false_tables(threshold, "per input")
    assert wrong > most
