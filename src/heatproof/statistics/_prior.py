"""Which probabilities a boundary is made for: its draws are fewest on average over these.

Nine of ten inputs are those of a confident model, with log-odds x spread over the whole range, more of them
the surer they are (density ∝ p·(1 − p)^−0.3 in x); the tenth is spread around the middle, p = Φ(z),
z ~ N(0.6, 1.2²). The prior decides how many draws are needed, never what is true, and hardly that: with
shares of one half instead, or a flat density, mean draws change by a tenth or less. Misses are counted over
the prior and a further tenth of inputs even in p: they weigh where the horizon itself tells p least well.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.special import expit, log_expit, logit, ndtri

__all__ = ["prior"]

_CONFIDENT, _POWER, _EVEN = 0.9, -0.3, 0.1
_MEAN, _SPREAD = 0.6, 1.2
_MARGIN, _FARTHEST = 4.0, 16.0
_NODES = 100

Nodes = Float64[np.ndarray, " nodes"]


def prior(threshold: float) -> tuple[Nodes, Nodes, Nodes, Nodes]:
    """Return for each node p: log(p/t), log((1−p)/(1−t)), its weight, and that of a miss (0 for p ≤ t)."""
    place = float(logit(threshold))
    nodes = _nodes(place)
    width = np.gradient(nodes)
    weight = _CONFIDENT * _shares(_confident(nodes) * width)
    weight += (1 - _CONFIDENT) * _shares(_spread(nodes) * width)
    missed = weight + _EVEN * _shares(np.exp(log_expit(nodes) + log_expit(-nodes)) * width)
    votes = np.asarray(log_expit(nodes) - log_expit(place))
    failures = np.asarray(log_expit(-nodes) - log_expit(-place))
    return votes, failures, weight, np.where(nodes > place, missed, 0.0)


def _nodes(place: float) -> Nodes:
    """Return log-odds over the whole range, closer to each other near the threshold's."""
    wide = np.linspace(min(-4.0, place - _MARGIN), max(_FARTHEST, place + _MARGIN), _NODES)
    near = 10 ** np.linspace(-3, 0.3, _NODES // 2)
    return np.unique(np.concatenate([wide, place - near, place + near]))


def _shares(values: Nodes) -> Nodes:
    return np.asarray(values / values.sum())


def _confident(nodes: Nodes) -> Nodes:
    return np.asarray(np.exp(log_expit(nodes) + _POWER * log_expit(-nodes)))


def _spread(nodes: Nodes) -> Nodes:
    """Return the density in log-odds of Φ(z): φ((z − mean)/spread)·dz/dx, dz/dx = p(1 − p)/φ(z)."""
    z = np.where(nodes > 0, -ndtri(expit(-nodes)), ndtri(expit(nodes)))
    log_density = -0.5 * ((z - _MEAN) / _SPREAD) ** 2 + 0.5 * z**2
    return np.asarray(np.exp(log_density + log_expit(nodes) + log_expit(-nodes)))
