"""Soft scores: exact errors over every outcome and path, controls that must fail, the cost of binning."""

from __future__ import annotations

from itertools import product
from math import factorial, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from heatproof._intervals import lower_bounds
from heatproof.errors import InputError
from heatproof.statistics._scores import score_nodes
from heatproof.statistics.betting import (
    Bets,
    betting_lower_bounds,
    log_capital,
    spread_bets,
)
from heatproof.statistics.mixture import mixture_lower_bounds

COARSE = np.array([0.0, 0.5, 1.0])
ATOMS = [
    np.array([0.0, 1.0]),
    np.array([0.0, 0.45, 1.0]),
    np.array([0.1, 0.8, 0.95]),
    np.array([0.3, 0.9, 1.0]),
]
GREEDY = Bets(np.array([0.5]), np.array([1.0]))


def _histogram(scores: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Return how much of the scores (inputs, draws) lies at each node; either neighbour gets its part.

    Parts are rounded to the lower one, to multiples of 2⁻²⁰, so that sums are exact in any order.
    """
    below = np.minimum(np.searchsorted(nodes, scores, side="right") - 1, len(nodes) - 2)
    part = (scores - nodes[below]) / (nodes[below + 1] - nodes[below])
    part = np.floor(part * 2.0**20) * 2.0**-20
    histogram = np.zeros((len(scores), len(nodes)))
    rows = np.broadcast_to(np.arange(len(scores))[:, None], scores.shape)
    np.add.at(histogram, (rows, below), 1.0 - part)
    np.add.at(histogram, (rows, below + 1), part)
    return histogram


def _outcomes(draws: int, atoms: int) -> np.ndarray:
    """Return every way in which `draws` draws can fall on the atoms."""
    return np.array([c for c in product(range(draws + 1), repeat=atoms) if sum(c) == draws])


def _rounded_up(atoms: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Count the whole score at the node above it: unsound."""
    return np.eye(len(nodes))[np.searchsorted(nodes, atoms)]


def _error(counts: np.ndarray, bounds: np.ndarray, atoms: np.ndarray, p: np.ndarray) -> float:
    """Return P(bound > mean), a sum over all outcomes."""
    ways = np.array([factorial(int(c.sum())) / prod(factorial(int(k)) for k in c) for c in counts])
    return float((ways * np.prod(p**counts, axis=1))[bounds > float(atoms @ p)].sum())


def _chances(atoms: int) -> list[np.ndarray]:
    cells = [np.array(c) / 10 for c in product(range(11), repeat=atoms) if sum(c) == 10]
    return [*cells, *(np.array([e] * (atoms - 1) + [1 - (atoms - 1) * e]) for e in (0.001, 0.01, 0.03))]


@pytest.mark.parametrize("atoms", ATOMS)
@pytest.mark.parametrize("nodes", [COARSE, score_nodes()], ids=["coarse", "fine"])
@pytest.mark.parametrize(("draws", "alpha"), [(4, 0.3), (12, 0.1)])
@pytest.mark.parametrize("bets", [spread_bets(), GREEDY], ids=["spread", "greedy"])
def test_the_exact_error_is_at_most_alpha(
    atoms: np.ndarray, nodes: np.ndarray, draws: int, alpha: float, bets: Bets
) -> None:
    counts = _outcomes(draws, len(atoms))
    bounds = betting_lower_bounds(counts @ _histogram(atoms[:, None], nodes), nodes, alpha, bets)
    assert max(_error(counts, bounds, atoms, p) for p in _chances(len(atoms))) <= alpha


def test_rounding_scores_up_is_caught() -> None:
    atoms, p, counts = np.array([0.0, 0.3]), np.array([0.0, 1.0]), np.array([[0, 40]])
    sound = betting_lower_bounds(counts @ _histogram(atoms[:, None], COARSE), COARSE, 0.1, GREEDY)
    unsound = betting_lower_bounds(counts @ _rounded_up(atoms, COARSE), COARSE, 0.1, GREEDY)
    assert _error(counts, sound, atoms, p) == 0
    assert _error(counts, unsound, atoms, p) == 1


def test_twice_alpha_is_caught() -> None:
    stake_all = Bets(
        np.array([1 - 1e-6]), np.array([1.0])
    )  # of one draw it makes 1/m or nothing: spends all of α
    counts, p = _outcomes(1, 2), np.array([0.7, 0.3])
    for level, error in ((0.301, 0.3), (0.299, 0.0), (0.32, 0.3)):
        bounds = betting_lower_bounds(counts.astype(float), np.array([0.0, 1.0]), level, stake_all)
        assert _error(counts, bounds, ATOMS[0], p) == error  # the last: above the α of .16 that is asked for


def _ever_above(atoms: np.ndarray, p: np.ndarray, alpha: float, draws: int, bets: Bets) -> float:
    """Return P(capital against the true mean ever reaches 1/alpha), a sum over every path."""
    nodes, mean = score_nodes(), float(atoms @ p)
    single, error = _histogram(atoms[:, None], score_nodes()), 0.0
    alive = [(np.zeros(len(atoms), dtype=int), 1.0)]
    for _ in range(draws):
        merged: dict[tuple[int, ...], float] = {}
        for counts, weight in alive:
            for atom, chance in enumerate(p):
                after = tuple(counts + (np.arange(len(atoms)) == atom))
                merged[after] = merged.get(after, 0.0) + weight * chance
        alive = []
        for after, weight in merged.items():
            if log_capital(np.array(after) @ single, nodes, mean, bets) >= -np.log(alpha):
                error += weight
            else:
                alive.append((np.array(after), weight))
    return error


@pytest.mark.parametrize("atoms", ATOMS)
def test_the_error_at_all_numbers_of_draws_together_is_at_most_alpha(atoms: np.ndarray) -> None:
    p = np.append(np.full(len(atoms) - 1, 0.3), 1 - 0.3 * (len(atoms) - 1))
    for bets in (spread_bets(), GREEDY):
        assert _ever_above(atoms, p, 0.2, 25, bets) <= 0.2


@given(data=st.data(), k=st.integers(1, 40))
def test_the_histogram_keeps_the_mean_and_never_adds_capital(data: st.DataObject, k: int) -> None:
    scores = np.array(data.draw(st.lists(st.floats(0, 1), min_size=k, max_size=k)))
    mean = data.draw(st.floats(0.01, 1))
    nodes, bets = score_nodes(), spread_bets()
    histogram = _histogram(scores[None], nodes)
    assert histogram.sum() == k
    assert (histogram >= 0).all()
    assert scores.mean() - 1e-6 <= histogram[0] @ nodes / k <= scores.mean() + 1e-12
    by_scores = np.log1p(bets.shares * (scores[:, None] / mean - 1)).sum(axis=0)
    exact = np.log((bets.weights * np.exp(by_scores)).sum())
    assert log_capital(histogram[0], nodes, mean, bets) <= exact + 1e-9


def test_histograms_add_up_exactly_in_any_order() -> None:
    scores = np.random.default_rng(0).beta(3, 1, (1, 3_000))
    nodes = score_nodes()
    whole = _histogram(scores, nodes)
    shuffled = np.random.default_rng(1).permuted(scores, axis=1)
    parts = sum(_histogram(part, nodes) for part in np.split(shuffled, 3, axis=1))
    assert np.array_equal(whole, parts)


@pytest.mark.parametrize("kind", ["beta", "logit"])
def test_it_beats_hoeffding_and_empirical_bernstein_and_binning_costs_nothing(kind: str) -> None:
    generator, n, alpha = np.random.default_rng(2), 10_000, 0.001
    logits = generator.normal(3, 2, n + 100)
    both = generator.beta(8, 2, n + 100) if kind == "beta" else np.asarray(expit(logits))
    scores = both[100:]
    mean, logarithm = scores.mean(), np.log(1 / alpha)
    hoeffding = mean - np.sqrt(logarithm / (2 * n))
    bernstein = mean - np.sqrt(2 * scores.var(ddof=1) * np.log(2 / alpha) / n)
    bernstein -= 7 * np.log(2 / alpha) / (3 * (n - 1))  # Maurer & Pontil 2009
    nodes, fine = score_nodes(), np.linspace(0, 1, 20_001)
    histogram = _histogram(scores[None], nodes)
    spread = betting_lower_bounds(histogram, nodes, alpha)[0]
    assert spread > bernstein > hoeffding
    unbinned = betting_lower_bounds(_histogram(scores[None], fine), fine, alpha)[0]
    assert 0 <= unbinned - spread < 0.01 * (mean - spread)


def test_zeros_and_ones_give_nearly_the_mixture_and_less_than_the_fixed_sample() -> None:
    votes, n, alpha = np.array([0, 300, 600, 950, 1_000]), 1_000, 0.001
    histograms = np.zeros((5, 83))
    histograms[:, 0], histograms[:, -1] = n - votes, votes
    bounds = betting_lower_bounds(histograms, score_nodes(), alpha)
    exact, mixture = lower_bounds(votes, n, alpha), mixture_lower_bounds(votes, n, alpha)
    assert bounds[0] == 0
    assert (bounds[1:] < exact[1:]).all()
    assert (np.abs(bounds - mixture) < 0.1 * (votes / n - mixture) + 1e-6).all()


def test_impossible_bets_levels_and_nodes_are_refused() -> None:
    with pytest.raises(InputError, match="in \\(0, 1\\)"):
        Bets(np.array([1.0]), np.array([1.0]))
    with pytest.raises(InputError, match="a sum of at most 1"):
        Bets(np.array([0.5, 0.6]), np.array([0.9, 0.2]))
    with pytest.raises(InputError, match="rising"):
        betting_lower_bounds(np.ones((1, 2)), np.array([0.0, 0.9]), 0.1)
    with pytest.raises(InputError, match="alpha"):
        betting_lower_bounds(np.ones((1, 2)), np.array([0.0, 1.0]), 1.0)
