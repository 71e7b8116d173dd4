"""Which inputs are worth more draws: backward induction under a uniform prior of the probability.

This decides only when drawing stops. Whatever it says, no bound becomes invalid by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import betaincinv, ndtr

__all__ = ["Reward", "most_worthless"]

Reward = Callable[[Float64[np.ndarray, " counts"], int], Float64[np.ndarray, " counts"]]
"""The radius that stands after so many votes (counts,) of so many draws."""

_NODES = 400  # counts at which the worth of an input is computed; linear between them
_QUANTILES = 16  # of the beta distribution that the probability has after the draws so far


@dataclass(frozen=True, eq=False)
class _Table:
    """A function of the number of votes after `draws` draws, linear between `counts`."""

    draws: int
    counts: Float64[np.ndarray, " counts"]
    values: Float64[np.ndarray, " counts"]

    def expected(self, counts: Float64[np.ndarray, " now"], draws: int) -> Float64[np.ndarray, " now"]:
        """Return the mean value, given `counts` votes in the first `draws` draws.

        The number of further votes is beta-binomial; here it has the shape of the beta distribution of p,
        stretched to the right variance.
        """
        levels = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        votes, further = counts[:, None], self.draws - draws
        mean = (votes + 1.0) / (draws + 2.0)
        off = betaincinv(votes + 1.0, draws - votes + 1.0, levels) - mean
        share = np.clip(mean + off * np.sqrt(1.0 + (draws + 2.0) / further), 0.0, 1.0)
        return np.asarray(np.interp(votes + further * share, self.counts, self.values).mean(axis=1))


def most_worthless(
    looks: Int64[np.ndarray, " looks"], reward: Reward, tolerance: float, price: float
) -> Int64[np.ndarray, " looks"]:
    """Return, for each look, the largest number of votes with which an input stops there (−1: none does).

    With more votes than that, some input is worth more draws: its expected radius at the horizon is above
    the present one by more than `tolerance`, and drawing on, as far as it pays, adds more radius than
    `price` times the draws. At the last look all stop. Cost: looks × 6,400 inverse incomplete beta
    functions.
    """
    full = value = _tabulate(int(looks[-1]), reward)
    stops = looks.copy()
    for place in range(len(looks) - 2, -1, -1):
        draws = int(looks[place])
        now = _tabulate(draws, reward)
        wanted = full.expected(now.counts, draws) > now.values + tolerance
        if price > 0:
            later = value.expected(now.counts, draws) - price * (value.draws - draws)
            wanted &= later > now.values
            value = _Table(draws, now.counts, np.where(wanted, later, now.values))
        stops[place] = now.counts[wanted.argmax()] - 1 if wanted.any() else draws
    return stops


def _tabulate(draws: int, reward: Reward) -> _Table:
    """Return the reward at counts that are dense where the proportion is near 0 or 1."""
    proportions = np.append(ndtr(np.linspace(-5.0, 5.0, _NODES)), 1.0)
    counts = np.unique(np.floor(proportions * draws))
    return _Table(draws, counts, reward(counts, draws))
