"""Radius mode: its exact error through the rule's own code, controls that must fail, and what it saves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import binom

from heatproof._intervals import lower_bounds
from heatproof.errors import InputError
from heatproof.statistics._rule import State, StoppingRule
from heatproof.statistics.fixed import FixedRule
from heatproof.statistics.radius import RadiusRule, gaussian_radii


def _after_looks(rule: StoppingRule) -> list[State]:
    """Return, for each look, what the rule makes of 0, 1, …, n votes of n draws."""
    states = []
    for samples in rule.looks:
        votes = np.arange(samples + 1)
        states.append(rule.begin(len(votes)))
        rule.look(states[-1], votes, int(samples), votes)
    return states


def _error(looks: np.ndarray, states: list[State], p: float) -> float:
    """Return P(p_lower > p at any time) exactly: the votes of unfinished inputs, look by look."""
    mass, lowest, error = np.ones(1), 0, 0.0
    for more, state in zip(np.diff(looks, prepend=0), states, strict=True):
        weights = binom.pmf(np.arange(more + 1), more, p)
        used = np.flatnonzero(weights > 1e-30)
        mass = np.convolve(mass, weights[used[0] : used[-1] + 1])
        lowest += int(used[0])
        here = slice(lowest, lowest + len(mass))
        wrong = state.p_lower[here] > p
        error += mass[wrong].sum()
        mass = np.where(wrong | state.finished[here], 0.0, mass)
        alive = np.flatnonzero(mass > 1e-30)
        if not len(alive):
            break
        mass, lowest = mass[alive[0] : alive[-1] + 1], lowest + int(alive[0])
    return float(error)


def _worst_error(rule: StoppingRule, per_look: int = 12) -> float:
    """Return the largest error over a grid of p and just below many of the bounds, where it peaks."""
    states = _after_looks(rule)
    bounds = np.unique(np.concatenate([state.p_lower for state in states]))[1:]
    peaks = bounds[:: max(1, len(bounds) // (per_look * len(states)))] * (1 - 1e-9)
    grid = np.concatenate([np.linspace(0.01, 0.99, 25), [0.999, 0.9999], peaks])
    return max(_error(rule.looks, states, p) for p in grid)


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
@pytest.mark.parametrize(
    "settings",
    [{"tolerance": 0.2}, {"tolerance": 0.02}, {"tolerance": 0.0, "price": 2e-4}, {"any_time": True}],
)
def test_the_exact_error_is_at_most_alpha(alpha: float, settings: dict[str, float]) -> None:
    assert _worst_error(RadiusRule(640, alpha, **settings)) <= alpha  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{}, {"tolerance": 0.0, "price": 2e-5}])
def test_the_exact_error_at_the_default_horizon(settings: dict[str, float]) -> None:
    rule = RadiusRule(**settings)  # type: ignore[arg-type]
    states = _after_looks(rule)
    chosen = [state.p_lower[np.flatnonzero(state.finished)[-1]] for state in states[::4]]
    errors = [_error(rule.looks, states, p * (1 - 1e-9)) for p in chosen if p > 0]
    assert 0.2 * rule.alpha < max(errors) <= rule.alpha


def test_nearly_all_of_alpha_is_spent() -> None:
    assert _worst_error(RadiusRule(640, 0.05, tolerance=0.2)) > 0.04


@given(
    data=st.data(),
    looks=st.lists(st.integers(1, 40), min_size=2, max_size=6, unique=True).map(sorted),
    alpha=st.sampled_from([0.01, 0.1, 0.4]),
)
def test_any_boundary_that_stops_bad_news_only_is_valid(
    data: st.DataObject, looks: list[int], alpha: float
) -> None:
    rule = RadiusRule(64, alpha)
    rule.looks = np.array(looks)
    rule.stops = np.array([*(data.draw(st.integers(-1, n)) for n in looks[:-1]), looks[-1]])
    assert _worst_error(rule, per_look=8) <= alpha * (1 + 1e-9)


class _StopsGoodNews(RadiusRule):
    """Stops where the bound is high instead of low: unsound."""

    def look(self, state: State, rows: np.ndarray, samples: int, votes: np.ndarray) -> None:
        """Finish rows with many votes."""
        state.p_lower[rows] = lower_bounds(votes, samples, self.alpha)
        state.finished[rows] = (votes > 0.6 * samples) | (samples == self.horizon)
        state.p_lower[rows] *= state.finished[rows]


class _BestBoundSoFar(RadiusRule):
    """Keeps the largest bound of all looks although each holds for a fixed number of draws: unsound."""

    def look(self, state: State, rows: np.ndarray, samples: int, votes: np.ndarray) -> None:
        """Show all bounds."""
        super().look(state, rows, samples, votes)
        state.p_lower[rows] = lower_bounds(votes, samples, self.alpha)


@pytest.mark.parametrize("unsound", [_StopsGoodNews, _BestBoundSoFar])
def test_unsound_rules_are_caught(unsound: type[RadiusRule]) -> None:
    assert _worst_error(unsound(640, 0.05, tolerance=0.02)) > 0.06


def _play(rule: StoppingRule, p: np.ndarray, seed: int) -> State:
    """Feed a rule Bernoulli draws."""
    generator, state = np.random.default_rng(seed), rule.begin(len(p))
    votes, drawn = np.zeros(len(p), dtype=np.int64), 0
    while not state.finished.all():
        samples, rows = rule.next_look(drawn), np.flatnonzero(~state.finished)
        votes[rows] += generator.binomial(samples - drawn, p[rows])
        rule.look(state, rows, samples, votes[rows])
        drawn = samples
    return state


def _saving_and_loss(rule: RadiusRule, seeds: int = 5) -> tuple[float, float]:
    """Return draws of the fixed rule over draws of this one, and the loss of ACR, on spread probabilities."""
    fixed, drawn, lost = FixedRule(rule.horizon, rule.alpha), [], []
    for seed in range(seeds):
        p = ndtr(np.random.default_rng(seed).normal(0.6, 1.2, 500))
        ours, theirs = _play(rule, p, seed), _play(fixed, p, seed + 100)
        drawn.append(ours.samples.mean())
        lost.append(0.25 * (gaussian_radii(theirs.p_lower) - gaussian_radii(ours.p_lower)).mean())
    return rule.horizon / float(np.mean(drawn)), float(np.mean(lost))


@pytest.mark.parametrize(
    ("rule", "saving", "loss"),
    [
        (RadiusRule, 24, 0.0155),
        (lambda: RadiusRule(tolerance=0.0, price=2e-5), 45, 0.018),
        (lambda: RadiusRule(tolerance=0.0, price=2e-6), 9, 0.0065),
        (lambda: RadiusRule(tolerance=0.1, any_time=True), 20, 0.02),
    ],
)
def test_the_saving_on_spread_probabilities(
    rule: Callable[[], RadiusRule], saving: float, loss: float
) -> None:
    measured = _saving_and_loss(rule())
    assert measured[0] > saving
    assert measured[1] < loss


def test_an_input_that_will_abstain_stops_early_and_a_certain_one_late() -> None:
    state = _play(RadiusRule(), np.array([0.2, 0.45, 0.8, 0.99, 1.0]), 0)
    assert (state.samples[:2] < 2_000).all()
    assert (np.diff(state.samples[1:]) > 0).all()
    assert (state.p_lower[:2] <= 0.5).all()


def test_no_bound_before_the_end_unless_it_holds_at_all_times() -> None:
    for any_time in (False, True):
        rule = RadiusRule(1_000, any_time=any_time)
        state = rule.begin(1)
        rule.look(state, np.array([0]), 32, np.array([32]))
        assert not state.finished[0]
        assert (state.p_lower[0] > 0) == any_time


def test_other_radii_may_be_asked_for() -> None:
    rule = RadiusRule(10_000, tolerance=0.02, radius=lambda p: np.maximum(2 * p - 1, 0.0))
    assert _play(rule, np.array([0.1, 0.7]), 0).finished.all()


@pytest.mark.parametrize("horizon", [1, 8, 31, 33, 1_000, 100_000])
def test_looks_fall_on_the_grid_of_the_sampler(horizon: int) -> None:
    looks = RadiusRule(horizon).looks
    early = looks[:-1]
    step = np.where(early <= 128, 8, np.where(early <= 1_024, 32, 256))
    assert (early % step == 0).all()
    assert looks[-1] == horizon
    assert (np.diff(looks) > 0).all()


@pytest.mark.parametrize("settings", [{"horizon": 0}, {"alpha": 1.0}, {"tolerance": -0.1}, {"price": -1.0}])
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match="allowed"):
        RadiusRule(**settings)  # type: ignore[arg-type]
