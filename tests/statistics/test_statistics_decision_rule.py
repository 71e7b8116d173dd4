"""Several thresholds on the same draws, candidates chosen first: the level of all of it together."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatproof.errors import InputError
from heatproof.statistics import (
    CERTIFIED,
    NOT_CERTIFIED,
    OPEN,
    Boundary,
    DecisionRule,
    DecisionState,
    State,
    boundary,
    check_probabilities,
    choice_probability,
    false_certificate_probability,
    selection_samples,
    simulate,
)

pytestmark = pytest.mark.usefixtures("empty_cache")


def _run(rule: DecisionRule, paths: np.ndarray) -> DecisionState:
    """Feed whole paths (1 = vote) to a rule."""
    state = rule.begin(len(paths))
    votes = np.cumsum(paths, axis=1)
    for samples in rule.looks.tolist():
        rows = np.flatnonzero(~state.finished)
        rule.look(state, rows, samples, votes[rows, samples - 1])
    return state


def _all_paths(length: int) -> np.ndarray:
    return np.array(list(itertools.product((0, 1), repeat=length)))


def _weights(paths: np.ndarray, p: float) -> np.ndarray:
    votes = paths.sum(axis=1)
    return np.asarray(p**votes * (1 - p) ** (paths.shape[1] - votes))


@given(
    thresholds=st.lists(st.floats(0.1, 0.75), min_size=1, max_size=3, unique=True),
    p=st.floats(0.01, 0.99),
)
def test_joint_level_by_all_paths(thresholds: list[float], p: float) -> None:
    rule = DecisionRule.at(thresholds, alpha=0.1, horizon=11)
    paths = _all_paths(11)
    state = _run(rule, paths)
    assert state.finished.all()
    weights = _weights(paths, p)
    false = (state.certified & (rule.thresholds >= p)).any(axis=1)
    assert weights[false].sum() <= 0.1
    for column, one in enumerate(rule.boundaries):
        alone = weights[_run(DecisionRule([one]), paths).certified[:, 0]].sum()
        assert alone == pytest.approx(one.certify_probability(p), abs=1e-12)
        assert weights[state.certified[:, column]].sum() <= alone + 1e-12
    largest = np.concatenate([[0.0], rule.thresholds])[state.certified.sum(axis=1)]
    assert np.array_equal(state.p_lower, largest)


def test_every_row_is_decided_as_if_alone() -> None:
    rule = DecisionRule.at([0.6, 0.8], alpha=0.05, horizon=300)
    paths = np.random.default_rng(3).random((40, 300)) < np.linspace(0.4, 1, 40)[:, None]
    together = _run(rule, paths)
    for number, path in enumerate(paths):
        alone = _run(rule, path[None])
        for name in ("p_lower", "samples", "outcome", "decided_at", "votes_at"):
            assert np.array_equal(getattr(together, name)[number], getattr(alone, name)[0])


def test_what_is_decided_is_recorded_with_its_draws() -> None:
    rule = DecisionRule.at([0.6, 0.9], alpha=0.05, horizon=400)
    state = _run(rule, np.ones((1, 400), dtype=np.int64))
    assert state.outcome.tolist() == [[CERTIFIED, CERTIFIED]]
    assert (state.votes_at == state.decided_at).all()
    assert state.samples[0] == state.decided_at.max() < 400
    assert state.decided_at[0, 0] < state.decided_at[0, 1]
    state = _run(rule, np.zeros((1, 400), dtype=np.int64))
    assert state.outcome.tolist() == [[NOT_CERTIFIED, NOT_CERTIFIED]]
    assert state.p_lower[0] == 0
    assert (rule.begin(2).outcome == OPEN).all()


def test_a_larger_threshold_waits_for_the_smaller() -> None:
    """Made by hand: t = 0.4 looks at the end only, t = 0.6 early; the second alone certifies nothing."""
    late = Boundary(0.4, 0.2, np.array([8]), np.array([1]), np.array([2]))
    early = Boundary(0.6, 0.2, np.array([4, 8]), np.array([0, -1]), np.array([1, 0]))
    paths = np.array([[1] * 8, [1] * 4 + [0] * 4])
    state = _run(DecisionRule([early, late]), paths)
    assert state.certified.tolist() == [[True, True], [False, False]]
    assert state.p_lower.tolist() == [0.6, 0.0]
    assert state.samples.tolist() == [8, 8]


def test_rules_that_do_not_belong_together_are_refused() -> None:
    one, other = boundary(0.6, 0.1, 100), boundary(0.7, 0.2, 100)
    for wrong in ([], [one, other], [one, one]):
        with pytest.raises(InputError, match="boundaries"):
            DecisionRule(wrong)
    with pytest.raises(InputError, match="state"):
        DecisionRule([one]).look(
            State(np.zeros(1), np.zeros(1, dtype=bool), np.zeros(1, dtype=np.int64)),
            np.array([0]),
            8,
            np.array([8]),
        )


@pytest.mark.parametrize("selection", [1, 2, 16])
def test_choice_and_decision_together_keep_the_level(selection: int) -> None:
    one = boundary(0.7, 0.05, 2_000)
    for p in (0.0, 0.3, 0.45, 0.5, 0.6, 0.69, 0.7, 0.71, 0.9, 1.0):
        for share in (0.0, 0.2, 0.5):
            classes = [p, (1 - p) * share, (1 - p) * (1 - share)]
            assert false_certificate_probability(one, classes, selection) <= 0.05


def test_few_selection_draws_are_chosen_where_few_suffice() -> None:
    chosen = [selection_samples(t) for t in (0.5, 0.5987063256829237, 0.8413447460685429, 0.97725, 0.99865)]
    assert chosen == [224, 80, 16, 8, 8]
    p = np.array([0.8413447460685429, 0.9, 0.999])
    missed = 1 - choice_probability(p, 16)
    votes = np.random.default_rng(5).binomial(16, p[0], 200_000)
    drawn = (votes < 8).mean() + 0.5 * (votes == 8).mean()
    assert missed[0] == pytest.approx(drawn, abs=5 * math.sqrt(missed[0] / 200_000))
    assert (np.diff(missed) < 0).all()


def test_selection_draws_used_again_break_the_level() -> None:
    """Three classes of 1/3, threshold 0.34: choosing the winner by the draws that then certify it."""
    horizon, p = 9, (0.34, 0.33, 0.33)
    one = Boundary(0.34, 0.05, np.array([horizon]), np.array([horizon - 6]), np.array([horizon - 5]))
    fresh = false_certificate_probability(one, p, horizon)
    assert fresh <= one.false_certificate_probability <= 0.05
    reused = 0.0
    for first in range(horizon + 1):
        for second in range(horizon + 1 - first):
            counts = (first, second, horizon - first - second)
            ways = math.factorial(horizon) / math.prod(math.factorial(k) for k in counts)
            if horizon - max(counts) <= one.certify_at_most[0]:
                reused += ways * math.prod(q**k for q, k in zip(p, counts, strict=True))
    assert reused > 0.05


def test_simulated_fractions_and_samples_are_the_exact_ones() -> None:
    """False alarm: five standard errors, 6e-7."""
    one = boundary(0.8, 1e-3, 5_000)
    p = np.full(20_000, 0.83)
    done = simulate(DecisionRule([one]), p, seed=1)
    power = one.certify_probability(0.83)
    assert abs((done.p_lower > 0).mean() - power) < 5 * math.sqrt(power * (1 - power) / len(p))
    error = done.samples.std() / math.sqrt(len(p))
    assert abs(done.samples.mean() - one.expected_samples(0.83)) < 5 * error


def test_simulation_counts_selection_and_its_mistakes() -> None:
    rule = DecisionRule.at([0.6], alpha=1e-3, horizon=2_000)
    p = np.full(5_000, 0.7)
    hard = simulate(rule, p, seed=2, selection_samples=4)
    easy = simulate(rule, p, seed=2, selection_samples=4, rest_in_one_class=False)
    assert hard.right.mean() < easy.right.mean() < 1
    assert (hard.p_lower[~hard.right] == 0).all()
    assert (hard.samples - hard.state.samples == 4).all()
    assert np.array_equal(hard.samples, simulate(rule, p, seed=2, selection_samples=4).samples)
    assert not np.array_equal(hard.samples, simulate(rule, p, seed=3, selection_samples=4).samples)


@pytest.mark.parametrize(
    "p", [np.array([0.5, 1.5]), np.array([math.nan]), np.zeros(0), np.zeros((2, 2)), np.array(["a"])]
)
def test_what_is_no_probability_is_refused(p: np.ndarray) -> None:
    with pytest.raises(InputError, match="p: got"):
        check_probabilities("p", p)
